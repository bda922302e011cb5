"""Where the time of a graph goes, operator by operator, as ONNX Runtime's own profiler says.

The profiler itself takes about 2 µs an operator: what is shorter than that is not told apart.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime

from benchmarks.subjects import Arrays

CALLS, WARM_UP = 50, 5
KERNEL = "_kernel_time"  # how the profiler names the time that an operator takes


@dataclass(frozen=True)
class Operator:
    """One operator of a graph, as the runtime calls it.

    Attributes:
        op: what it does; several that were merged have a name of their own.
        node: its name in the graph.
        shapes: of its inputs that are no weights.
        p50_ms: median of its time.
    """

    op: str
    node: str
    shapes: tuple[tuple[int, ...], ...]
    p50_ms: float


def operators(file: Path, arrays: Arrays, threads: int) -> list[Operator]:
    """The operators of a graph, the longest first.

    Args:
        file: the graph.
        arrays: its inputs, by name.
        threads: of the session.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.enable_mem_pattern, options.enable_profiling = False, True
    with TemporaryDirectory() as scratch:
        options.profile_file_prefix = str(Path(scratch) / "profile")
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        for _ in range(WARM_UP + CALLS):
            session.run(None, arrays)
        events = json.loads(Path(session.end_profiling()).read_text())
    found: dict[str, list[Any]] = defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith(KERNEL):
            found[event["name"].removesuffix(KERNEL)].append(event)
    made = [_operator(name, calls[WARM_UP:]) for name, calls in found.items()]
    return sorted(made, key=lambda operator: -operator.p50_ms)


def _operator(node: str, calls: list[Any]) -> Operator:
    """Of the events of one node."""
    said = calls[0]["args"]
    shapes = tuple(tuple(shape) for one in said["input_type_shape"] for shape in one.values())
    took_us = [call["dur"] for call in calls]
    return Operator(said["op_name"], node, shapes, float(np.median(took_us)) / 1000)
