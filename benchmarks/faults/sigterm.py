"""The gateway is told to stop under load: every request that it took is answered.

A request counts as taken where it was written before the listener closed; one that was written
before the signal must be answered as ever. ``/readyz`` must fail before the listener closes.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults.connection import Asked
from benchmarks.faults.gateway import Sampler, gateway, readiness
from benchmarks.faults.generator import Generator, lag_ms
from benchmarks.faults.outcome import Figure, Outcome, statuses, worst
from benchmarks.faults.setting import Setting

RATE = 200.0  # requests per second
CALM_S = 2.0
ROUND_S = 10.0
SECONDS = 5 * ROUND_S
LISTEN = "0A"  # a state of sockets
STOP_S = 20.0  # within which it must have ended


@dataclass(frozen=True)
class Stop:
    """One stop.

    Attributes:
        asked: what became of each request.
        told_s: when the signal was sent.
        unready_s: when ``/readyz`` first failed with an answer; infinite if it never did.
        closed_s: when the listener was last seen open.
        ended_s: when the process had ended.
        code: it ended with.
    """

    asked: list[Asked]
    told_s: float
    unready_s: float
    closed_s: float
    ended_s: float
    code: int

    @property
    def taken(self) -> list[Asked]:
        """Requests written before the listener closed."""
        return [one for one in self.asked if one.sent_s and one.sent_s < self.closed_s]

    @property
    def lost(self) -> list[Asked]:
        """Of those the ones without an answer."""
        return [one for one in self.taken if not one.status]

    @property
    def in_flight_failed(self) -> list[Asked]:
        """Requests written before the signal that were not answered rightly."""
        return [one for one in self.asked if 0 < one.sent_s < self.told_s and one.fault]


def sigterm(setting: Setting) -> Outcome:
    """Stop it again and again."""
    rounds = max(1, int(setting.lasting(SECONDS) // ROUND_S))
    stops = [_stop_once(setting) for _ in range(rounds)]
    asked = [one for stop in stops for one in stop.asked]
    after = [one for stop in stops for one in stop.asked if one.sent_s >= stop.told_s]
    return Outcome(
        figures(stops),
        {"rate_per_s": RATE, "stops": rounds, "models": setting.models},
        {
            "requests": len(asked),
            "statuses": statuses(asked),
            "statuses_after_the_signal": statuses(after),
            "answers_that_close": sum(one.closing for one in after),
            "seconds": [_seconds(stop) for stop in stops],
            "generator_lag_p99_ms": lag_ms(asked, 0.99),
            "faults": worst([one for stop in stops for one in stop.taken]),
        },
    )


def figures(stops: Sequence[Stop]) -> tuple[Figure, ...]:
    """What is asked of it."""
    late = sum(1 for stop in stops if not stop.unready_s < stop.closed_s)
    return (
        Figure("taken requests lost", sum(len(stop.lost) for stop in stops), most=0),
        Figure(
            "requests in flight not answered rightly",
            sum(len(stop.in_flight_failed) for stop in stops),
            most=0,
        ),
        Figure("stops at which readiness did not fail first", late, most=0),
        Figure("answers after readiness failed that keep alive", _kept_alive(stops), most=0),
        Figure("slowest end, s", round(max(s.ended_s - s.told_s for s in stops), 2), most=STOP_S),
        Figure("other exit codes than 0", sum(1 for stop in stops if stop.code), most=0),
        Figure("requests taken after the signal", _taken_after(stops), least=1),
    )


def _kept_alive(stops: Sequence[Stop]) -> int:
    """Requests that were written when ``/readyz`` had failed, and answered without a close."""
    return sum(
        1
        for stop in stops
        for one in stop.asked
        if one.sent_s > stop.unready_s and one.status and not one.closing
    )


def _taken_after(stops: Sequence[Stop]) -> int:
    return sum(1 for stop in stops for one in stop.taken if one.sent_s > stop.told_s)


def _seconds(stop: Stop) -> dict[str, float | None]:
    """When what happened, counted from the signal; None where it never did."""
    times = {name: getattr(stop, f"{name}_s") for name in ("unready", "closed", "ended")}
    return {
        name: round(at - stop.told_s, 3) if at < math.inf else None for name, at in times.items()
    }


def _stop_once(setting: Setting) -> Stop:
    with gateway(setting.repository) as running:
        port = running.address[1]
        with Generator(running.plan(setting.questions, RATE)) as generator:
            time.sleep(CALM_S)
            with readiness(running) as watch, Sampler(lambda: _listens(port), 0.002) as listener:
                told_s = time.monotonic()
                running.process.send_signal(signal.SIGTERM)
                code = running.process.wait(3 * STOP_S)
                ended_s = time.monotonic()
                time.sleep(0.1)
    return Stop(
        generator.asked,
        told_s,
        min((at for at, status in watch.found if status not in (0, 200)), default=math.inf),
        max((at for at, open_ in listener.found if open_), default=told_s),
        ended_s,
        code,
    )


def _listens(port: int) -> bool:
    """Whether a socket listens on a port, by the kernel's table."""
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return any(row[3] == LISTEN and int(row[1].partition(":")[2], 16) == port for row in rows)
