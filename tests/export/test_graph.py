"""Exported graphs: operators, axes, and refusals by name."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from export.errors import ExportError
from export.graph import IR_VERSION, OPSET, check_graph, to_graph
from zoo.artifact import Artifact
from zoo.contract import Signature, TensorSpec

SIGNATURE = Signature(
    (TensorSpec("x", "float32", (3,), "test"),), (TensorSpec("y", "float32", (3,), "test"),), 8
)
EXAMPLE = {"x": np.ones((3, 3), np.float32)}
TAIL = ["Add", "Relu", "Gemm", "Relu", "Gemm", "Softmax"]
OPERATORS = {
    "mlp-toy": ["ReduceSum", "Equal", "Where", "Div", "MatMul", *TAIL],
    "mlp-toy-sparse": [
        *("Add", "Clip", "Gather", "ReduceSum", "Equal", "Where", "Div"),
        *("Unsqueeze", "MatMul", "Squeeze", *TAIL),
    ],
}


class Unsupported(nn.Module):
    """Uses an operator that ONNX lacks."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.special.bessel_j0(x)


def load(artifact: Artifact) -> onnx.ModelProto:
    return onnx.load(artifact.path / "model.onnx")


@pytest.mark.parametrize("model", OPERATORS)
def test_student_graph_holds_these_operators(exported: dict[str, Artifact], model: str) -> None:
    assert [node.op_type for node in load(exported[model]).graph.node] == OPERATORS[model]


@pytest.mark.parametrize("model", OPERATORS)
def test_file_says_what_it_is_and_nothing_of_this_machine(
    exported: dict[str, Artifact], model: str
) -> None:
    graph = load(exported[model])
    about = {item.key: item.value for item in graph.metadata_props}
    assert (about["leanzoo.model"], about["leanzoo.torch"]) == (model, torch.__version__)
    assert (graph.ir_version, [o.version for o in graph.opset_import]) == (IR_VERSION, [OPSET])
    assert b"/zoo/" not in graph.SerializeToString()
    dims = graph.graph.output[0].type.tensor_type.shape.dim
    assert (dims[0].dim_param, dims[1].dim_value) == ("batch", 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda dim: setattr(dim, "dim_value", 2), "'batch' of y came out constant as 2"),
        (lambda dim: setattr(dim, "dim_param", "s77"), "'batch' of y came out auto-named as s77"),
    ],
)
def test_axis_is_named_when_it_is_not_as_declared(change: object, message: str) -> None:
    graph = to_graph(nn.ReLU().eval(), SIGNATURE, EXAMPLE, "tiny")
    change(graph.graph.output[0].type.tensor_type.shape.dim[0])  # type: ignore[operator]
    with pytest.raises(ExportError, match=message):
        check_graph(graph, SIGNATURE, "tiny")


def test_frozen_batch_is_refused() -> None:
    class Sliced(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:2] * 1.0

    with pytest.raises(ExportError, match="tiny"):
        to_graph(Sliced().eval(), SIGNATURE, EXAMPLE, "tiny")


def test_missing_operator_is_named() -> None:
    with pytest.raises(ExportError, match=r"^tiny cannot be exported: .*bessel_j0") as caught:
        to_graph(Unsupported().eval(), SIGNATURE, EXAMPLE, "tiny")
    assert "\n" not in str(caught.value)


def test_export_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    to_graph(nn.ReLU().eval(), SIGNATURE, EXAMPLE, "tiny")
    assert capfd.readouterr() == ("", "")


def test_equal_modules_give_equal_files() -> None:
    first, second = (to_graph(nn.ReLU().eval(), SIGNATURE, EXAMPLE, "tiny") for _ in range(2))
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(
        deterministic=True
    )
