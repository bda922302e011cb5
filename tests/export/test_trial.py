"""The task gate: intervals over the same rows, and who is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper

from export.errors import ExportError
from export.precision import FP16, FP32, INT8, INT8_WEIGHTS, parse_precisions
from export.to_onnx import Exported, export_checkpoint
from export.trained import Trained
from export.trial import Refused, _weights, compared
from zoo.metrics import Metric, auc, mean, ratio


def test_equal_answers_change_nothing() -> None:
    rng = np.random.default_rng(0)
    rows = {"logit": rng.normal(size=500), "y": (rng.random(500) < 0.3).astype(float)}
    found = compared(Metric(auc("logit", "y"), "auc"), rows, rows, 1, FP32)
    assert found["change"] == found["low"] == found["high"] == 0


def test_interval_is_that_of_paired_rows() -> None:
    """Whichever rows are drawn, what both answer alike cancels out."""
    right = np.arange(1000) < 800
    worse = right.copy()
    worse[:10] = False  # ten rows lost
    metric = Metric(mean("right"), "accuracy")
    found = compared(metric, {"right": right}, {"right": worse}, 1, INT8)
    assert found["change"] == pytest.approx(-0.01)
    sd = np.sqrt(0.01 * 0.99 / 1000)
    assert found["low"] == pytest.approx(-0.01 - 1.96 * sd, abs=0.001)
    assert found["high"] == pytest.approx(-0.01 + 1.96 * sd, abs=0.001)


def test_lower_is_better_turns_the_sign_and_shares_are_of_the_value() -> None:
    before = {"squares": np.full(100, 2.0), "known": np.ones(100)}
    after = {"squares": np.full(100, 2.1), "known": np.ones(100)}
    metric = Metric(ratio("squares", "known"), "relative", lower=True)
    found = compared(metric, before, after, 1, INT8)
    assert found["change"] == pytest.approx(-0.05) and found["low"] == pytest.approx(-0.05)


def test_overlapping_rows_are_drawn_together() -> None:
    rng = np.random.default_rng(0)
    drift = np.repeat(rng.normal(size=20), 50)  # fifty rows in a row say the same
    before, after = {"x": np.zeros(1000)}, {"x": drift}
    metric = Metric(mean("x"), "accuracy")
    alone, together = (compared(metric, before, after, block, FP32) for block in (1, 50))
    width = [one["high"] - one["low"] for one in (alone, together)]
    assert width[1] > 4 * width[0]


def test_weighted_auc_is_that_of_repeated_rows() -> None:
    rng = np.random.default_rng(0)
    scores, y = rng.integers(0, 9, 60).astype(float), (rng.random(60) < 0.4).astype(float)
    weights = rng.integers(0, 4, 60)
    found = auc("s", "y")({"s": scores, "y": y}, weights[None].astype(float))[0]
    s, c = np.repeat(scores, weights), np.repeat(y, weights)
    pairs = s[c == 1][:, None] - s[c == 0][None]
    assert found == pytest.approx(((pairs > 0) + (pairs == 0) / 2).mean())


def louder(graph: onnx.ModelProto) -> onnx.ModelProto:
    """A graph that adds noise which depends on the row."""
    made = onnx.ModelProto()
    made.CopyFrom(graph)
    for node in made.graph.node:
        node.output[:] = ["quiet" if name == "logit" else name for name in node.output]
        node.input[:] = ["quiet" if name == "logit" else name for name in node.input]
    made.graph.initializer.append(numpy_helper.from_array(np.float32(977), "often"))
    made.graph.node.append(helper.make_node("Mul", ["quiet", "often"], ["turned"]))
    made.graph.node.append(helper.make_node("Sin", ["turned"], ["noise"]))
    made.graph.node.append(helper.make_node("Add", ["quiet", "noise"], ["logit"]))
    return made


def test_graph_that_ranks_worse_is_refused_and_says_by_how_much(clicks: Path) -> None:
    trained = Trained(clicks)
    candidate = trained.candidate("rows")
    assert trained.trial is not None
    found = trained.trial.check(candidate)
    assert found["rows"] == 1200 and found["metrics"]["auc"]["change"] == pytest.approx(0, abs=1e-9)
    bad = replace(candidate, graph=louder(candidate.graph), precision=INT8)
    message = r"^toy-clicks as int8 would cost too much: auc 0\.\d+ against 0\.\d+ of the trained"
    with pytest.raises(Refused, match=message) as refusal:
        trained.trial.check(bad)
    assert refusal.value.task["metrics"]["auc"]["low"] < -0.0002


@pytest.fixture(scope="module")
def variants(clicks: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    out = tmp_path_factory.mktemp("variants")
    return export_checkpoint(clicks, None, out, None, [FP32, FP16, INT8_WEIGHTS])


def test_every_form_is_exported_in_every_precision_or_refused(variants: Exported) -> None:
    made = {(one.model, one.metrics["precision"]) for one in variants.artifacts}
    gone = {(one.model, one.precision) for one in variants.refused}
    nets = {(m, p) for m in ("toy-clicks", "toy-clicks-rank") for p in ("fp32", "fp16")}
    assert nets <= made | gone and not made & gone
    assert {("toy-clicks", "fp32"), ("toy-clicks-rank-raw", "fp32")} <= made
    for artifact in variants.artifacts:
        assert artifact.path.parts[-2:] == (artifact.metrics["precision"], artifact.model)
    for one in variants.refused:
        file = variants.artifacts[0].path.parents[1] / one.precision / one.model / "refused.json"
        assert one.reason in file.read_text()


def test_precisions_are_named_or_refused() -> None:
    assert parse_precisions("int8, fp32") == [FP32, INT8]
    with pytest.raises(ExportError, match=r"^unknown precision 'fp8': did you mean fp"):
        parse_precisions("fp8")
    with pytest.raises(ExportError, match="no precision is named: expected some of fp32, fp16"):
        parse_precisions(" ,")


def test_few_blocks_make_a_wider_interval() -> None:
    rng = np.random.default_rng(0)
    before, after = {"x": np.zeros(1000)}, {"x": rng.normal(size=1000)}
    metric = Metric(mean("x"), "accuracy")
    many, few = (compared(metric, before, after, block, FP32) for block in (10, 500))
    assert many["high"] - many["change"] < 0.5 * (few["high"] - few["change"])
    same = compared(metric, before, before, 900, FP32)  # not even two blocks
    assert same["low"] == same["high"] == 0


def test_blocks_go_around_and_draw_each_row_equally() -> None:
    weights = np.concatenate(list(_weights(10, 4)))
    assert weights.shape == (1000, 10) and set(weights.sum(axis=1)) == {12.0}
    np.testing.assert_allclose(weights.mean(axis=0), 1.2, atol=0.15)
    alone = np.concatenate(list(_weights(10, 1)))
    assert set(alone.sum(axis=1)) == {10.0}


def test_rows_left_unanswered_are_no_gain(clicks: Path) -> None:
    trained = Trained(clicks)
    trial = trained.trial
    assert trial is not None
    judge = trial.judge

    def counted(outputs: Any, targets: Any) -> Any:
        """A third of the graph's rows is taken for unanswered."""
        found = dict(judge.quantities(outputs, targets))
        return {**found, "known": (outputs["logit"].ravel() > 0.0) * 1}

    trial.judge = replace(judge, quantities=counted, answered="known")
    candidate = trained.candidate("rows")
    trial._reference = {**trial._reference, "known": np.ones(1200)}
    message = r"^toy-clicks as fp32 answers other parts of test row \d+ than .* 1200 rows, measured"
    with pytest.raises(ExportError, match=message):
        trial.check(candidate)


class Squared(torch.nn.Module):
    """Another function than the model's: its scores squared."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        logit = 2 * self.model(*inputs).unsqueeze(1)
        return torch.sigmoid(logit), logit


def test_fp32_is_gated_whatever_is_asked_for(
    clicks: Path, tmp_path: Path, toy_ctr: ModuleType
) -> None:
    """A form that is not the model would pass if it were held against itself."""
    (spec,) = toy_ctr.MODELS
    wrong = replace(spec, exports={"rows": replace(spec.exports["rows"], wrap=Squared)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("export.trained.get_spec", lambda _: wrong)
        with pytest.raises(ExportError, match="torch and the model: expected score to differ"):
            export_checkpoint(clicks, None, tmp_path, None, [INT8_WEIGHTS])
    assert not list(tmp_path.iterdir())


def test_numbers_that_differ_are_refused_with_what_they_would_have_cost(
    clicks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("export.to_onnx.half", louder)
    exported = export_checkpoint(clicks, ["rows"], tmp_path, None, [FP16])
    assert not exported.artifacts
    (refusal,) = exported.refused
    assert refusal.reason.startswith("as fp16: toy-clicks: ONNX and torch at batch 1: expected")
    assert refusal.task is not None and refusal.task["metrics"]["auc"]["low"] < -0.001
