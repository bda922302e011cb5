"""What became of the queries of one run, and the Measurement made of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import verdicts
from benchmarks.histograms import encode
from benchmarks.measurement import Measurement, latencies


@dataclass(frozen=True)
class Loaded:
    """One run of a generator.

    Attributes:
        generator: such as ``loadgen Server`` or ``asyncio open loop``.
        latencies_ms: of the answered queries, in the order in which they were due; from the
            scheduled arrival in an open loop.
        lag_ms: how late the generator issued each query; empty in a closed loop.
        offered_per_s: queries that were scheduled, as the schedule was drawn; None in a closed
            loop.
        achieved_per_s: queries that were answered, until the last was.
        seconds: from the first arrival to the last answer.
        errors: queries that were not answered, or with an error.
        failure: what the first of them was.
        said: what the generator itself found invalid, one line each.
    """

    generator: str
    latencies_ms: np.ndarray
    lag_ms: np.ndarray
    offered_per_s: float | None
    achieved_per_s: float
    seconds: float
    errors: int
    failure: str = ""
    said: tuple[str, ...] = ()


def measured(loaded: Loaded, required: Iterable[str] = verdicts.TAIL, **fields: Any) -> Measurement:
    """A run as a measurement, with its percentiles, its histogram and its verdict.

    Args:
        loaded: the run.
        required: percentiles without which it does not count.
        fields: of the Measurement that the run does not know: ``model``, ``role``, ``form``,
            ``protocol``, ``batch`` and such; ``reasons`` are added to the run's own.
    """
    lag_p99_ms = float(np.quantile(loaded.lag_ms, 0.99)) if len(loaded.lag_ms) else None
    found = {
        **latencies(loaded.latencies_ms, fields["batch"]),
        "load": "closed" if loaded.offered_per_s is None else "open",
        "offered_per_s": loaded.offered_per_s,
        "achieved_per_s": loaded.achieved_per_s,
        "rows_per_s": fields["batch"] * loaded.achieved_per_s,
        "lag_p99_ms": lag_p99_ms,
        "errors": loaded.errors,
        "histogram": encode(loaded.latencies_ms) if len(loaded.latencies_ms) else "",
    }
    reasons = (*fields.pop("reasons", ()), *verdicts.reasons(loaded, required))
    return Measurement(**{**found, **fields, "reasons": reasons})
