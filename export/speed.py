"""Latency of one row in this process, so that the fastest of several graphs can be served."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from export.candidate import Arrays

Ask = Callable[[Arrays], Any]

WARM_UP_CALLS = 200
CALLS = 2000
TURNS = 20  # of calls, so that a busy moment meets all alike


def p50_us(ask: Ask, requests: Sequence[Arrays]) -> float:
    """Median latency, in µs.

    Args:
        ask: answers a request, on one thread.
        requests: real ones, asked one after the other, round and round.
    """
    return p50s_us([ask], requests)[0]


def p50s_us(asks: Sequence[Ask], requests: Sequence[Arrays]) -> list[float]:
    """Median latencies, in µs, of several that are asked the same in turns."""
    rounds = itertools.cycle(requests)
    for ask, request in itertools.product(asks, itertools.islice(rounds, WARM_UP_CALLS)):
        ask(request)
    latencies = np.empty((len(asks), TURNS, CALLS // TURNS))
    for turn, (number, ask) in itertools.product(range(TURNS), enumerate(asks)):
        for call, request in enumerate(itertools.islice(rounds, CALLS // TURNS)):
            began = time.perf_counter_ns()
            ask(request)
            latencies[number, turn, call] = time.perf_counter_ns() - began
    return [round(float(np.median(one)) / 1e3, 2) for one in latencies]
