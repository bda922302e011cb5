"""Graphs in ONNX Runtime that lie in no file yet, and what it makes of those that do."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime

from benchmarks.subjects import Arrays, open_session

GRAPH = "graph.onnx"
ERRORS = 3  # and nothing below: it warns that what it writes is for this machine alone


def session_of(graph: onnx.ModelProto, threads: int) -> onnxruntime.InferenceSession:
    """A graph that is in no file, opened as every model here is."""
    with TemporaryDirectory() as scratch:
        onnx.save(graph, Path(scratch) / GRAPH)
        return open_session(Path(scratch) / GRAPH, threads)


def nodes_run(file: Path) -> int:
    """How many operators the runtime calls, once it has folded and merged what it can."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS
    with TemporaryDirectory() as scratch:
        options.optimized_model_filepath = str(Path(scratch) / GRAPH)
        onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        return len(onnx.load(Path(scratch) / GRAPH).graph.node)


def gathered_rows(file: Path, arrays: Arrays) -> dict[str, int]:
    """How many rows of weights are gathered, each counted once, by the tensor of their indices.

    Args:
        file: the graph; of it only what makes the indices is run.
        arrays: its inputs, by name.
    """
    model = onnx.load(file)
    weights = {weight.name for weight in model.graph.initializer}
    gathers = [n for n in model.graph.node if n.op_type == "Gather" and n.input[0] in weights]
    wanted = {node.input[1] for node in gathers} - weights
    made = sorted(wanted - arrays.keys())
    found = {name: arrays[name] for name in wanted & arrays.keys()}
    if made:
        del model.graph.output[:]
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in made)
        found |= zip(made, session_of(model, threads=1).run(made, arrays), strict=True)
    return {name: len(np.unique(array)) for name, array in found.items()}
