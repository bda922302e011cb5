"""int8: what is quantised, and that the metric decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper
from torch import nn

from export.candidate import Candidate, open_session
from export.errors import ExportError
from export.graph import to_graph
from export.quantize import export_int8, quantised
from export.repository import publish
from zoo.artifact import Artifact
from zoo.contract import Signature, TensorSpec

VOCABULARY, DIM, FIELDS = 5000, 10, 8


class Wide(nn.Module):
    """As wide as real click models are. Shapes: ids (rows, 8) → logit (rows, 1)."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        scale = 10 ** torch.empty(VOCABULARY, 1).uniform_(-4, 0)  # rare rows are short
        self.table = nn.Parameter(torch.randn(VOCABULARY, DIM) * scale)
        self.layers = nn.Sequential(nn.Linear(FIELDS * DIM, 400), nn.ReLU(), nn.Linear(400, 400))
        self.heads = nn.Parameter(torch.randn(2, 200, 200))
        self.last = nn.Linear(400, 1)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        o = self.layers(nn.functional.embedding(ids, self.table).flatten(1))
        by_head = o.view(-1, 2, 200).transpose(0, 1)
        crossed = (by_head @ self.heads * by_head).sum(dim=(0, 2))
        return self.last(o) + 0.01 * crossed.unsqueeze(1)


@pytest.fixture(scope="module")
def wide() -> Candidate:
    ids = TensorSpec("ids", "int64", (FIELDS,), "test", (VOCABULARY,) * FIELDS)
    signature = Signature((ids,), (TensorSpec("logit", "float32", (1,), "test"),), 64)
    module = Wide().eval()
    graph = to_graph(module, signature, signature.sample(3), "wide")
    return Candidate("wide", graph, module, signature, lambda i: signature.sample(len(i)), 64)


def test_weights_are_int8_per_column_and_tables_per_row(wide: Candidate) -> None:
    graph = quantised(wide, "wide-int8")
    weights = {w.name: numpy_helper.to_array(w) for w in graph.graph.initializer}
    table = weights["table_int8"].astype(np.float32) * weights["table_scale"]
    true = wide.module.get_parameter("table").detach().numpy()
    row_error = np.abs(table - true).max(axis=1) / np.abs(true).max(axis=1)
    assert row_error.max() <= 0.5 / 127 + 1e-6
    matrices = {n: w for n, w in weights.items() if w.dtype == np.int8 and w.ndim > 1}
    assert sorted(w.shape for w in matrices.values()) == [
        *((2, 200, 200), (80, 400), (400, 1), (400, 400), (VOCABULARY, DIM))
    ]
    assert (
        sum(w.shape == (400,) for w in weights.values() if w.dtype == np.int8) == 2
    )  # zero points
    kinds = [w.dims[:] for w in graph.graph.initializer if w.data_type == TensorProto.FLOAT]
    assert max(int(np.prod(dims)) for dims in kinds) == VOCABULARY  # scales: nothing larger is left
    assert graph.ByteSize() <= 0.4 * wide.graph.ByteSize()


def test_answers_stay_near_and_fp32_as_it_was(wide: Candidate) -> None:
    before = wide.graph.SerializeToString()
    session = open_session(quantised(wide, "wide-int8"))
    rows = wide.signature.sample(64, seed=3)
    (expected,) = open_session(wide.graph).run(None, rows)
    (answer,) = session.run(None, rows)
    assert 0 < np.abs(answer - expected).max() < 0.05 * np.abs(expected).max()
    assert wide.graph.SerializeToString() == before


def test_exported_when_the_metric_stays(
    clicks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("export.quantize.MOST_LOST", 0.01)  # its AUC of 1,200 rows is coarse
    artifact = export_int8(clicks, tmp_path / "onnx")
    assert (artifact.model, artifact.kind) == ("toy-clicks-int8", "onnx")
    assert Artifact.load(artifact.path).digest == artifact.digest
    held = artifact.metrics["int8"]
    assert held["metric"] == "test_auc" and abs(held["int8"] - held["fp32"]) <= 0.01
    assert 0 < held["size"] < 1
    assert artifact.metrics["form"] == "rows-int8" and artifact.metrics["p50_batch1_us"] > 0
    parity = artifact.metrics["parity"]
    assert parity["rows"] == 1200 and 0 < parity["outputs"]["score"] < 0.05
    operators = {n.op_type for n in onnx.load(artifact.path / "model.onnx").graph.node}
    assert "MatMulInteger" in operators and not {"MatMul", "Gemm"} & operators
    assert publish(artifact.path, tmp_path / "models").version == 1


def test_refused_when_the_metric_moves(
    clicks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("export.quantize.MOST_LOST", 0)
    message = (
        r"^toy-clicks-int8: expected test_auc within 0 of 0\.\d+, measured 0\.\d+ \([+-]0\.\d+\)"
    )
    with pytest.raises(ExportError, match=message + r" at \d+% of the size: keep fp32$"):
        export_int8(clicks, tmp_path)
    assert not list(tmp_path.iterdir())


def test_model_without_a_score_is_refused(student: Path, data: Any, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="mlp has no int8: export it in fp32"):
        export_int8(student, tmp_path, data)
