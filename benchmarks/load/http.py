"""Load over HTTP, where LoadGen cannot drive: many connections at a time.

open_loop     Poisson arrivals; latency runs from the scheduled arrival
closed_loop   so many clients, each of which asks again when it is answered

Both are ``benchmarks.faults.load`` in a process of its own; here no answer is compared with what is
known, since that would cost the generator time: whatever is not a 200 is an error.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.faults.connection import Asked
from benchmarks.faults.generator import ask_for
from benchmarks.faults.load import Plan
from benchmarks.load.outcome import Loaded
from benchmarks.load.unjudged import Unjudged
from zoo.contract import LeanzooError

TIMEOUT_S = 30.0

Request = tuple[str, bytes]  # path, body


def open_loop(
    host: str, port: int, requests: Sequence[Request], rate: float, seconds: float, seed: int = 0
) -> Loaded:
    """Ask at a rate, whatever became of the requests before.

    Args:
        host, port: of the server.
        requests: asked in turns.
        rate: requests per second, Poisson.
        seconds: to ask for.
        seed: of the arrivals.
    """
    asked = _questions(requests)
    plan = Plan(host, port, asked, rate, timeout_s=TIMEOUT_S, seed=seed, punctual=True)
    return _loaded("open", ask_for(plan, seconds).asked)


def closed_loop(
    host: str, port: int, requests: Sequence[Request], clients: int, seconds: float
) -> Loaded:
    """Ask as fast as answers come: what the server can do for so many clients.

    Args:
        host, port: of the server.
        requests: asked in turns.
        clients: in flight.
        seconds: to ask for.
    """
    plan = Plan(host, port, _questions(requests), 0, clients, timeout_s=TIMEOUT_S)
    return _loaded("closed", ask_for(plan, seconds).asked)


def _questions(requests: Sequence[Request]) -> tuple[Unjudged, ...]:
    return tuple(Unjudged("", "", "", path, body, ()) for path, body in requests)


def _loaded(loop: str, asked: Sequence[Asked]) -> Loaded:
    if not asked:
        raise LeanzooError("no request was due: ask for longer, or at a higher rate")
    is_open = loop == "open"
    answered = [one for one in asked if not one.fault]
    last_due_s = asked[-1].due_s - asked[0].due_s
    seconds = max(one.done_s for one in asked) - asked[0].due_s
    sent = [one for one in asked if one.sent_s]
    return Loaded(
        generator=f"asyncio {loop} loop",
        latencies_ms=1e3 * np.array([one.latency_s for one in answered]),
        lag_ms=1e3 * np.array([one.sent_s - one.due_s for one in sent] if is_open else []),
        offered_per_s=len(asked) / last_due_s if is_open and last_due_s else None,
        achieved_per_s=len(answered) / seconds,
        seconds=seconds,
        errors=len(asked) - len(answered),
        failure=next((one.fault for one in asked if one.fault), ""),
    )
