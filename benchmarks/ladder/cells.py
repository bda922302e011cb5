"""One cell of the ladder: both sides and the identity, in turns, at one batch on one rung.

A cell is measured in rounds, each with servers or sessions that were started anew: where memory
lies and which core runs what differs between rounds more than between two queries of one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.timing import BLOCK, Ask, interleave

PILOT = 2  # queries by which it is known how many are afforded
LEAST = 2  # queries of a round, of the slowest
KEPT_BYTES = 64e6  # of inputs that are made beforehand
DISTINCT = 100


@dataclass(frozen=True)
class Budget:
    """How long a cell may take.

    Attributes:
        cell_s: seconds of a round for all turns.
        most: samples of a round.
        longest_s: a query that takes longer is not asked.
        rounds: with servers or sessions of their own.
    """

    cell_s: float
    most: int
    longest_s: float
    rounds: int


@dataclass
class Cell:
    """What was measured of it so far, by role, an array per round.

    Attributes:
        paired: latencies of the queries that all roles answered in turns.
        more: of those that only the fast ones did.
        reasons: why a role was not measured.
        spent: by role, what the server says of each round, see ``servers.per_request``.
    """

    paired: dict[str, list[np.ndarray]] = field(default_factory=dict)
    more: dict[str, list[np.ndarray]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    spent: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    def samples(self, role: str) -> np.ndarray:
        """All latencies of a role in milliseconds."""
        parts = self.paired.get(role, []) + self.more.get(role, [])
        return np.concatenate(parts) if parts else np.empty(0)

    def mean_ms(self, role: str) -> float:
        """Mean latency of a role; 0 where it was not measured."""
        samples = self.samples(role)
        return float(samples.mean()) if len(samples) else 0.0


def time_round(
    cell: Cell, asks: Mapping[str, Ask], queries: Sequence[np.ndarray], budget: Budget
) -> None:
    """Measure a round of a cell.

    Args:
        cell: receives the samples.
        asks: role → what asks it.
        queries: row ids; asked again where there are too few.
        budget: how long it may take.
    """
    took_ms = {role: _pilot_ms(ask, queries) for role, ask in asks.items()}
    n = _afforded([*took_ms.values()], budget)
    _add(cell.paired, asks, _cycled(queries, n), budget)
    slowest = max(took_ms, key=lambda role: took_ms[role])
    fast = {role: ask for role, ask in asks.items() if role != slowest}
    more = _afforded([took_ms[role] for role in fast], budget) - n if fast else 0
    if more > 0:
        _add(cell.more, fast, _cycled(queries, more), budget)


def too_slow(expected_ms: float, budget: Budget) -> str:
    """Why a query is not asked that is expected to take so long; empty where it is."""
    if expected_ms <= 1000 * budget.longest_s:
        return ""
    return (
        f"a query takes about {expected_ms / 1000:.2g} s: at most {budget.longest_s:g} s are asked"
    )


def distinct_queries(bytes_each: int) -> int:
    """How many queries can be kept with their inputs."""
    return int(np.clip(KEPT_BYTES // max(bytes_each, 1), 1, DISTINCT))


def _pilot_ms(ask: Ask, queries: Sequence[np.ndarray]) -> float:
    """The mean of few queries, after one that warms up."""
    few = _cycled(queries, PILOT)
    ask(few[0])
    return float(interleave([ask], few, block=1).mean())


def _afforded(took_ms: Sequence[float], budget: Budget) -> int:
    n = int(1000 * budget.cell_s / max(sum(took_ms), 1e-6))
    return min(max(n, LEAST), budget.most)


def _cycled(queries: Sequence[np.ndarray], n: int) -> list[np.ndarray]:
    return [queries[k % len(queries)] for k in range(n)]


def _add(
    kept: dict[str, list[np.ndarray]],
    asks: Mapping[str, Ask],
    queries: Sequence[np.ndarray],
    budget: Budget,
) -> None:
    block = min(BLOCK, max(1, len(queries) // 2))
    took_ms = interleave([*asks.values()], queries, block)
    for role, samples in zip(asks, took_ms, strict=True):
        kept.setdefault(role, []).append(samples)
