"""Twice as many requests as can be answered: how many still are, how late, and in what memory.

The capacity is that of a closed loop. The generator runs on the same machine and takes processor
time from what it measures, in both loops alike; how much is written down.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.faults.connection import Asked
from benchmarks.faults.gateway import DEADLINE_S, Gateway, gateway, memory
from benchmarks.faults.generator import ask_for, lag_ms
from benchmarks.faults.outcome import Figure, Outcome, faults, statuses, worst
from benchmarks.faults.setting import Setting

CLIENTS = 32  # of the closed loop
WARM_S = 5.0
CAPACITY_S = 10.0
SECONDS = 60.0
OVERLOAD = 2.0
LEAST_GOODPUT = 0.8  # of the capacity
MOST_GROWTH = 0.05  # of memory, from its first third to its last
JUDGED = 10  # of so many answers one is compared


def overload(setting: Setting) -> Outcome:
    """Find the capacity, then ask for twice as much."""
    seconds = setting.lasting(SECONDS)
    with gateway(setting.repository) as running:
        capacity = _capacity(running, setting)
        plan = running.plan(setting.questions, OVERLOAD * capacity, judged=JUDGED)
        with memory(running, seconds / 60) as weights:
            generator = ask_for(plan, seconds)
        after = _capacity(running, setting)
    asked = generator.asked
    mib = [weight for _, weight in weights.found]
    return Outcome(
        figures(asked, seconds, capacity, mib),
        {
            "seconds": seconds,
            "capacity_per_s": round(capacity, 1),
            "clients": CLIENTS,
            "deadline_s": DEADLINE_S,
            "models": setting.models,
        },
        {
            "requests": len(asked),
            "statuses": statuses(asked),
            "capacity_after_per_s": round(after, 1),
            "memory_mib": {"first": mib[0], "last": mib[-1]},
            "generator_cpu": round(generator.cpu_s / seconds, 3),
            "generator_lag_p99_ms": lag_ms(asked, 0.99),
            "faults": worst(asked),
        },
    )


def figures(
    asked: Sequence[Asked], seconds: float, capacity: float, mib: Sequence[dict[str, float]]
) -> tuple[Figure, ...]:
    """What is asked of it."""
    good = [one for one in asked if one.status == 200 and not one.fault]
    late_s = [one.latency_s for one in good]
    p99_s = float(np.quantile(late_s, 0.99)) if late_s else float("nan")
    in_time = sum(1 for late in late_s if late <= DEADLINE_S)
    unanswered = faults(asked, "lost") + faults(asked, "hung")
    growths = (Figure(f"growth of {part}", growth(mib, part), most=MOST_GROWTH) for part in mib[0])
    return (
        Figure("goodput over capacity", round(in_time / seconds / capacity, 3), LEAST_GOODPUT),
        Figure("accepted p99, s", round(p99_s, 3), most=DEADLINE_S),
        Figure("wrong answers", faults(asked, "wrong"), most=0),
        Figure("lost or hanging", unanswered, most=0),
        *growths,
    )


def growth(mib: Sequence[dict[str, float]], part: str) -> float:
    """By which fraction the median of the last third is above that of the second."""
    third = max(1, len(mib) // 3)
    weights = [weight[part] for weight in mib]
    before, after = np.median(weights[third : 2 * third] or weights), np.median(weights[-third:])
    return round(float(after / before) - 1, 4)


def _capacity(running: Gateway, setting: Setting) -> float:
    """Right answers per second to as many clients as keep it busy."""
    plan = running.plan(setting.questions, 0, clients=CLIENTS, judged=JUDGED)
    ask_for(plan, WARM_S)
    asked = ask_for(plan, CAPACITY_S).asked
    good = [one for one in asked if one.status == 200 and not one.fault]
    return len(good) / (asked[-1].done_s - asked[0].sent_s)
