"""A graph with the inputs and outputs of a model that computes nothing.

Asked in a model's place, it costs what the path costs: its answers have the size and the type of
the model's, and values that a caller may take for answers. Whatever a model takes longer than it,
in process, through Triton or through the gateway, is the model's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import helper, numpy_helper

from export.errors import ExportError
from export.graph import IR_VERSION, OPSET, check_graph
from zoo.contract import Signature, TensorSpec, near

BATCH = "batch"
NAME = "identity"  # of the graph
SHARES = "probabilities"  # whose last axis sums to 1
SCORE = "score"  # between 0 and 1

Axes = tuple[int | str, ...]


def identity(signature: Signature) -> onnx.ModelProto:
    """The graph of constants, each repeated as often as the inputs have rows.

    Args:
        signature: of the model that it stands in for.

    Raises:
        ExportError: an output has an axis that no input has, so that nothing says its size.
    """
    draft = _Draft(signature)
    for spec in signature.outputs:
        draft.answer(spec)
    graph = helper.make_graph(
        draft.nodes,
        NAME,
        [draft.tensor(spec) for spec in signature.inputs],
        [draft.tensor(spec) for spec in signature.outputs],
        draft.constants,
    )
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    check_graph(model, signature, NAME)
    return model


@dataclass
class _Draft:
    """Nodes and constants of the graph, as they are made."""

    signature: Signature
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def answer(self, spec: TensorSpec) -> None:
        """Add what makes one output."""
        axes = self._axes(spec)
        parts = [self._size(spec.name, index, axis) for index, axis in enumerate(axes)]
        value = self._constant(f"{spec.name}_value", _value(spec, len(axes)))
        if parts:
            shape = f"{spec.name}_shape"
            self.nodes.append(helper.make_node("Concat", parts, [shape], axis=0))
        else:
            shape = self._constant(f"{spec.name}_shape", np.empty(0, np.int64))
        self.nodes.append(helper.make_node("Expand", [value, shape], [spec.name]))

    def tensor(self, spec: TensorSpec) -> onnx.ValueInfoProto:
        """An input or output as the graph declares it."""
        kind = onnx.TensorProto.STRING
        if spec.dtype != "object":
            kind = helper.np_dtype_to_tensor_dtype(np.dtype(spec.dtype))
        return helper.make_tensor_value_info(spec.name, kind, list(self._axes(spec)))

    def _axes(self, spec: TensorSpec) -> Axes:
        return ((BATCH,) if self.signature.max_batch else ()) + spec.shape

    def _size(self, output: str, index: int, axis: int | str) -> str:
        """The tensor that holds the size of one axis of an output: a constant, or an input's."""
        name = f"{output}_axis_{index}"
        if isinstance(axis, int):
            return self._constant(name, np.array([axis], np.int64))
        places = {
            named: (spec.name, at)
            for spec in reversed(self.signature.inputs)
            for at, named in enumerate(self._axes(spec))
            if isinstance(named, str)
        }
        if axis not in places:
            raise ExportError(
                f"axis '{axis}' of output '{output}' is in no input: expected one that an input "
                f"has; {near(axis, places)}"
            )
        source, at = places[axis]
        self.nodes.append(helper.make_node("Shape", [source], [name], start=at, end=at + 1))
        return name

    def _constant(self, name: str, value: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(value, name))
        return name


def _value(spec: TensorSpec, rank: int) -> np.ndarray:
    """One entry of an output with as many axes: an equal share, a half, 0, or no text."""
    shape = (1,) * rank
    if spec.dtype == "object":
        return np.full(shape, "", object)
    if spec.name == SHARES and spec.shape and isinstance(spec.shape[-1], int):
        return np.full(shape, 1 / spec.shape[-1], spec.dtype)
    return np.full(shape, 0.5 if spec.name == SCORE else 0, spec.dtype)
