"""int8 weights: the form that answers row by row at a third of its size, if the metric allows it.

Weights of linear layers are int8 per column; ONNX Runtime quantises what they are multiplied with
as it runs, over the whole batch, so that a row's answer depends a little on the rows beside it.
Tables that ids look up are int8 per row, so that no row loses its digits to a larger one.
"""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from export.artifacts import golden_ids, write_all
from export.candidate import Arrays, Candidate, ask, joined, open_session
from export.drafts import graph_draft
from export.errors import ExportError
from export.graph import IR_VERSION, check_graph
from export.parity import Parity
from export.to_onnx import candidate_of, load_trained
from zoo.artifact import Artifact
from zoo.golden import Golden
from zoo.registry import get_spec

PRECISION = "int8"
MOST_LOST = 0.0002  # of the metric, a fraction
LARGEST = 127
INT8, SCALE = "_int8", "_scale"  # of the names of a quantised weight's two parts
GOLDEN_TOLERANCE = 0.01


def export_int8(run: Path, out: Path, data: Any = None) -> Artifact:
    """Export a checkpoint's row form in int8, held against the fp32 graph on all rows.

    Args:
        run: folder of a checkpoint.
        out: folder that receives the artifact ``<model>-int8``.
        data: the recipe's data, if at hand; read otherwise.

    Raises:
        ArtifactError: no checkpoint at ``run``, or ``out`` cannot be written.
        ExportError: the model has no metric to be held to, or would lose too much of it.
    """
    spec = get_spec(Artifact.load(run, verify=False).recipe["model"])
    if spec.score is None:
        raise ExportError(f"{spec.name} has no {PRECISION}: export it in fp32")
    trained = load_trained(run, data)
    forms = trained.forms
    form = next(f for f in forms if forms[f].signature(trained.config).max_batch)
    fp32 = candidate_of(trained, form)
    name = f"{fp32.name}-{PRECISION}"
    int8 = replace(fp32, name=name, graph=quantised(fp32, name), expected=None, raw=None)
    before, after = _all_answers(fp32), _all_answers(int8)
    held = {
        "metric": f"test_{spec.metric}",
        "fp32": spec.score(_logits(before), trained.data),
        PRECISION: spec.score(_logits(after), trained.data),
        "most_lost": MOST_LOST,
        "size": int8.graph.ByteSize() / fp32.graph.ByteSize(),
    }
    _check_metric(name, held)
    source = replace(trained.source(form), form=f"{form}-{PRECISION}", attachments={})
    draft = graph_draft(source, int8, _parity(int8, before, after), _golden(int8))
    draft = replace(draft, metrics={**draft.metrics, PRECISION: held})
    return write_all([draft], out, trained.artifact)[0]


def quantised(fp32: Candidate, name: str) -> onnx.ModelProto:
    """The graph with int8 weights.

    Args:
        fp32: the graph as exported.
        name: of the new one, for messages.

    Raises:
        ExportError: the result is no valid graph.
    """
    graph = onnx.ModelProto()
    graph.CopyFrom(fp32.graph)
    _quantise_tables(graph.graph)
    _quantise_stacks(graph.graph)
    with tempfile.TemporaryDirectory(prefix="leanzoo-int8-") as folder, _quiet():
        from onnxruntime.quantization import QuantType, quantize_dynamic

        file = Path(folder) / "int8.onnx"
        quantize_dynamic(
            graph,
            file,
            op_types_to_quantize=["MatMul"],  # Gemm becomes one
            per_channel=True,
            reduce_range=True,  # 7 bits: with 8, sums overflow on processors without VNNI
            weight_type=QuantType.QInt8,
            nodes_to_exclude=_not_linear(graph.graph),
        )
        made = onnx.load(file)
    made.ir_version = IR_VERSION
    del made.graph.value_info[:]
    check_graph(made, fp32.signature, name)
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


def _split(graph: onnx.GraphProto, weight: onnx.TensorProto, axis: int) -> None:
    """Replace a weight by its int8 numbers and their scales, one along ``axis``."""
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
def _quiet() -> Iterator[None]:
    """Hide the library's advice to prepare a model, which an exported one does not need."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)


def _all_answers(candidate: Candidate) -> Arrays:
    """The graph's answers to all rows, in order."""
    session, batch = open_session(candidate.graph), candidate.signature.max_batch
    starts = range(0, candidate.n_rows, batch)
    ids = (np.arange(start, min(start + batch, candidate.n_rows)) for start in starts)
    return joined([ask(session, candidate.rows(part), candidate.name) for part in ids])


def _golden(int8: Candidate) -> Golden:
    """Rows, and the graph's own answers.

    On a processor that differs in a float's last digit, a number may be rounded to the next of
    its 256 steps: hence the tolerance.
    """
    rows = int8.rows(golden_ids(int8))
    return Golden(rows, ask(open_session(int8.graph), rows, int8.name), GOLDEN_TOLERANCE)


def _logits(answers: Arrays) -> np.ndarray:
    """The output that the metric is computed from: logits where there are any, else the first."""
    return next(
        (answers[name] for name in ("logit", "logits") if name in answers),
        next(iter(answers.values())),
    )


def _check_metric(name: str, held: dict[str, Any]) -> None:
    change = held[PRECISION] - held["fp32"]
    if not abs(change) <= MOST_LOST:
        raise ExportError(
            f"{name}: expected {held['metric']} within {MOST_LOST} of {held['fp32']:.5f}, measured "
            f"{held[PRECISION]:.5f} ({change:+.5f}) at {held['size']:.0%} of the size: keep fp32"
        )


def _parity(candidate: Candidate, before: Arrays, after: Arrays) -> Parity:
    """Differences from fp32; whether they matter, the metric says."""
    differences = {key: float(np.abs(after[key] - before[key]).max()) for key in before}
    first = candidate.signature.outputs[0].name
    batches = (candidate.signature.max_batch,)
    return Parity(candidate.n_rows, batches, differences[first], None, differences)
