"""How much memory one pass through an ONNX graph needs, found before it is run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx

Shapes = Mapping[str, tuple[int, ...]]


def peak_bytes(file: Path, inputs: Shapes) -> int:
    """The most that results take at once, each until its last use; weights and inputs not counted.

    Args:
        file: the graph.
        inputs: complete shape of every input.
    """
    graph = with_shapes(file, inputs)
    size = {value.name: tensor_bytes(value) for value in (*graph.value_info, *graph.output)}
    last_use = {name: step for step, node in enumerate(graph.node) for name in node.input}
    last_use |= {value.name: len(graph.node) for value in graph.output}
    alive = peak = 0
    for step, node in enumerate(graph.node):
        alive += sum(size.get(name, 0) for name in node.output)
        peak = max(peak, alive)
        done = {name for name in (*node.input, *node.output) if last_use.get(name, step) == step}
        alive -= sum(size.get(name, 0) for name in done)
    return peak


def with_shapes(file: Path, inputs: Shapes) -> onnx.GraphProto:
    """The graph with the shape of every tensor that can be inferred.

    Args:
        file: the graph.
        inputs: complete shape of every input.
    """
    model = onnx.load(file)
    for value in model.graph.input:
        for dim, length in zip(value.type.tensor_type.shape.dim, inputs[value.name], strict=True):
            dim.dim_value = length
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    for node in [n for n in model.graph.node if n.op_type == "Shape" and n.input[0] in inputs]:
        # what is sliced by an input's size is inferred only where that is a constant
        ends = {a.name: a.i for a in node.attribute}
        sizes = inputs[node.input[0]][ends.get("start") : ends.get("end")]
        constant = onnx.numpy_helper.from_array(np.array(sizes, np.int64), node.output[0])
        model.graph.initializer.append(constant)
        model.graph.node.remove(node)
    return onnx.shape_inference.infer_shapes(model, data_prop=True).graph


def tensor_bytes(value: onnx.ValueInfoProto) -> int:
    """Size of a tensor whose shape is known; an unknown axis counts as 1."""
    tensor = value.type.tensor_type
    lengths = [dim.dim_value or 1 for dim in tensor.shape.dim]
    item = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).itemsize
    return int(np.prod(lengths, dtype=np.int64)) * item
