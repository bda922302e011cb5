"""Latency of one row in this process, so that the faster of two forms can be served."""

from __future__ import annotations

import itertools
import time
from typing import Any

import numpy as np

from export.candidate import Arrays, slices

WARM_UP_CALLS = 200
CALLS = 2000


def p50_us(session: Any, rows: Arrays) -> float:
    """Median latency at batch 1, in µs.

    Args:
        session: of ONNX Runtime, on one thread.
        rows: real rows, asked one after the other, round and round.
    """
    requests = itertools.cycle(list(slices(rows, 1)))
    for request in itertools.islice(requests, WARM_UP_CALLS):
        session.run(None, request)
    latencies = np.empty(CALLS)
    for call, request in enumerate(itertools.islice(requests, CALLS)):
        began = time.perf_counter_ns()
        session.run(None, request)
        latencies[call] = time.perf_counter_ns() - began
    return float(np.median(latencies)) / 1e3
