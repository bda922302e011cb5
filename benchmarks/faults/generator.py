"""A load in a process of its own, so that what is measured does not share its interpreter.

with Generator(plan) as generator:
    ...
asked = generator.asked
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import resource
import time
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

import numpy as np
import uvloop

from benchmarks.faults.connection import Asked
from benchmarks.faults.load import Load, Plan
from benchmarks.load.punctual import precedence, wake_on_time, without_pauses
from zoo.contract import LeanzooError

START_TIMEOUT_S = 60.0


class Generator:
    """Asks what a plan says for as long as its ``with`` block lasts.

    Attributes:
        asked: what became of each request; complete after the block.
        cpu_s: processor time that asking took.
    """

    def __init__(self, plan: Plan) -> None:
        self.asked: list[Asked] = []
        self.cpu_s = 0.0
        context = multiprocessing.get_context("spawn")
        self._stop = context.Event()
        self._here, self._there = context.Pipe()
        self._process = context.Process(target=_generate, args=(plan, self._stop, self._there))

    def __enter__(self) -> Self:
        self._process.start()
        self._there.close()  # so that the end of the process ends the pipe
        if not self._here.poll(START_TIMEOUT_S):
            self._process.kill()
            raise LeanzooError(f"the load generator did not start in {START_TIMEOUT_S:g} s")
        self._here.recv()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        try:
            self.asked, self.cpu_s = self._here.recv()
        except EOFError:
            raise LeanzooError("the load generator died: its error stands above") from None
        finally:
            self._process.join()


def ask_for(plan: Plan, seconds: float) -> Generator:
    """Ask for so long; the generator, which has ended."""
    with Generator(plan) as generator:
        time.sleep(seconds)
    return generator


def lag_ms(asked: Sequence[Asked], quantile: float) -> float:
    """How late requests were sent: what the generator itself adds to their latency.

    Those without a free connection waited for a new one, which counts as well.
    """
    late = [max(one.sent_s - one.due_s, 0.0) for one in asked if one.sent_s]
    return round(1e3 * float(np.quantile(late, quantile)), 3) if late else 0.0


def _generate(plan: Plan, stop: Any, there: Connection) -> None:
    """The process: says that it begins, asks until told to stop, hands over what it found."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    wake_on_time()
    stopped = False

    def poll() -> bool:
        return stopped

    async def main() -> Load:
        nonlocal stopped
        asyncio.get_running_loop().set_exception_handler(_die)
        load = Load(plan, poll)
        running = asyncio.create_task(load.run())
        while not stop.is_set():
            await asyncio.sleep(0.02)
        stopped = True
        await running
        return load

    there.send("begun")
    with without_pauses(), precedence() if plan.punctual else contextlib.nullcontext():
        load = uvloop.run(main())
    there.send((load.asked, time.process_time()))


def _die(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An error that nobody awaits ends the process: nothing it found would be worth anything."""
    traceback.print_exception(context.get("exception") or RuntimeError(context["message"]))
    os._exit(1)
