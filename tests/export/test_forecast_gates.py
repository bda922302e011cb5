"""The gate on forecasts: in units of each series, NaN only where nothing is known."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn

from export.artifacts import WARMUP
from export.candidate import Candidate, compare
from export.errors import ExportError
from export.parity import check
from export.published import check_golden
from export.repository import publish
from export.to_onnx import export_checkpoint
from export.trained import Trained
from export.triton_config import config_of
from serving.local import Local
from zoo import checkpoint, registry
from zoo.artifact import Artifact
from zoo.contract import Signature, TensorSpec
from zoo.golden import Golden
from zoo.recipes import Recipe
from zoo.spec import Export, ModelSpec, Objective

LOOKBACK, HORIZON, CHANNELS, ROWS = 6, 2, 3, 20
SCALE = 1e4  # of the data, so that differences in its own unit are large
SILENT = (5, 1)  # row and channel of a series of which nothing is known


@dataclass(frozen=True)
class Config:
    """No choices."""

    seed: int = 0


class Toy(nn.Module):
    """Shapes: history (batch, channels, lookback) → quantiles (batch, channels, horizon, 9),
    status (batch, channels)."""

    def __init__(self, _: Config) -> None:
        super().__init__()
        self.linear = nn.Linear(LOOKBACK, HORIZON * 9)

    def forward(self, history: torch.Tensor) -> tuple[torch.Tensor, ...]:
        missing = torch.isnan(history)
        filled = torch.where(missing, torch.zeros_like(history), history)
        known = (~missing).sum(dim=2, keepdim=True)
        scale = filled.abs().amax(dim=2, keepdim=True).clamp(min=1)
        nothing = torch.where(known == 0, torch.nan, 0.0)
        answer = self.linear(filled / scale) * scale + nothing
        quantiles = answer.reshape(*history.shape[:2], HORIZON, 9)
        return quantiles, (known == 0).squeeze(2).to(torch.int64)


def histories(channels: int = CHANNELS) -> np.ndarray:
    values = np.random.default_rng(0).normal(0, SCALE, (ROWS, channels, LOOKBACK))
    values[SILENT[0], SILENT[1] % channels] = np.nan
    values[7, 0, :3] = np.nan
    return values.astype(np.float32)


def signature(_: Config) -> Signature:
    history = TensorSpec("history", "float32", ("channels", LOOKBACK), "past", missing=True)
    quantiles = TensorSpec("quantiles", "float32", ("channels", HORIZON, 9), "0.1 to 0.9")
    return Signature((history,), (quantiles, TensorSpec("status", "int64", ("channels",), "")), 64)


def unit(arrays: dict[str, np.ndarray]) -> np.ndarray:
    known = ~np.isnan(arrays["history"])
    largest = np.abs(np.where(known, arrays["history"], 0)).max(axis=2)
    return np.where(known.any(axis=2), np.maximum(largest, 1), np.nan)


def _untrained(*_: Any) -> Objective:
    raise NotImplementedError("its weights are drawn")


SPEC = ModelSpec(
    name="toy-forecast",
    doc="For tests.",
    task="forecasting",
    config=Config,
    data_config=Config,
    distill_config=Config,
    data=lambda recipe: data(),
    build=Toy,
    objective=_untrained,
    outputs=_untrained,
    evaluate=_untrained,
    metric="mse",
    lower=True,
    exports={
        "rows": Export(
            "windows",
            signature,
            lambda model: model,
            lambda data, config, ids: {"history": data.values[ids]},
            unit=unit,
        )
    },
)


def data(channels: int = CHANNELS) -> Any:
    values = histories(channels)
    return SimpleNamespace(values=values, n_rows=len(values), complete=True, licence="none")


@pytest.fixture(scope="module", autouse=True)
def toy_model() -> Iterator[None]:
    known = registry.list_models
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "list_models", lambda: known() | {SPEC.name: SPEC})
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("run") / "toy"
    recipe = Recipe("toy-forecast", SPEC.name, "toy")
    checkpoint.save(folder, Toy(Config()), Config(), recipe, {}, {}, {})
    return folder


@pytest.fixture(scope="module")
def candidate(run: Path) -> Candidate:
    return Trained(run).candidate("rows")


@pytest.fixture(scope="module")
def exported(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return export_checkpoint(run, None, tmp_path_factory.mktemp("onnx")).artifacts[0]


def test_no_answers_are_needed_and_silent_rows_pass(candidate: Candidate) -> None:
    assert candidate.expected is None
    parity = check(candidate)
    assert parity.rows == ROWS
    assert parity.top1_agreement is None  # the last axis holds levels, not classes
    assert 0 <= parity.max_abs_diff < 1e-6
    assert parity.outputs["status"] == 0


def off(by: float) -> Callable[[onnx.ModelProto], None]:
    """Adds to the quantiles, in the caller's unit."""

    def damage(graph: onnx.ModelProto) -> None:
        _rename(graph, "quantiles")
        _add(graph, helper.make_node("Add", ["before", "off"], ["quantiles"]), off=by)

    return damage


def nothing_missing(graph: onnx.ModelProto) -> None:
    """A number where nothing is known."""
    _rename(graph, "quantiles")
    _add(graph, helper.make_node("IsNaN", ["before"], ["none"]))
    _add(graph, helper.make_node("Where", ["none", "zero", "before"], ["quantiles"]), zero=0)


def too_little(graph: onnx.ModelProto) -> None:
    """NaN below zero."""
    _rename(graph, "quantiles")
    _add(graph, helper.make_node("Less", ["before", "zero"], ["below"]), zero=0)
    _add(graph, helper.make_node("Where", ["below", "nan", "before"], ["quantiles"]), nan=np.nan)


def wrong_status(graph: onnx.ModelProto) -> None:
    _rename(graph, "status")
    _add(graph, helper.make_node("Sub", ["before", "before"], ["status"]))


def _rename(graph: onnx.ModelProto, output: str) -> None:
    for node in graph.graph.node:
        node.output[:] = ["before" if name == output else name for name in node.output]


def _add(graph: onnx.ModelProto, node: onnx.NodeProto, **weights: float) -> None:
    graph.graph.node.append(node)
    for name, value in weights.items():
        graph.graph.initializer.append(numpy_helper.from_array(np.float32(value), name))


def damaged(candidate: Candidate, damage: Callable[[onnx.ModelProto], None]) -> Candidate:
    graph = copy.deepcopy(candidate.graph)
    damage(graph)
    return replace(candidate, graph=graph)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            off(1e-2 * SCALE),
            r"quantiles to differ by at most 1e-05 and 0.0001 of .*, measured 0\.\d+",
        ),
        (nothing_missing, "expected finite quantiles, measured NaN or infinity in row"),
        (too_little, "expected finite quantiles, measured NaN or infinity in row"),
        (wrong_status, r"expected 1 in status at \[\d+, 1\], measured 0"),
    ],
)
def test_damaged_graph_fails_by_name(
    candidate: Candidate, damage: Callable[[onnx.ModelProto], None], message: str
) -> None:
    with pytest.raises(ExportError, match=message):
        check(damaged(candidate, damage))


def test_small_differences_count_in_units_of_the_series(candidate: Candidate) -> None:
    """A difference of 0.1 is nothing beside values of 10,000."""
    parity = check(damaged(candidate, off(0.1)))
    assert 1e-6 < parity.max_abs_diff < 1e-4
    with pytest.raises(
        ExportError,
        match=r"quantiles to differ by .*, measured 0\.1",
    ):
        check(replace(damaged(candidate, off(0.1)), unit=lambda arrays: 0 * unit(arrays) + 1))


def test_nan_of_both_is_refused_where_something_is_known() -> None:
    answer = {"mean": np.full((1, 2), np.nan, np.float32)}
    known = np.array([1.0])
    with pytest.raises(ExportError, match="both: expected finite mean, measured NaN"):
        compare("both", answer, answer, unit=known)
    assert compare("both", answer, answer, unit=known * np.nan) == {"mean": 0.0}


def test_other_forms_may_have_other_outputs(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only forms with the same outputs are held against each other."""

    class Mean(nn.Module):
        """Shapes: history (batch, channels, lookback) → mean (batch, channels)."""

        def forward(self, history: torch.Tensor) -> torch.Tensor:
            return torch.nan_to_num(history).mean(dim=2)

    rows = SPEC.exports["rows"]
    means = (TensorSpec("mean", "float32", ("channels",), "mean"),)
    other = replace(
        rows,
        signature=lambda config: replace(signature(config), outputs=means),
        wrap=lambda model: Mean(),
    )
    two = replace(SPEC, exports={"rows": rows, "means": other})
    monkeypatch.setattr("export.trained.get_spec", lambda name: two)
    artifacts = export_checkpoint(run, None, run.parent / "two").artifacts
    assert [artifact.model for artifact in artifacts] == ["toy-forecast", "toy-forecast-means"]


def test_axis_of_one_channel_stays_free(run: Path, tmp_path: Path) -> None:
    """torch takes an axis of one entry for a constant; the example is widened."""
    (artifact,) = export_checkpoint(run, None, tmp_path, data(channels=1)).artifacts
    graph = onnx.load(artifact.path / "model.onnx").graph
    assert [dim.dim_param for dim in graph.input[0].type.tensor_type.shape.dim][1] == "channels"


def test_warm_up_states_the_size_of_every_axis(exported: Artifact) -> None:
    config = config_of(exported)
    assert [w.batch_size for w in config.model_warmup] == [1, 64]
    assert [*config.model_warmup[0].inputs["history"].dims] == [1, LOOKBACK]
    assert len((exported.path / WARMUP / "history-1").read_bytes()) == 4 * LOOKBACK


def test_golden_rows_are_held_to_the_unit_of_the_series(exported: Artifact) -> None:
    golden = Golden.load(exported.path, signature(Config()))
    assert golden.unit is not None
    off = golden.outputs["quantiles"] + np.float32(0.1)
    assert golden.mismatch({**golden.outputs, "quantiles": off}) == ""
    assert "differs by" in replace(golden, unit=None).mismatch({**golden.outputs, "quantiles": off})


def test_published_and_asked_with_what_is_missing(exported: Artifact, tmp_path: Path) -> None:
    check_golden(exported, ())
    publish(exported.path, tmp_path / "models")
    with Local(tmp_path / "models") as local:
        asked = histories()[4:7, :2]
        answer = local.infer("toy-forecast", {"history": asked})
        assert answer["status"].tolist() == [[0, 0], [0, 1], [0, 0]]
        assert np.isnan(answer["quantiles"][1, 1]).all()
        assert np.isfinite(answer["quantiles"][[0, 2]]).all()
