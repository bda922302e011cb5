"""Targets in this process that answer as they are told to."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

from benchmarks.load.target import Done, Target

QUERIES = 9


class Worker:
    """Answers i with 10·i in a thread of its own, in the way in which it is told to.

    Attributes:
        asked: indices, in order.
    """

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.answer: Callable[[int], Any] = lambda index: 10 * index
        self._waiting: queue.SimpleQueue[tuple[int, Done] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()
        self.target = Target("a worker", QUERIES, self.ask, self.send)

    def ask(self, index: int) -> Any:
        self.asked.append(index)
        return self.answer(index)

    def send(self, index: int, done: Done) -> None:
        self.asked.append(index)
        self._waiting.put((index, done))

    def close(self) -> None:
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (one := self._waiting.get()) is not None:
            index, done = one
            try:
                done(self.answer(index))
            except Exception as error:
                done(error)


def refuse_some(index: int) -> int:
    """Answers every query but one."""
    if index == 3:
        raise ValueError("not this one")
    return index
