"""Graphs in ONNX Runtime that lie in no file yet, and what it makes of those that do."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
import onnxruntime

from benchmarks.subjects import open_session

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
