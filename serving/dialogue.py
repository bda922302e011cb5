"""What is asked, and what is made of the answers, without any I/O.

A dialogue is a generator: it yields a request, is sent the answer or has the error thrown into it,
and returns the result. ``hold`` performs one in a thread, ``hold_later`` in a coroutine, so that
clients of both kinds share every line but the one that sends.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

Result = TypeVar("Result")
Dialogue = Generator[Any, Any, Result]

FIRST_PAUSE_S = 0.1  # before the first repetition; each later one is twice as long


@dataclass(frozen=True)
class Pause:
    """Yielded in place of a request: wait so long."""

    seconds: float


def hold(dialogue: Dialogue[Result], send: Callable[[Any], Any]) -> Result:
    """The result of a dialogue whose requests ``send`` answers."""
    try:
        wanted = next(dialogue)
        while True:
            try:
                answer = _answer(wanted, send)
            except Exception as error:
                wanted = dialogue.throw(error)
            else:
                wanted = dialogue.send(answer)
    except StopIteration as done:
        result: Result = done.value
        return result


def _answer(wanted: Any, send: Callable[[Any], Any]) -> Any:
    if isinstance(wanted, Pause):
        time.sleep(wanted.seconds)
        return None
    return send(wanted)


async def hold_later(dialogue: Dialogue[Result], send: Callable[[Any], Awaitable[Any]]) -> Result:
    """``hold`` where sending is awaited; cancelled, it asks nothing more."""
    try:
        wanted = next(dialogue)
        while True:
            sent = asyncio.sleep(wanted.seconds) if isinstance(wanted, Pause) else send(wanted)
            try:
                answer = await sent
            except Exception as error:
                wanted = dialogue.throw(error)
            else:
                wanted = dialogue.send(answer)
    except StopIteration as done:
        result: Result = done.value
        return result


def persist(
    request: Callable[[float], Any],
    read: Callable[[Any], Result],
    again: Callable[[Exception], float | None],
    timeout_s: float,
    retries: int,
) -> Dialogue[Result]:
    """Ask, and ask again where that is safe, all within the time.

    Args:
        request: seconds that are left → what to yield.
        read: its answer → the result; may raise too.
        again: error → the least seconds to wait before asking again; None where the request may
            have been sent, and is not to be.
        retries: repetitions at most.
    """
    end = time.monotonic() + timeout_s
    turn = 0
    while True:
        try:
            return read((yield request(end - time.monotonic())))
        except Exception as error:
            least = again(error) if turn < retries else None
            if least is None:
                raise
            seconds = max(least, FIRST_PAUSE_S * 2**turn)
            if seconds >= end - time.monotonic():
                raise
        turn += 1
        yield Pause(seconds)
