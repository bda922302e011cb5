"""fp16: half the size, made in the graph itself, since TensorRT takes its precision from there.

What is looked up in or multiplied with weights becomes float16, and what lies between two of such
nodes. All else stays float32: what comes before the first (normalisation, in the caller's own
unit) and after the last (the way back, softmax, scores), and of what lies between, that which sums
or divides. Inputs and outputs are the same as before.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from export.graph import OPSET

HALF = "_fp16"  # of a tensor's name
WEIGHTED = ("Gemm", "MatMul", "Conv")
LOOK_UP = "Gather"
ISLANDS = (
    *("Softmax", "LayerNormalization", "InstanceNormalization", "ReduceSum", "ReduceMean"),
    *("ReduceMax", "Div", "Sqrt", "Exp", "Log", "Pow", "Reciprocal", "CumSum", "Where", "IsNaN"),
    *("GatherElements", "ScatterND", "ScatterElements"),
)


def half(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with float16 weights; ``graph`` is left as it is.

    A pass of our own: that of onnxruntime's tools lets all float32 pass through float16 on its way
    from node to node, where a value above 65,504 is infinite.
    """
    made = onnx.ModelProto()
    made.CopyFrom(graph)
    for number, node in enumerate(made.graph.node):
        node.name = node.name or f"{node.op_type}_{number}"
    nodes, halves = _Halves(made.graph).nodes()
    del made.graph.node[:], made.graph.value_info[:]
    made.graph.node.extend(nodes)
    made.graph.initializer.extend(halves)
    used = {name for node in nodes for name in node.input}
    kept = [weight for weight in made.graph.initializer if weight.name in used]
    del made.graph.initializer[:]
    made.graph.initializer.extend(kept)
    return made


class _Halves:
    """Walks through a graph's nodes, and casts where float16 and float32 meet."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph, self._halved = graph, _halved(graph)
        self._weights = {weight.name: weight for weight in graph.initializer}
        self._floats = _floats(graph)
        self._here: list[onnx.NodeProto] = []
        self._made: list[onnx.TensorProto] = []
        # a tensor and a type → what it is called in it
        given = [*self._weights, *(value.name for value in graph.input)]
        self._names = {(name, int(TensorProto.FLOAT)): name for name in given}

    def nodes(self) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
        """All nodes in order, casts among them, and the weights that became float16."""
        outputs = {output.name for output in self._graph.output}
        for node in self._graph.node:
            kind = TensorProto.FLOAT16 if node.name in self._halved else TensorProto.FLOAT
            for place, name in enumerate(node.input):
                if name in self._floats:
                    node.input[place] = self._as(name, kind)
            self._here.append(node)
            for place, name in enumerate(node.output):
                self._names[name, kind] = name
                if name in self._floats and kind == TensorProto.FLOAT16:
                    node.output[place] = self._names[name, kind] = f"{name}{HALF}"
                    if name in outputs:
                        self._as(name, TensorProto.FLOAT)
        return self._here, self._made

    def _as(self, name: str, kind: int) -> str:
        """A tensor in a type, cast where it is met first."""
        if (name, kind) in self._names:
            return self._names[name, kind]
        target = name if kind == TensorProto.FLOAT else f"{name}{HALF}"
        if name in self._weights:
            values = numpy_helper.to_array(self._weights[name]).astype(np.float16)
            self._made.append(numpy_helper.from_array(values, target))
        else:
            other = TensorProto.FLOAT if kind == TensorProto.FLOAT16 else TensorProto.FLOAT16
            source = self._names[name, other]
            self._here.append(helper.make_node("Cast", [source], [target], to=kind))
        self._names[name, kind] = target
        return target


def _floats(graph: onnx.GraphProto) -> set[str]:
    """Names of the tensors that are float32."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    known = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    values = (*known.input, *known.value_info, *known.output)
    types = {value.name: value.type.tensor_type.elem_type for value in values}
    types |= {weight.name: weight.data_type for weight in graph.initializer}
    return {name for name, kind in types.items() if kind == TensorProto.FLOAT}


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
