"""int8: a quarter to a third of the size.

Weights of linear layers are int8 per column. What they are multiplied with stays float32
(``int8-weights``), is quantised as it comes (``int8``: over the whole batch, so that a row's answer
depends a little on the rows beside it), or by ranges measured on training rows (``int8-qdq``, which
TensorRT builds). Tables that ids look up are int8 per row, so that no row loses its digits to a
larger one.
"""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from export.graph import IR_VERSION

LARGEST = 127
INT8, SCALE = "_int8", "_scale"  # of the names of a quantised weight's two parts
PRODUCTS = ("MatMul", "Gemm")

Arrays = dict[str, np.ndarray]
Axes = int | tuple[int, ...]


def weights_only(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with int8 weights that become float32 before they are used.

    ONNX Runtime multiplies with the scales when it loads the graph: DequantizeLinear, of which
    TensorRT is given its own copy, it would run at every call.
    """
    made = _named_copy(graph)
    weights = {weight.name: weight for weight in made.graph.initializer}
    axes: dict[str, Axes] = {}  # weight → along which a scale is over all
    for node in made.graph.node:
        if node.op_type == "Gather" and node.input[0] in weights:
            if _is_table(node, weights[node.input[0]]):
                axes[node.input[0]] = -1
        elif node.op_type in PRODUCTS and node.input[1] in weights:
            transposed = any(a.name == "transB" and a.i for a in node.attribute)
            stacked = len(weights[node.input[1]].dims) - 2
            if stacked >= 0:  # DequantizeLinear has scales along one axis: of stacks the columns
                axes[node.input[1]] = -1 if transposed else (*range(stacked), -2)
    for name, axis in axes.items():
        _split(made.graph, weights[name], axis)
    for position, node in enumerate(part for name in axes for part in _times_scale(name)):
        made.graph.node.insert(position, node)
    return made


def dynamic(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with int8 weights, whose activations are quantised as they come."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    split = _named_copy(graph)
    _quantise_tables(split.graph)
    _quantise_stacks(split.graph)
    with _files() as (_, made):
        quantize_dynamic(
            split,
            made,
            op_types_to_quantize=["MatMul"],  # Gemm becomes one
            per_channel=True,
            reduce_range=True,  # 7 bits: with 8, sums overflow on processors without VNNI
            weight_type=QuantType.QInt8,
            nodes_to_exclude=_not_linear(split.graph),
        )
        return _read(made)


def static(graph: onnx.ModelProto, batches: Sequence[Arrays]) -> onnx.ModelProto:
    """The graph with int8 weights and activations, as pairs of QuantizeLinear, DequantizeLinear.

    Args:
        graph: as exported.
        batches: training rows, on which the ranges of activations are measured.
    """
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Rows(CalibrationDataReader):
        def __init__(self) -> None:
            self._batches = iter(batches)

        def get_next(self) -> Arrays | None:
            return next(self._batches, None)

    split = _named_copy(graph)
    with _files() as (source, made):
        onnx.save(split, source)
        quantize_static(
            source,
            made,
            Rows(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(PRODUCTS),
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=_not_linear(split.graph),
            extra_options={  # as TensorRT takes them
                "ActivationSymmetric": True,
                "WeightSymmetric": True,
                "QuantizeBias": False,
            },
        )
        return weights_only(_read(made))  # those that are looked up, and stacks of matrices


def _named_copy(graph: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose nodes all have names."""
    made = onnx.ModelProto()
    made.CopyFrom(graph)
    for number, node in enumerate(made.graph.node):
        node.name = node.name or f"{node.op_type}_{number}"
    return made


def _read(path: Path) -> onnx.ModelProto:
    made = onnx.load(path)
    made.ir_version = IR_VERSION
    del made.graph.value_info[:]
    return made


def _quantise_tables(graph: onnx.GraphProto) -> None:
    """Tables of which ids pick rows: int8, and a scale per row that is looked up beside it."""
    weights = {weight.name: weight for weight in graph.initializer}
    used = Counter(name for node in graph.node for name in node.input)
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        table = weights.get(node.input[0]) if node.op_type == "Gather" else None
        if table is None or not _is_table(node, table) or used[table.name] > 1:
            nodes.append(node)
            continue
        _split(graph, table, axis=1)
        ids, output = node.input[1], node.output[0]
        for part in (INT8, SCALE):
            look_up = [f"{table.name}{part}", ids]
            nodes.append(helper.make_node("Gather", look_up, [f"{output}{part}"]))
        nodes += _times_scale(output)
    del graph.node[:]
    graph.node.extend(nodes)


def _quantise_stacks(graph: onnx.GraphProto) -> None:
    """Stacks of matrices, such as a fusion's heads: int8 per column of each in the file.

    ONNX Runtime multiplies with the scales when it loads the graph.
    """
    factors = {node.input[1] for node in graph.node if node.op_type == "MatMul"}
    nodes: list[onnx.NodeProto] = []
    for weight in list(graph.initializer):
        if weight.name in factors and len(weight.dims) > 2:
            _split(graph, weight, axis=-2)
            nodes += _times_scale(weight.name)
    for position, node in enumerate(nodes):
        graph.node.insert(position, node)


def _is_table(node: onnx.NodeProto, weight: onnx.TensorProto) -> bool:
    axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
    return axis == 0 and len(weight.dims) == 2 and weight.data_type == TensorProto.FLOAT


def _split(graph: onnx.GraphProto, weight: onnx.TensorProto, axis: int | tuple[int, ...]) -> None:
    """Replace a weight by its int8 numbers and their scales, each over all along ``axis``."""
    values = numpy_helper.to_array(weight)
    scale = np.abs(values).max(axis=axis, keepdims=True) / LARGEST
    scale[scale == 0] = 1
    graph.initializer.remove(weight)
    for part, array in (
        (INT8, np.rint(values / scale).astype(np.int8)),
        (SCALE, scale.astype(np.float32)),
    ):
        graph.initializer.append(numpy_helper.from_array(array, f"{weight.name}{part}"))


def _times_scale(name: str) -> list[onnx.NodeProto]:
    """The tensor ``name`` from its int8 numbers and their scales."""
    cast = helper.make_node("Cast", [f"{name}{INT8}"], [f"{name}_cast"], to=TensorProto.FLOAT)
    return [cast, helper.make_node("Mul", [f"{name}_cast", f"{name}{SCALE}"], [name])]


def _not_linear(graph: onnx.GraphProto) -> list[str]:
    """Products that are no linear layer: of two activations, or with a stack of matrices."""
    weights = {weight.name for weight in graph.initializer}
    products = (node for node in graph.node if node.op_type == "MatMul")
    return [node.name for node in products if node.input[1] not in weights]


@contextmanager
def _files() -> Iterator[tuple[Path, Path]]:
    """Two files for a library that reads and writes such; its advice is hidden."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        with tempfile.TemporaryDirectory(prefix="leanzoo-int8-") as folder:
            yield Path(folder) / "before.onnx", Path(folder) / "after.onnx"
    finally:
        root.setLevel(level)
