"""Requests of every endpoint for an hour: no error, and no memory that grows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.faults.connection import Asked
from benchmarks.faults.gateway import DEADLINE_S, gateway, memory
from benchmarks.faults.generator import ask_for, lag_ms
from benchmarks.faults.outcome import Figure, Outcome, faults, statuses, worst
from benchmarks.faults.setting import Setting

RATE = 50.0  # requests per second
SECONDS = 3600.0
WARM = 1 / 3  # of the time, up to
MOST_WARM_S = 600.0
MOST_GROWTH = 0.02
SAMPLES = 240
SHOWN = ("0.5", "0.99", "0.999")  # quantiles
LEAST_ASKED = 0.95  # of the requests that are due in the time
PART = 10  # of the samples after the warm-up, the first and the last one in so many


def soak(setting: Setting) -> Outcome:
    """Ask, and weigh."""
    seconds = setting.lasting(SECONDS)
    with gateway(setting.repository) as running:
        plan = running.plan(setting.questions, RATE)
        with memory(running, seconds / SAMPLES) as weights:
            asked = ask_for(plan, seconds).asked
    warm = min(WARM, MOST_WARM_S / seconds)
    mib = [weight for _, weight in weights.found]
    weighed = mib[int(len(mib) * warm) :]
    latencies_ms = [1e3 * (one.latency_s) for one in asked]
    return Outcome(
        figures(asked, weighed, seconds),
        {
            "rate_per_s": RATE,
            "seconds": seconds,
            "warm_up_s": round(warm * seconds),
            "deadline_s": DEADLINE_S,
            "models": setting.models,
        },
        {
            "requests": len(asked),
            "statuses": statuses(asked),
            "latency_ms": {q: round(float(np.quantile(latencies_ms, float(q))), 2) for q in SHOWN},
            "memory_mib": {"after_warm_up": weighed[0], "last": mib[-1]},
            "generator_lag_p99_ms": lag_ms(asked, 0.99),
            "faults": worst(asked),
        },
    )


def figures(
    asked: Sequence[Asked], mib: Sequence[dict[str, float]], seconds: float
) -> tuple[Figure, ...]:
    """What is asked of it.

    Args:
        asked: all requests.
        mib: resident memory by part, after the warm-up.
        seconds: how long was asked.
    """
    right = len(asked) - faults(asked)
    return (
        *(Figure(f"growth of {part}", growth(mib, part), most=MOST_GROWTH) for part in mib[0]),
        Figure("errors", faults(asked), most=0),
        Figure("right answers", right, least=LEAST_ASKED * RATE * seconds),
    )


def growth(mib: Sequence[dict[str, float]], part: str) -> float:
    """By which fraction the median of the last samples is above that of the first."""
    some = max(1, len(mib) // PART)
    weights = [weight[part] for weight in mib]
    return round(float(np.median(weights[-some:]) / np.median(weights[:some])) - 1, 4)
