"""The least time that a graph's work takes on this machine, its roofline, beside what it took.

The work is the larger of two times, since a processor computes while it reads: all operations at
the rate of matrix products, and the bytes that must move at the bandwidth of the level that holds
them. That is the smallest cache in which weights, inputs and outputs fit together, since each call
finds there what the last one left; what no cache holds comes from memory.

It is a bound, not a forecast. Additions and exponentials do not run at the rate of matrix products,
and operators that are not fused do move their results. What a call costs by itself is not in it:
``Rates.call_ms`` and the identity model say that, ``Rates.node_ms`` what every operator adds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks.comparison import Plan, draw_queries
from benchmarks.floor.costs import Cost, cost
from benchmarks.floor.identity import identity
from benchmarks.floor.rates import Rates
from benchmarks.floor.sessions import nodes_run, session_of
from benchmarks.ladder.sides import Course, Side
from benchmarks.measurement import Measurement
from benchmarks.subjects import Arrays, open_session
from benchmarks.timing import affordable, interleave

ARITHMETIC, CACHE, MEMORY = "arithmetic", "cache", "memory"
QUERIES = 8  # distinct ones, repeated
BUDGET_S = 0.4  # of the timing of one model at one batch
MOST, LEAST = 400, 5  # timed queries
LONGEST_MS = 2000.0  # what takes longer by its floor is not timed here


@dataclass(frozen=True)
class Floor:
    """The least time, and what it is spent on.

    Attributes:
        ms: the time.
        bound: ``arithmetic``, or reads and writes of a ``cache`` or of ``memory``.
    """

    ms: float
    bound: str


def floor_of(cost: Cost, rates: Rates) -> Floor:
    """The least time of some work.

    Args:
        cost: what has to be done.
        rates: of the machine.
    """
    whole, moved = cost.int8_ops, cost.bytes_read + cost.bytes_written
    arithmetic_ms = ((cost.flops - whole) / rates.gemm_gflops + whole / rates.int8_gops) / 1e6
    gb_s, level = rates.memory_gb_s, MEMORY
    if moved <= rates.l2_bytes:
        gb_s, level = rates.l2_gb_s, CACHE
    elif moved <= rates.l3_bytes:
        gb_s, level = rates.l3_gb_s, CACHE
    moving_ms = moved / gb_s / 1e6
    if arithmetic_ms >= moving_ms:
        return Floor(arithmetic_ms, ARITHMETIC)
    return Floor(moving_ms, level)


def floors(
    lot: Sequence[tuple[Course, Any]],
    batches: Sequence[int],
    rates: Rates,
    measured: Sequence[Measurement] = (),
) -> list[dict[str, Any]]:
    """What each graph has to do, the least time for it, and the time that its calls take.

    Inputs are at hand before anything is timed, so that gathering them is no part of it.

    Args:
        lot: courses, with whatever stands beside them.
        batches: rows per query.
        rates: of the machine.
        measured: from which the time of what is too slow to be timed here is taken.

    Returns:
        A row per model and batch: ``model``, ``role``, ``form``, ``batch``, ``flops``, ``bytes``,
        ``floor_ms``, ``bound``, ``p50_ms``, ``over_floor``; ``identity_ms``, the median of the
        identity model on the same inputs; ``nodes`` that the runtime calls, and ``explained_ms``,
        floor, identity and the cost of calling those nodes. Times are None where nothing was timed.
    """
    slow = {(m.model, m.protocol, m.batch): m.p50_ms for m in measured if m.rung == "ort"}
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for course, _ in lot:
        for batch in batches:
            queries = draw_queries(course.n_rows, batch, Plan(0, 0, QUERIES))
            for side in course.sides:
                key = (side.subject.model, batch)
                if key in rows:
                    continue
                rows[key] = _row(side, queries, rates)
                known = slow.get((side.subject.model, course.protocol, batch))
                if rows[key]["p50_ms"] is None and known and not course.gathers:
                    rows[key] |= _over(known.value, rows[key]["floor_ms"])
    return list(rows.values())


def _row(side: Side, queries: Sequence[np.ndarray], rates: Rates) -> dict[str, Any]:
    """One model at one batch."""
    subject, calls = side.subject, side.calls(queries[0])
    alike = Counter(_sizes(arrays) for arrays in calls)
    first = {_sizes(arrays): arrays for arrays in reversed(calls)}
    costs = [(cost(subject.file, first[sizes]), times) for sizes, times in alike.items()]
    least = [(floor_of(one, rates), times) for one, times in costs]
    floor_ms = sum(floor.ms * times for floor, times in least)
    row = {
        "model": subject.model,
        "role": side.role,
        "form": subject.form,
        "batch": len(queries[0]),
        "flops": sum(one.flops * times for one, times in costs),
        "bytes": sum((one.bytes_read + one.bytes_written) * times for one, times in costs),
        "floor_ms": floor_ms,
        "bound": max(least, key=lambda one: one[0].ms)[0].bound,
    }
    row["nodes"] = nodes = nodes_run(subject.file)
    if floor_ms > LONGEST_MS:
        return {**row, **_over(None, floor_ms), "identity_ms": None, "explained_ms": None}
    p50_ms, identity_ms = _timed(side, queries, rates.threads)
    explained_ms = floor_ms + identity_ms + len(calls) * nodes * rates.node_ms
    times = {"identity_ms": identity_ms, "explained_ms": explained_ms}
    return {**row, **_over(p50_ms, floor_ms), **times}


def _sizes(arrays: Arrays) -> tuple[tuple[int, ...], ...]:
    return tuple(array.shape for array in arrays.values())


def _over(p50_ms: float | None, floor_ms: float) -> dict[str, float | None]:
    return {"p50_ms": p50_ms, "over_floor": None if p50_ms is None else p50_ms / floor_ms}


def _timed(side: Side, queries: Sequence[np.ndarray], threads: int) -> tuple[float, float]:
    """Median of a model and of its identity, in turns."""
    subject = side.subject
    names = [spec.name for spec in subject.signature.outputs]
    sessions = [
        open_session(subject.file, threads),
        session_of(identity(subject.signature), threads),
    ]
    ready = side.prepare(queries)
    asks = [ready.asking(partial(_infer, session, names)) for session in sessions]
    n = max(LEAST, min(affordable(asks, queries[:3], BUDGET_S), MOST))
    took_ms = interleave(asks, [queries[k % len(queries)] for k in range(n)])
    p50_ms, identity_ms = np.median(took_ms, axis=1)
    return float(p50_ms), float(identity_ms)


def _infer(session: Any, names: Sequence[str], arrays: Mapping[str, np.ndarray] | Arrays) -> Any:
    return session.run(names, arrays)
