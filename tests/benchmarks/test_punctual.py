"""Punctual generators: what is asked of the kernel, and that it is taken back."""

from __future__ import annotations

import ctypes
import gc
import os
import threading

import pytest

from benchmarks.load.punctual import precedence, wake_on_time, without_pauses

GET_TIMER_SLACK = 30  # PR_GET_TIMERSLACK of prctl


def test_all_threads_precede_and_fall_back(monkeypatch: pytest.MonkeyPatch) -> None:
    policies: dict[int, list[int]] = {}
    monkeypatch.setattr(
        os,
        "sched_setscheduler",
        lambda thread, policy, _: policies.setdefault(thread, []).append(policy),
    )
    end = threading.Event()
    before = threading.Thread(target=end.wait)
    before.start()
    with precedence():
        started = threading.Thread(target=end.wait)  # which inherits what the kernel was asked
        started.start()
    assert before.native_id is not None and started.native_id is not None
    assert policies[before.native_id] == [os.SCHED_FIFO, os.SCHED_OTHER]
    assert policies[threading.get_native_id()] == [os.SCHED_FIFO, os.SCHED_OTHER]
    assert policies[started.native_id] == [os.SCHED_OTHER]
    end.set()
    before.join()
    started.join()


def test_precedence_that_is_refused_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    with precedence():
        assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_timers_of_a_thread_ring_when_they_are_due() -> None:
    found = []

    def measure() -> None:
        wake_on_time()
        found.append(ctypes.CDLL(None).prctl(GET_TIMER_SLACK, 0, 0, 0, 0))

    thread = threading.Thread(target=measure)
    thread.start()
    thread.join()
    assert found == [1]


def test_garbage_is_left_alone_meanwhile() -> None:
    with without_pauses():
        assert gc.get_freeze_count() > 1000
    assert gc.get_freeze_count() == 0
