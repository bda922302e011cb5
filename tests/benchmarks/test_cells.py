"""Cells: rounds, what is afforded, what is left out, ratios over rounds."""

import numpy as np
import pytest

from benchmarks.intervals import ratio_of_rounds
from benchmarks.ladder.cells import Budget, Cell, distinct_queries, time_round, too_slow
from benchmarks.timing import Ask

BUDGET = Budget(cell_s=0.0, most=10, longest_s=0.5, rounds=2)
QUERIES = [np.array([0]), np.array([1])]


def counting(asked: dict[str, int], role: str) -> Ask:
    def ask(ids: np.ndarray) -> np.ndarray:
        asked[role] = asked.get(role, 0) + 1
        return ids

    return ask


def test_a_round_adds_an_array_for_every_role() -> None:
    cell, asked = Cell(), {}
    asks = {role: counting(asked, role) for role in ("teacher", "student", "identity")}
    for _ in range(BUDGET.rounds):
        time_round(cell, asks, QUERIES, BUDGET)
    assert {role: len(rounds) for role, rounds in cell.paired.items()} == dict.fromkeys(asks, 2)
    assert all(len(samples) == 2 for rounds in cell.paired.values() for samples in rounds)
    assert cell.more == {}  # no time was left for the fast ones


def test_the_fast_ones_answer_more_where_the_slowest_takes_all_the_time() -> None:
    cell = Cell()

    def slow(ids: np.ndarray) -> None:
        np.linalg.svd(np.ones((300, 300)))

    time_round(cell, {"teacher": slow, "student": lambda ids: ids}, QUERIES, Budget(0.05, 50, 1, 1))
    assert len(cell.samples("student")) == 50 > len(cell.samples("teacher"))
    assert len(cell.paired["student"][0]) == len(cell.paired["teacher"][0])


def test_what_would_take_too_long_is_not_asked() -> None:
    assert too_slow(499.0, BUDGET) == ""
    assert too_slow(2000.0, BUDGET) == "a query takes about 2 s: at most 0.5 s are asked"


def test_as_many_queries_as_can_be_kept() -> None:
    assert distinct_queries(1) == 100
    assert distinct_queries(20_000_000) == 3
    assert distinct_queries(10**10) == 1


def test_a_ratio_of_rounds_has_the_spread_of_rounds() -> None:
    slow = [np.full(9, at) for at in (10.0, 20.0, 40.0)]
    found = ratio_of_rounds(slow, [np.full(9, 2.0)] * 3)
    assert found.value == pytest.approx(10.0)  # the geometric mean of 5, 10 and 20
    assert found.low < 5 < 20 < found.high
    same = ratio_of_rounds([np.full(9, 6.0)] * 3, [np.full(9, 2.0)] * 3)
    assert (same.low, same.value, same.high) == pytest.approx((3, 3, 3))


def test_a_single_round_has_the_spread_of_its_queries() -> None:
    slow = np.array([1.0, 2.0, 3.0, 4.0])
    found = ratio_of_rounds([slow], [np.ones(4)])
    assert found.low < found.value == 2.5 < found.high


def test_who_was_not_asked_took_no_time() -> None:
    assert Cell(paired={"teacher": [np.ones(3)]}).mean_ms("student") == 0.0
