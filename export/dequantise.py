"""int8 weights as TensorRT takes them: behind DequantizeLinear, which ONNX Runtime never folds."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper, numpy_helper


def dequantised(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with DequantizeLinear in the place of an int8 weight's Cast and Mul.

    It is the same product. TensorRT has int8 numbers in front of no other node.
    """
    made = onnx.ModelProto()
    made.CopyFrom(graph)
    weights = {weight.name: weight for weight in made.graph.initializer}
    casts = {
        node.output[0]: node
        for node in made.graph.node
        if node.op_type == "Cast" and _is_int8(weights.get(node.input[0]))
    }
    for node in list(made.graph.node):
        if node.op_type == "Mul" and node.input[0] in casts and node.input[1] in weights:
            cast, scale = casts[node.input[0]], weights[node.input[1]]
            if sum(size > 1 for size in scale.dims) > 1:
                continue  # scales along two axes, which DequantizeLinear has not
            axis = next((k for k, size in enumerate(scale.dims) if size > 1), 0)
            flat = numpy_helper.to_array(scale).reshape(-1)
            scale.CopyFrom(numpy_helper.from_array(flat, scale.name))
            parts = [cast.input[0], scale.name]
            name = f"{cast.input[0]}_DequantizeLinear"
            made_of = helper.make_node("DequantizeLinear", parts, node.output, name, axis=axis)
            node.CopyFrom(made_of)
            made.graph.node.remove(cast)
    return made


def _is_int8(weight: onnx.TensorProto | None) -> bool:
    return weight is not None and weight.data_type == TensorProto.INT8
