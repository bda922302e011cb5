"""Smaller graphs: what becomes fp16 or int8, what stays, and that answers stay near."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper
from torch import nn

from export.candidate import Arrays, Candidate, open_session
from export.graph import check_graph, to_graph
from export.quantize import dynamic, static, weights_only
from export.to_fp16 import half
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
        return torch.sigmoid(self.last(o) + 0.01 * crossed.unsqueeze(1))


@pytest.fixture(scope="module")
def wide() -> Candidate:
    ids = TensorSpec("ids", "int64", (FIELDS,), "test", (VOCABULARY,) * FIELDS)
    signature = Signature((ids,), (TensorSpec("score", "float32", (1,), "test"),), 64)
    module = Wide().eval()
    graph = to_graph(module, signature, signature.sample(3), "wide")
    return Candidate("wide", graph, module, signature, lambda i: signature.sample(len(i)), 64)


def calibrated(graph: onnx.ModelProto) -> onnx.ModelProto:
    """By 64 other rows."""
    ids = np.random.default_rng(5).integers(0, VOCABULARY, (64, FIELDS))
    return static(graph, [{"ids": ids}])


MADE: dict[str, tuple[Callable[[onnx.ModelProto], onnx.ModelProto], float, float]] = {
    "fp16": (half, 0.55, 2e-3),
    "int8-weights": (weights_only, 0.4, 0.02),
    "int8": (dynamic, 0.4, 0.05),
    "int8-qdq": (calibrated, 0.4, 0.05),
}


@pytest.mark.parametrize("precision", MADE)
def test_answers_stay_near_at_a_fraction_of_the_size(wide: Candidate, precision: str) -> None:
    make, size, far = MADE[precision]
    before = wide.graph.SerializeToString()
    graph = make(wide.graph)
    assert wide.graph.SerializeToString() == before
    check_graph(graph, wide.signature, precision)
    assert graph.ByteSize() <= size * wide.graph.ByteSize()
    rows = wide.signature.sample(64, seed=3)
    (expected,) = open_session(wide.graph).run(None, rows)
    (answer,) = open_session(graph).run(None, rows)
    assert 0 < np.abs(answer - expected).max() < far


def weights_of(graph: onnx.ModelProto) -> Arrays:
    return {weight.name: numpy_helper.to_array(weight) for weight in graph.graph.initializer}


@pytest.mark.parametrize("precision", [name for name in MADE if name != "fp16"])
def test_tables_are_int8_per_row_and_nothing_large_is_left(wide: Candidate, precision: str) -> None:
    weights = weights_of(MADE[precision][0](wide.graph))
    table = weights["table_int8"].astype(np.float32) * weights["table_scale"]
    true = wide.module.get_parameter("table").detach().numpy()
    row_error = np.abs(table - true).max(axis=1) / np.abs(true).max(axis=1)
    assert row_error.max() <= 0.5 / 127 + 1e-6
    floats = [array.size for array in weights.values() if array.dtype == np.float32]
    assert max(floats) == VOCABULARY  # scales


def test_weights_only_multiplies_as_before_with_what_loading_folds(wide: Candidate) -> None:
    graph = weights_only(wide.graph)
    ops = {node.op_type for node in graph.graph.node}
    assert not ops & {"DequantizeLinear", "QuantizeLinear", "MatMulInteger"}
    weights = weights_of(graph)
    assert weights["heads_scale"].shape == (1, 1, 200)
    for node in graph.graph.node:
        if node.op_type == "Mul" and node.output[0] in weights_of(wide.graph):
            cast, scale = node.input
            assert scale in weights and f"{cast.removesuffix('_cast')}_int8" in weights
    restored = weights["heads_int8"] * weights["heads_scale"]
    true = wide.module.get_parameter("heads").detach().numpy()
    assert np.abs(restored - true).max() <= weights["heads_scale"].max() / 2 + 1e-6


def test_dynamic_and_static_multiply_int8(wide: Candidate) -> None:
    of_dynamic = {node.op_type for node in dynamic(wide.graph).graph.node}
    of_static = {node.op_type for node in calibrated(wide.graph).graph.node}
    assert {"DynamicQuantizeLinear", "MatMulInteger"} <= of_dynamic
    assert {"QuantizeLinear", "DequantizeLinear"} <= of_static
    assert "DynamicQuantizeLinear" not in of_static


def test_fp16_keeps_inputs_outputs_sums_and_scores_in_fp32(wide: Candidate) -> None:
    graph = half(wide.graph)
    kinds = {w.name: w.data_type for w in graph.graph.initializer}
    halved = {name for name, kind in kinds.items() if kind == TensorProto.FLOAT16}
    assert {"table_fp16", "heads_fp16", "last.weight_fp16"} <= halved
    assert not {"table", "heads", "last.weight"} & set(kinds)
    inferred = onnx.shape_inference.infer_shapes(graph)
    types = {v.name: v.type.tensor_type.elem_type for v in inferred.graph.value_info}
    types |= {v.name: v.type.tensor_type.elem_type for v in graph.graph.output}
    by_op = {node.op_type: types[node.output[0]] for node in graph.graph.node}
    assert by_op["Gemm"] == by_op["MatMul"] == by_op["Relu"] == TensorProto.FLOAT16
    assert by_op["ReduceSum"] == by_op["Sigmoid"] == TensorProto.FLOAT


def test_fp16_leaves_what_comes_before_the_first_weight() -> None:
    """Values near a million have no digits behind the point in fp16."""

    class Normalised(nn.Module):
        """Shapes: x (rows, 16) → y (rows, 1)."""

        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.layer = nn.Linear(16, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            mean = x.mean(dim=1, keepdim=True)
            off = x - mean
            scale = off.abs().amax(dim=1, keepdim=True)
            return self.layer(off / scale) * scale + mean

    signature = Signature(
        (TensorSpec("x", "float32", (16,), "test"),), (TensorSpec("y", "float32", (1,), "test"),), 8
    )
    module = Normalised().eval()
    x = np.random.default_rng(0).random((8, 16), np.float32) + np.float32(1e6)
    graph = to_graph(module, signature, {"x": x}, "normalised")
    (expected,) = open_session(graph).run(None, {"x": x})
    (answer,) = open_session(half(graph)).run(None, {"x": x})
    assert np.abs(answer - expected).max() <= 0.0625  # the spacing of float32 at a million
