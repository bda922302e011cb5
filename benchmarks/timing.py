"""Times callables on the same queries, interleaved so that drift of the machine cancels out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Ask = Callable[[np.ndarray], Any]

BLOCK = 20  # queries that one callable answers before the next one's turn
DROPPED = 2  # untimed calls at the beginning of a turn, which find the caches of another


def interleave(
    asks: Sequence[Ask], queries: Sequence[np.ndarray], block: int = BLOCK
) -> np.ndarray:
    """Latency of every callable on every query.

    Turns go ABBA: each block of queries is answered by all, in reversed order every other time.

    Args:
        asks: take node ids.
        queries: node ids.
        block: queries per turn; with 1 no calls are dropped.

    Returns:
        Milliseconds. Shapes: (asks, queries).
    """
    took_ms = np.zeros((len(asks), len(queries)))
    dropped = DROPPED if block > 1 else 0
    for turn, start in enumerate(range(0, len(queries), block)):
        part = queries[start : start + block]
        for index in range(len(asks))[:: -1 if turn % 2 else 1]:
            ask = asks[index]
            for ids in part[-dropped:] if dropped else ():
                ask(ids)
            took_ms[index, start : start + block] = [_time_ms(ask, ids) for ids in part]
    return took_ms


def _time_ms(ask: Ask, ids: np.ndarray) -> float:
    began = time.perf_counter_ns()
    ask(ids)
    return (time.perf_counter_ns() - began) / 1e6


def affordable(asks: Sequence[Ask], queries: Sequence[np.ndarray], budget_s: float) -> int:
    """How many queries all callables can answer in the time, by the mean of a few; warms them up.

    Args:
        asks: take node ids.
        queries: node ids.
        budget_s: seconds for all of it.
    """
    interleave(asks, queries, block=1)
    mean_ms = interleave(asks, queries, block=1).sum() / len(queries)
    return int(budget_s * 1000 / mean_ms)
