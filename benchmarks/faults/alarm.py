"""Wakes a coroutine at a time, to microseconds.

Event loops round their timers to milliseconds, which is more than a model takes.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from typing import Self

CLOCK_MONOTONIC, ABSOLUTE = 1, 1  # of timerfd_create and timerfd_settime
FLAGS = os.O_NONBLOCK | os.O_CLOEXEC
NS = 1_000_000_000


_Times = ctypes.c_long * 4  # itimerspec: interval and time, each as seconds and nanoseconds


class Alarm:
    """A timer of the kernel, in the running event loop for as long as the ``with`` block lasts."""

    def __enter__(self) -> Self:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._file = self._libc.timerfd_create(CLOCK_MONOTONIC, FLAGS)
        if self._file < 0:
            raise OSError(ctypes.get_errno(), "no timer")
        self._loop = asyncio.get_running_loop()
        self._rung: asyncio.Future[None] | None = None
        self._loop.add_reader(self._file, self._ring)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.remove_reader(self._file)
        os.close(self._file)

    async def wait_until(self, at_s: float) -> None:
        """Return when ``time.monotonic`` says so."""
        self._rung = self._loop.create_future()
        self._libc.timerfd_settime(self._file, ABSOLUTE, _once(at_s), None)
        await self._rung

    def _ring(self) -> None:
        os.read(self._file, 8)
        if self._rung is not None and not self._rung.done():
            self._rung.set_result(None)


def _once(at_s: float) -> ctypes.Array[ctypes.c_long]:
    return _Times(0, 0, *divmod(max(1, round(at_s * NS)), NS))
