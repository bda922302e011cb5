"""What an ONNX graph has to do for inputs of some size: operations, and bytes that must move.

What must move is moved once: weights that are used, inputs, outputs. Of a table of which rows are
gathered those rows are used, not the table. Intermediate results need not move at all, since they
can stay in registers and caches from one operator to the next; what they would add if each went
through memory is counted apart, operator by operator. Which rows are gathered is looked up, since
many are gathered twice.

What depends on no input was folded away when the session was opened: it costs nothing, and its
result is a weight. Quantised weights stay as small as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx

from benchmarks.floor.sessions import gathered_rows
from benchmarks.memory import tensor_bytes, with_shapes
from benchmarks.subjects import Arrays

# what only moves, names or repeats: no operations
MOVING = """Concat Constant ConstantOfShape Expand Flatten Gather GatherElements GatherND Identity
Pad Range Reshape Shape Size Slice Split Squeeze Tile Transpose Unsqueeze"""
MOVES = frozenset(MOVING.split())
# one operation per entry of the result; a function such as exp is one
SIMPLE = """Abs Add And Cast Ceil Clip Cos Div Equal Erf Exp Floor Greater GreaterOrEqual IsNaN
LabelEncoder Less LessOrEqual Log Max Min Mul Neg Not Or Pow Reciprocal Relu Round Sigmoid Sign Sin
Sqrt Sub Sum Tanh Where"""
PER_ENTRY = {
    **dict.fromkeys(SIMPLE.split(), 1),
    **{"QuantizeLinear": 2, "DequantizeLinear": 2, "DynamicQuantizeLinear": 4},
    **{"Softmax": 5, "LayerNormalization": 7},  # largest or mean, differences, sum, scale
}
REPEATS = ("Expand", "ConstantOfShape", "Tile", "Range")  # what as many rows need, of little
SCATTERS = ("ScatterElements", "ScatterND")
GATHERS = ("Gather", "GatherElements", "GatherND")
QUANTISED = "DequantizeLinear"  # which the runtime merges into its neighbours
WHOLE = ("MatMulInteger", "QLinearMatMul")
PRODUCTS = ("MatMul", "FusedMatMul", "Gemm", *WHOLE)


@dataclass
class Work:
    """What the nodes of one operator do.

    Attributes:
        nodes: how many there are.
        flops: operations.
        moved_bytes: all that they read and write, were nothing kept in a cache.
    """

    nodes: int = 0
    flops: int = 0
    moved_bytes: int = 0


@dataclass(frozen=True)
class Cost:
    """What a graph has to do for one call.

    Attributes:
        flops: operations; a multiplication and an addition are two.
        int8_ops: those of them that are products of int8.
        bytes_read: weights and inputs, each once.
        bytes_written: outputs.
        weight_bytes: weights alone, of tables the rows that are gathered.
        by_op: operator → what its nodes do.
        uncounted: operators of which nothing is known; each counts one per entry of its result.
    """

    flops: int
    int8_ops: int
    bytes_read: int
    bytes_written: int
    weight_bytes: int
    by_op: dict[str, Work] = field(default_factory=dict)
    uncounted: tuple[str, ...] = ()

    @property
    def moved_bytes(self) -> int:
        """What the operators read and write, were nothing kept in a cache."""
        return sum(work.moved_bytes for work in self.by_op.values())


def cost(file: Path, arrays: Arrays) -> Cost:
    """Count what a graph does.

    Args:
        file: the graph.
        arrays: its inputs, by name.
    """
    graph = with_shapes(file, {name: array.shape for name, array in arrays.items()})
    sheet = _Sheet.of(graph, gathered_rows(file, arrays))
    by_op: dict[str, Work] = {}
    int8_ops = 0
    for node in graph.node:
        if sheet.folded(node):
            continue
        work = by_op.setdefault(node.op_type, Work())
        operations = sheet.operations(node)
        int8_ops += operations if sheet.in_int8(node) else 0
        work.nodes += 1
        work.flops += operations
        work.moved_bytes += sheet.moved(node)
    weight_bytes = sum(sheet.used.values())
    return Cost(
        flops=sum(work.flops for work in by_op.values()),
        int8_ops=int8_ops,
        bytes_read=weight_bytes + sum(map(tensor_bytes, graph.input)),
        bytes_written=sum(map(tensor_bytes, graph.output)),
        weight_bytes=weight_bytes,
        by_op=by_op,
        uncounted=tuple(sorted(op for op in by_op if not _known(op))),
    )


def _known(op: str) -> bool:
    known = (*PRODUCTS, *SCATTERS, "Conv")
    return op in MOVES or op in PER_ENTRY or op in known or op.startswith("Reduce")


@dataclass
class _Sheet:
    """Sizes of all tensors of a graph, and what is known of the constants among them.

    Attributes:
        shapes: by name.
        size_bytes: by name.
        constants: names of weights, and of what follows from them alone.
        rows: tensor of indices → how many rows it names.
        quantised: results of dequantisation → the bytes that are dequantised.
        used: constant → bytes of it that are read.
    """

    shapes: dict[str, tuple[int, ...]]
    size_bytes: dict[str, int]
    constants: set[str]
    rows: Mapping[str, int]
    quantised: dict[str, int] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)

    @staticmethod
    def of(graph: onnx.GraphProto, rows: Mapping[str, int]) -> _Sheet:
        """Of a graph whose shapes are known, and what is gathered in it."""
        shapes: dict[str, tuple[int, ...]] = {}
        size_bytes: dict[str, int] = {}
        for value in (*graph.input, *graph.value_info, *graph.output):
            dims = value.type.tensor_type.shape.dim
            shapes[value.name] = tuple(dim.dim_value or 1 for dim in dims)
            size_bytes[value.name] = tensor_bytes(value)
        for weight in graph.initializer:
            item = onnx.helper.tensor_dtype_to_np_dtype(weight.data_type).itemsize
            shapes[weight.name] = tuple(weight.dims)
            size_bytes[weight.name] = math.prod(weight.dims) * item
        weights = {weight.name for weight in graph.initializer}
        return _Sheet(shapes, size_bytes, weights, rows)

    def folded(self, node: onnx.NodeProto) -> bool:
        """Whether a node follows from weights alone, so that its results are weights themselves."""
        if node.op_type == QUANTISED:
            self.quantised[node.output[0]] = self.size_bytes[node.input[0]]
        if node.op_type in REPEATS or not self.constants.issuperset(filter(None, node.input)):
            return False
        self.constants.update(node.output)
        return True

    def operations(self, node: onnx.NodeProto) -> int:
        """Of one node."""
        op, entries = node.op_type, self._entries(node.output[0])
        if op in MOVES:
            return 0
        if op in PRODUCTS:
            return self._product(node)
        if op == "Conv":
            return 2 * entries * math.prod(self.shapes[node.input[1]][1:])
        if op in SCATTERS:
            return self._entries(node.input[2]) if _attribute(node, "reduction") else 0
        if op.startswith("Reduce"):
            return self._entries(node.input[0])
        return PER_ENTRY.get(op, 1) * entries

    def in_int8(self, node: onnx.NodeProto) -> bool:
        """Whether a product is of int8: as it says, or since both factors were quantised."""
        both = all(name in self.quantised for name in node.input[:2])
        return node.op_type in WHOLE or (node.op_type in PRODUCTS and both)

    def moved(self, node: onnx.NodeProto) -> int:
        """Bytes that a node reads and writes; notes which of them are weights."""
        written = sum(self.size_bytes.get(name, 0) for name in node.output if name)
        read = 0
        for index, name in enumerate(node.input):
            size = self.quantised.get(name, self.size_bytes.get(name, 0))
            if node.op_type in GATHERS and index == 0:
                size = self._gathered(node, min(size, written))
            if name in self.constants:
                self.used[name] = min(self.size_bytes[name], self.used.get(name, 0) + size)
            read += size
        return read + written

    def _gathered(self, node: onnx.NodeProto, most: int) -> int:
        """Bytes of a table that are read, each row once."""
        rows = self.rows.get(node.input[1])
        table = node.input[0]
        if rows is None or _attribute(node, "axis"):
            return most
        return min(most, rows * self.size_bytes[table] // self.shapes[table][0])

    def _entries(self, name: str) -> int:
        return math.prod(self.shapes.get(name, ()))

    def _product(self, node: onnx.NodeProto) -> int:
        """Of a matrix product, and of the bias that a Gemm adds."""
        left = self.shapes[node.input[0]]
        inner = left[-2] if _attribute(node, "transA") else left[-1]
        bias = node.op_type == "Gemm" and len(node.input) > 2
        return (2 * inner + bias) * self._entries(node.output[0])


def _attribute(node: onnx.NodeProto, name: str) -> Any:
    """Of a node; None where it has none, and for a scatter that only replaces."""
    for attribute in node.attribute:
        if attribute.name == name:
            value = onnx.helper.get_attribute_value(attribute)
            return None if value == b"none" else value
    return None
