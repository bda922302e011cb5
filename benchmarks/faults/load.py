"""Asks an HTTP server at scheduled times, or as fast as it answers, and judges every answer.

open loop     requests are due at a rate, evenly or at random, whatever became of those before;
              latency counts from then, so that a server that stalls is charged for all that waited
closed loop   so many clients, each of which asks again when it is answered

Connections are kept alive and taken in turns; where none is free one more is opened.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.faults.alarm import Alarm
from benchmarks.faults.connection import Asked, Connection
from benchmarks.faults.questions import Question

SWEEP_S = 0.1  # between looks for requests that hang
MOST_CONNECTIONS = 4000
MOST_IDLE_S = 2.0  # of a connection: a server that closes one may do so as a request arrives
UP_BEFORE_S = 100e-6  # a virtual machine's timers ring up to 50 µs late
OPENED = 8  # connections of a punctual generator, before it begins
LOT = 16  # of late requests that are sent before answers are read


@dataclass(frozen=True)
class Plan:
    """What to ask.

    Attributes:
        host, port: of the server.
        questions: asked in turns.
        rate: requests per second; 0 for a closed loop.
        clients: of a closed loop.
        timeout_s: after which a request counts as hanging.
        judged: of so many answers one is compared with what is known, the others by status alone.
        seed: of random (Poisson) arrivals; None for even ones.
        punctual: precede other processes, where latency at a rate is measured.
    """

    host: str
    port: int
    questions: tuple[Question, ...]
    rate: float
    clients: int = 0
    timeout_s: float = 10.0
    judged: int = 1
    seed: int | None = None
    punctual: bool = False


def arrivals(rate: float, seed: int | None) -> Iterator[float]:
    """When requests are due, in seconds from the first.

    Args:
        rate: requests per second.
        seed: of random ones; None for even ones.
    """
    if seed is None:
        yield from (number / rate for number in itertools.count())
    rng, due_s = np.random.default_rng(seed), 0.0
    while True:
        yield due_s
        due_s += rng.exponential(1 / rate)


class Load:
    """Asks the questions of a plan; ``asked`` holds what became of each request.

    Args:
        plan: what to ask.
        stop: whether to ask nothing more.
    """

    def __init__(self, plan: Plan, stop: Callable[[], bool]) -> None:
        self.plan = plan
        self.stop = stop
        self.asked: list[Asked] = []
        self._pending = 0
        self._idle: deque[Connection] = deque()
        self._busy: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._heads = [_head(plan.host, question) for question in plan.questions]

    async def run(self) -> None:
        """Ask until told to stop, then wait for what is still to be answered."""
        sweep = asyncio.create_task(self._sweep())
        if self.plan.rate:
            await self._scheduled()
        for _ in range(0 if self.plan.rate else self.plan.clients):
            self._ask(time.monotonic())
        while (self._pending or not self.stop()) and not sweep.done():
            await asyncio.sleep(0.005)
        sweep.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sweep
        for connection in self._idle:
            connection.transport.abort()

    async def _scheduled(self) -> None:
        if self.plan.punctual:
            await self._open_some()
        began_s = time.monotonic()
        with Alarm() as alarm:
            for number, after_s in enumerate(arrivals(self.plan.rate, self.plan.seed)):
                due_s = began_s + after_s
                if due_s > time.monotonic():
                    await self._wait(alarm, due_s)
                elif number % LOT == 0:
                    await asyncio.sleep(0)
                if self.stop():
                    return
                self._ask(due_s)

    async def _wait(self, alarm: Alarm, due_s: float) -> None:
        """Sleep until a request is due; a punctual generator is up before, and reads answers."""
        await alarm.wait_until(due_s - (UP_BEFORE_S if self.plan.punctual else 0))
        while time.monotonic() < due_s:
            await asyncio.sleep(0)

    def _ask(self, due_s: float) -> None:
        number = len(self.asked)
        one = Asked(number, number % len(self.plan.questions), due_s)
        self.asked.append(one)
        while self._idle:
            connection = self._idle.popleft()
            if not connection.transport.is_closing():
                self._send(connection, one)
                return
        if len(self._busy) + len(self._tasks) >= MOST_CONNECTIONS:
            one.done_s, one.fault = time.monotonic(), "unsent: too many connections are busy"
            return
        task = asyncio.create_task(self._connect(one))
        self._tasks.add(task)
        self._pending += 1
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, one: Asked) -> None:
        try:
            async with asyncio.timeout(self.plan.timeout_s):
                connection = await self._open()
        except (OSError, TimeoutError) as error:
            one.done_s, one.fault = time.monotonic(), f"refused: {error or 'no connection in time'}"
        else:
            self._send(connection, one)
        finally:
            self._pending -= 1

    async def _open(self) -> Connection:
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(self._answered, time.monotonic), self.plan.host, self.plan.port
        )
        return connection

    async def _open_some(self) -> None:
        """Have connections before the first request is due, so that few wait for one."""
        with contextlib.suppress(OSError):  # requests will tell
            for _ in range(OPENED):
                connection = await self._open()
                connection.answered_s = time.monotonic()
                self._idle.append(connection)

    def _send(self, connection: Connection, one: Asked) -> None:
        body = self.plan.questions[one.question].body
        self._pending += 1
        self._busy.add(connection)
        connection.send(
            one, b"%b%b\r\n\r\n%b" % (self._heads[one.question], one.key.encode(), body)
        )

    def _answered(self, connection: Connection, body: bytes, fault: str) -> None:
        one = connection.asked
        assert one is not None
        connection.asked = None
        self._pending -= 1
        self._busy.discard(connection)
        one.fault = fault
        if not fault and (one.status != 200 or one.number % self.plan.judged == 0):
            question = self.plan.questions[one.question]
            one.version, one.fault = question.fault(one.status, body)
        if not fault and not one.closing:
            self._idle.append(connection)
        if not self.plan.rate and not self.stop():
            asyncio.get_running_loop().call_soon(self._ask, time.monotonic())

    async def _sweep(self) -> None:
        """Give up on requests that hang, and close connections before the server might."""
        while True:
            await asyncio.sleep(SWEEP_S)
            now_s = time.monotonic()
            for connection in [*self._busy]:
                one = connection.asked
                if one is not None and one.sent_s < now_s - self.plan.timeout_s:
                    connection.give_up(f"hung: no answer in {self.plan.timeout_s:g} s")
            while self._idle and self._idle[0].answered_s < now_s - MOST_IDLE_S:
                self._idle.popleft().transport.close()


def _head(host: str, question: Question) -> bytes:
    """A request's head, up to its key."""
    return (
        f"POST {question.path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(question.body)}\r\nX-Request-Key: "
    ).encode()
