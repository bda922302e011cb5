"""Triton is killed under load: how long until all is ready again, and what was answered meanwhile.

Every answer must be a 503 or right, and none may take longer than its deadline.
"""

from __future__ import annotations

import math
import signal
import time
from collections import Counter
from collections.abc import Sequence

from benchmarks.faults.connection import Asked
from benchmarks.faults.gateway import DEADLINE_S, Gateway, gateway, readiness
from benchmarks.faults.generator import Generator, lag_ms
from benchmarks.faults.outcome import Figure, Outcome, faults, statuses, worst
from benchmarks.faults.setting import Setting

RATE = 50.0  # requests per second
CALM_S = 3.0  # before a kill, and after it is over
MOST_S = 10.0  # until it is ready again
GIVE_UP_S = 60.0
ROUND_S = 16.0  # that one kill may take at most
SECONDS = 5 * ROUND_S
SLACK_S = 0.25  # of the generator, beyond the deadline


def kill(setting: Setting) -> Outcome:
    """Kill it again and again."""
    rounds = max(1, int(setting.lasting(SECONDS) // ROUND_S))
    took_s: list[float] = []
    with gateway(setting.repository) as running:
        plan = running.plan(setting.questions, RATE)
        with Generator(plan) as generator:
            for _ in range(rounds):
                time.sleep(CALM_S)
                took_s.append(_kill_once(running))
            time.sleep(CALM_S)
    asked = generator.asked
    return Outcome(
        figures(took_s, asked),
        {"rate_per_s": RATE, "kills": rounds, "deadline_s": DEADLINE_S, "models": setting.models},
        {
            "requests": len(asked),
            "statuses": statuses(asked),
            "ready_again_s": [round(t, 2) if t < math.inf else None for t in took_s],
            "generator_lag_p99_ms": lag_ms(asked, 0.99),
            "faults": worst(asked),
        },
    )


def figures(took_s: Sequence[float], asked: Sequence[Asked]) -> tuple[Figure, ...]:
    """What is asked of it."""
    found = Counter(_sort(one) for one in asked)
    slowest_s = max((one.done_s - one.sent_s for one in asked if one.sent_s), default=0.0)
    return (
        Figure("ready again, s", round(max(took_s), 2), most=MOST_S),
        Figure("wrong answers", faults(asked, "wrong"), most=0),
        Figure("neither right nor 503", found["other"], most=0),
        Figure("slowest answer, s", round(slowest_s, 2), most=DEADLINE_S + SLACK_S),
        Figure("right answers", found["right"], least=1),
    )


def _sort(one: Asked) -> str:
    if one.status == 503:
        return "503"
    return "other" if one.fault else "right"


def _kill_once(running: Gateway) -> float:
    """Kill Triton; seconds until ``/readyz`` is 200 again, having been otherwise."""
    server = running.server()
    began_s = time.monotonic()
    with readiness(running) as watch:
        server.send_signal(signal.SIGKILL)
        while time.monotonic() < began_s + GIVE_UP_S:
            time.sleep(0.05)
            statuses = [status for _, status in watch.found]
            if statuses and statuses[-1] == 200 and any(status != 200 for status in statuses):
                break
    return time.monotonic() - began_s if watch.found[-1][1] == 200 else float("inf")
