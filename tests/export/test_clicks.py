"""A model asked with raw values: what is exported, and that each of its gates can fail by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from export.candidate import Candidate
from export.errors import ExportError
from export.graph import to_graph
from export.parity import CANDIDATES, check, tiled
from export.raw import RawNet, check_raw
from export.to_onnx import export_checkpoint
from export.trained import Trained
from zoo.artifact import Artifact
from zoo.contract import Signature, TensorSpec
from zoo.golden import Golden
from zoo.steps import read_steps


@pytest.fixture(scope="module")
def candidates(clicks: Path) -> dict[str, Candidate]:
    """Both forms, as the gates see them."""
    trained = Trained(clicks)
    return {form: trained.candidate(form) for form in ("rows", "rank")}


def wrapped(candidate: Candidate, wrap: Any) -> Candidate:
    """The candidate with its module changed, and exported so."""
    module = wrap(candidate.module).eval()
    graph = to_graph(module, candidate.signature, candidate.rows(np.arange(7)), candidate.name)
    return replace(candidate, module=module, graph=graph)


class Changed(nn.Module):
    """A module whose inputs or answers are changed."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module


class NoClamp(Changed):
    def forward(self, ids: torch.Tensor, numeric: torch.Tensor) -> Any:
        return self.module(torch.where(ids == -1, 0, ids), numeric)


class NaN(Changed):
    def forward(self, ids: torch.Tensor, numeric: torch.Tensor) -> Any:
        score, logit = self.module(ids, numeric)
        return score, logit + 0 * numeric


class OtherScore(Changed):
    def forward(self, ids: torch.Tensor, numeric: torch.Tensor) -> Any:
        score, logit = self.module(ids, numeric)
        return score + 1e-4, logit


class Leak(Changed):
    def forward(self, request: torch.Tensor, items: torch.Tensor, numeric: torch.Tensor) -> Any:
        score, logit = self.module(request, items, numeric)
        return score + 3e-4 * (score.mean() - score), logit


def test_true_forms_pass(candidates: dict[str, Candidate]) -> None:
    rows = check(candidates["rows"])
    assert rows.rows == 1024 and rows.batches == (1, 2, 3, 7, 1024)
    assert set(rows.outputs) == {"score", "logit"} and rows.top1_agreement is None
    assert rows.max_abs_diff == rows.outputs["score"] < 1e-6
    assert (rows.atol, rows.rtol) == (1e-5, 1e-4) and len(rows.worst) == 3
    rank = check(candidates["rank"], candidates["rows"])
    assert rank.batches == CANDIDATES == (1, 2, 3, 7, 1000) and rank.rows >= 1000
    assert rank.alone_max_abs_diff is not None and rank.alone_max_abs_diff <= 1e-6


@pytest.mark.parametrize(
    ("form", "wrap", "message"),
    [
        ("rows", NoClamp, "toy-clicks: ids = -1 and the last id: expected score to differ"),
        ("rows", NaN, "toy-clicks: .*: expected finite logit, measured NaN or infinity in row"),
        ("rows", OtherScore, "torch and the model: expected score to differ by at most 1e-05"),
        ("rank", Leak, "candidates and their rows in toy-clicks: expected score to differ by"),
    ],
)
def test_each_gate_fails_by_name(
    candidates: dict[str, Candidate], form: str, wrap: Any, message: str
) -> None:
    with pytest.raises(ExportError, match=message):
        check(wrapped(candidates[form], wrap), candidates["rows"])


def test_rows_of_a_request(candidates: dict[str, Candidate], toy_ctr: ModuleType) -> None:
    rank, ids = candidates["rank"], np.array([5, 2, 9])
    rows = tiled(rank.rows(ids), rank.signature, candidates["rows"].signature)
    data = toy_ctr.Data()
    expected = data.ids[ids].copy()
    expected[:, :2] = data.ids[5, :2]
    np.testing.assert_array_equal(rows["ids"], expected)
    np.testing.assert_array_equal(rows["numeric"], data.prices[ids])


def test_batch_normalisation_must_be_folded() -> None:
    x, y = (TensorSpec(name, "float32", (3,), "test") for name in "xy")
    module = nn.Sequential(nn.BatchNorm1d(3), nn.ReLU()).eval()
    with pytest.raises(ExportError, match="tiny still normalises batches: fold BatchNorm"):
        to_graph(module, Signature((x,), (y,), 8), {"x": np.ones((2, 3), np.float32)}, "tiny")


def test_exported_artifacts(exported_clicks: dict[str, Artifact]) -> None:
    scored = ["golden.json", "model.onnx", "report.json", "rows.safetensors"]
    warm = ["warmup/ids-1", "warmup/numeric-1"]
    assert {name: (a.kind, sorted(a.files)) for name, a in exported_clicks.items()} == {
        "toy-clicks": ("onnx", [*scored, *warm]),
        "toy-clicks-encode": (
            "onnx",
            ["golden.json", "model.onnx", "report.json", "vocabulary.json", "warmup/values-1"],
        ),
        "toy-clicks-raw": ("ensemble", ["golden.json", "report.json", "steps.json"]),
        "toy-clicks-rank": (
            "onnx",
            scored + [f"warmup/{n}-1" for n in ("item_ids", "item_numeric", "request_ids")],
        ),
        "toy-clicks-rank-encode": (
            "onnx",
            ["golden.json", "model.onnx", "report.json", "vocabulary.json"]
            + [f"warmup/{n}-1" for n in ("item_values", "request_values")],
        ),
        "toy-clicks-rank-raw": ("ensemble", ["golden.json", "report.json", "steps.json"]),
    }
    raw = exported_clicks["toy-clicks-raw"]
    assert raw.signature is not None and raw.metrics["form"] == "rows-raw"
    assert [(s.name, s.dtype) for s in raw.signature.inputs] == [
        ("values", "object"),
        ("numeric", "float32"),
    ]
    net = exported_clicks["toy-clicks"]
    assert (raw.signature.outputs, raw.signature.max_batch) == (net.signature.outputs, 1024)  # type: ignore[union-attr]
    assert raw.parents["net"] == net.digest
    assert raw.parents["encode"] == exported_clicks["toy-clicks-encode"].digest
    assert [(s.model, s.version) for s in read_steps(raw.path)] == [
        ("toy-clicks-encode", 0),
        ("toy-clicks", 0),
    ]
    assert all(a.metrics["p50_batch1_us"] > 0 for a in exported_clicks.values())


def test_golden_rows_lead_from_strings_to_scores(
    exported_clicks: dict[str, Artifact], toy_ctr: ModuleType
) -> None:
    def golden(name: str) -> Golden:
        artifact = exported_clicks[name]
        assert artifact.signature is not None
        return Golden.load(artifact.path, artifact.signature)

    data = toy_ctr.Data()
    raw, encode, net = (golden(f"toy-clicks{suffix}") for suffix in ("-raw", "-encode", ""))
    np.testing.assert_array_equal(raw.inputs["values"], data.values[:3])
    np.testing.assert_array_equal(encode.inputs["values"], raw.inputs["values"])
    np.testing.assert_array_equal(encode.outputs["ids"], net.inputs["ids"])
    np.testing.assert_array_equal(raw.outputs["score"], net.outputs["score"])
    assert golden("toy-clicks-rank-raw").outputs["score"].shape == (3,)


def raw_net(candidate: Candidate, **changed: list[str]) -> RawNet:
    sizes = {"user": 40, "hour": 24, "item": 60, "genres": 8}
    vocabulary = {name: [f"{name} ü{n}" for n in range(size)] for name, size in sizes.items()}
    return RawNet(candidate, vocabulary | changed)


@pytest.mark.parametrize("form", ["rows", "rank"])
def test_vocabulary_in_another_order_fails(candidates: dict[str, Candidate], form: str) -> None:
    check_raw(raw_net(candidates[form]))
    swapped = [f"item ü{value}" for value in (1, 0, *range(2, 60))]
    with pytest.raises(ExportError, match=r"-encode: \d+ rows: expected \d+ in (item_)?ids at"):
        check_raw(raw_net(candidates[form], item=swapped))


def test_real_rows_that_do_not_fit_fail(candidates: dict[str, Candidate]) -> None:
    rows = candidates["rows"]
    assert rows.raw is not None
    raw = rows.raw
    numbers = replace(rows, raw=lambda ids: raw(ids) | {"ids": rows.rows(ids)["ids"]})
    with pytest.raises(ExportError, match="toy-clicks-raw: real rows do not fit its signature"):
        check_raw(raw_net(numbers))


def test_only_the_forms_asked_for_are_written(clicks: Path, tmp_path: Path) -> None:
    artifacts = export_checkpoint(clicks, ["rank"], tmp_path).artifacts
    assert [a.model for a in artifacts] == [
        "toy-clicks-rank",
        "toy-clicks-rank-encode",
        "toy-clicks-rank-raw",
    ]
