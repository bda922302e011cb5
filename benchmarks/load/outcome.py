"""What became of the queries of one run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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
        said: what the generator itself found invalid, one line each.
    """

    generator: str
    latencies_ms: np.ndarray
    lag_ms: np.ndarray
    offered_per_s: float | None
    achieved_per_s: float
    seconds: float
    errors: int
    said: tuple[str, ...] = ()
