"""fp16: half the size, made in the graph itself, since TensorRT takes its precision from there.

What is looked up in or multiplied with weights becomes float16, and what lies between two of such
nodes. All else stays float32: what comes before the first (normalisation, in the caller's own
unit) and after the last (the way back, softmax, scores), and of what lies between, that which sums
or divides. Inputs and outputs are the same as before.
"""

from __future__ import annotations

import onnx
from onnx import TensorProto

from export.graph import IR_VERSION

WEIGHTED = ("Gemm", "MatMul", "Conv")
LOOK_UP = "Gather"
ISLANDS = (
    *("Softmax", "LayerNormalization", "InstanceNormalization", "ReduceSum", "ReduceMean"),
    *("ReduceMax", "Div", "Sqrt", "Exp", "Log", "Pow", "Reciprocal", "CumSum", "Where", "IsNaN"),
    *("GatherElements", "ScatterND", "ScatterElements"),
)


def half(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with float16 weights; ``graph`` is left as it is."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    made = onnx.ModelProto()
    made.CopyFrom(graph)
    for number, node in enumerate(made.graph.node):
        node.name = node.name or f"{node.op_type}_{number}"
    kept = [node.name for node in made.graph.node if node.name not in _halved(made.graph)]
    made = convert_float_to_float16(
        made, keep_io_types=True, op_block_list=[], node_block_list=kept
    )
    made = _sorted(made)
    made.ir_version = IR_VERSION
    del made.graph.value_info[:]
    return made


def _sorted(graph: onnx.ModelProto) -> onnx.ModelProto:
    """Every node behind those it needs: the converter puts some of its casts last."""
    import onnx_ir

    model = onnx_ir.from_proto(graph)
    model.graph.sort()
    return onnx_ir.to_proto(model)


def _halved(graph: onnx.GraphProto) -> set[str]:
    """Names of the nodes that become float16."""
    weights = {w.name for w in graph.initializer if w.data_type == TensorProto.FLOAT}
    weighted = {node.name for node in graph.node if _is_weighted(node, weights)}
    behind = _reached(graph.node, weighted)
    ahead = _reached(graph.node, weighted, backwards=True)
    between = {
        node.name
        for node in graph.node
        if node.name in behind & ahead and node.op_type not in ISLANDS
    }
    return weighted | between


def _is_weighted(node: onnx.NodeProto, weights: set[str]) -> bool:
    if node.op_type == LOOK_UP:
        return node.input[0] in weights
    return node.op_type in WEIGHTED


def _reached(nodes: list[onnx.NodeProto], weighted: set[str], backwards: bool = False) -> set[str]:
    """Nodes that come after, or before, one of the weighted."""
    found: set[str] = set()
    tensors: set[str] = set()
    for node in reversed(nodes) if backwards else nodes:
        coming, going = (node.output, node.input) if backwards else (node.input, node.output)
        if tensors.intersection(coming):
            found.add(node.name)
        if node.name in found | weighted:
            tensors.update(going)
    return found
