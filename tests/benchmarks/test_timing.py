"""Turns: who is asked what, in which order."""

import time

import numpy as np

from benchmarks.timing import BLOCK, DROPPED, affordable, interleave


def test_turns_go_abba() -> None:
    calls: list[str] = []
    queries = [np.array([k]) for k in range(4)]
    took = interleave([lambda _: calls.append("a"), lambda _: calls.append("b")], queries, block=1)
    assert "".join(calls) == "abbaabba"
    assert took.shape == (2, 4)
    assert (took > 0).all()


def test_first_calls_of_a_turn_are_dropped() -> None:
    calls: list[int] = []
    queries = [np.array([k]) for k in range(BLOCK + 5)]
    interleave([lambda ids: calls.append(int(ids[0]))], queries)
    assert len(calls) == len(queries) + 2 * DROPPED
    assert calls[DROPPED : DROPPED + BLOCK] == list(range(BLOCK))


def test_affordable_counts_all_callables() -> None:
    queries = [np.array([0])] * 3
    slow = lambda _: time.sleep(0.002)  # noqa: E731
    assert affordable([slow], queries, 60) > affordable([slow] * 8, queries, 60)
