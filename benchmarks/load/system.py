"""A target as LoadGen sees it: it is given samples, and says when each is complete.

LoadGen calls from a thread of its own, and an exception there would end the process; so whatever a
target raises becomes the answer, and every sample is completed once, whoever comes first: the
target, or whoever loses patience with it.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

import mlperf_loadgen as lg

from benchmarks.load.target import Target
from zoo.contract import LeanzooError


class Sample(Protocol):
    """A query as LoadGen issues it."""

    id: int
    index: int


class NoAnswer(LeanzooError):
    """A query was given up."""


class System:
    """Asks a target what LoadGen issues; queries are numbered in that order.

    Args:
        target: what to ask.
        in_flight: most queries that ``send`` has sent at a time; 0 for as many as are issued.

    Attributes:
        indices: of the queries, by number.
        issued_ns: when each was issued, by ``time.perf_counter_ns``.
        done_ns: when each was answered.
        answers: of each, or the Exception.
    """

    def __init__(self, target: Target, in_flight: int = 0) -> None:
        self.target = target
        self.indices: list[int] = []
        self.issued_ns: list[int] = []
        self.done_ns: list[int] = []
        self.answers: list[Any] = []
        self._open: dict[int, int] = {}  # number → LoadGen's id
        self._numbers = itertools.count()
        self._given_up = ""
        self._room = threading.Semaphore(in_flight) if in_flight else None

    @property
    def failure(self) -> str:
        """What the first query that failed failed by, in one line; empty where none did."""
        for answer in self.answers:
            if isinstance(answer, Exception):
                return " ".join(f"{type(answer).__name__}: {answer}".split())
        return ""

    def ask(self, samples: Sequence[Sample]) -> None:
        """Ask one after the other."""
        for sample in samples:
            number = self._begin(sample)
            try:
                answer = self.target.ask(sample.index)
            except Exception as error:
                answer = error
            self._finish(number, answer)

    def send(self, samples: Sequence[Sample]) -> None:
        """Ask without waiting for answers."""
        assert self.target.send is not None
        for sample in samples:
            if self._room is not None:
                self._room.acquire()
            number = self._begin(sample)
            try:
                self.target.send(sample.index, partial(self._finish, number))
            except Exception as error:
                self._finish(number, error)

    def give_up(self, why: str) -> None:
        """Complete what is open, and all that is issued from now on, as failed."""
        self._given_up = why
        for number in [*self._open]:
            self._finish(number, NoAnswer(why))

    def _begin(self, sample: Sample) -> int:
        number = next(self._numbers)
        self.indices.append(sample.index)
        self.answers.append(None)
        self.done_ns.append(0)
        self._open[number] = sample.id
        self.issued_ns.append(time.perf_counter_ns())
        if self._given_up:
            self._finish(number, NoAnswer(self._given_up))
        return number

    def _finish(self, number: int, answer: Any) -> None:
        now_ns = time.perf_counter_ns()
        sample = self._open.pop(number, None)
        if sample is None:  # it was given up, or answered twice
            return
        self.done_ns[number] = now_ns
        self.answers[number] = answer
        lg.QuerySamplesComplete([lg.QuerySampleResponse(sample, 0, 0)])
        if self._room is not None:
            self._room.release()
