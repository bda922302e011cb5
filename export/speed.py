"""Latency of one row in this process, so that the faster of two forms can be served."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from export.candidate import Arrays

WARM_UP_CALLS = 200
CALLS = 2000


def p50_us(ask: Callable[[Arrays], Any], requests: Sequence[Arrays]) -> float:
    """Median latency, in µs.

    Args:
        ask: answers a request, on one thread.
        requests: real ones, asked one after the other, round and round.
    """
    rounds = itertools.cycle(requests)
    for request in itertools.islice(rounds, WARM_UP_CALLS):
        ask(request)
    latencies = np.empty(CALLS)
    for call, request in enumerate(itertools.islice(rounds, CALLS)):
        began = time.perf_counter_ns()
        ask(request)
        latencies[call] = time.perf_counter_ns() - began
    return round(float(np.median(latencies)) / 1e3, 2)
