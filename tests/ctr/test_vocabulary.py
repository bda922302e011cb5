"""Ids: frequent values first, padding 0, anything else last."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from zoo.families.ctr import vocabulary as vocabulary_module
from zoo.families.ctr.cells import coded
from zoo.families.ctr.vocabulary import Counter, Vocabulary


def counted(*batches: list[str | None], min_count: int = 1) -> list[str]:
    counter = Counter()
    for batch in batches:
        counter.add(coded(pa.array(batch, pa.string())))
    return counter.most_frequent(min_count).to_pylist()


def test_frequent_values_come_first_and_the_first_seen_among_equals() -> None:
    assert counted(["b", "a", "c", "c"], ["a", "d", "c"]) == ["c", "a", "b", "d"]


def test_equal_counts_keep_the_order_of_the_log_across_batches() -> None:
    assert counted(["z"], ["y"], ["x"], ["y", "x", "z"]) == ["z", "y", "x"]


def test_missing_values_are_no_values() -> None:
    assert counted(["a", "", None, "", " "]) == ["a"]


def test_rare_values_are_left_out() -> None:
    assert counted(["a", "b", "a", "c", "b", "a"], min_count=2) == ["a", "b"]
    assert counted(["a", "b"], min_count=2) == []


def test_the_order_is_that_of_rows_not_of_a_stored_dictionary() -> None:
    counter = Counter()
    stored = pa.DictionaryArray.from_arrays(pa.array([2, 0, 1, 1]), pa.array(["a", "b", "c"]))
    counter.add(coded(stored))
    assert counter.most_frequent(1).to_pylist() == ["b", "c", "a"]


def test_spellings_of_one_value_are_counted_together() -> None:
    assert counted(["12.0", "7", "7", "12", " 12"]) == ["12", "7"]


def test_counts_do_not_depend_on_when_they_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    batches = [(50 * rng.random(40) ** 2).astype(int).astype(str).tolist() for _ in range(30)]
    at_once = counted([value for batch in batches for value in batch])
    monkeypatch.setattr(vocabulary_module, "MERGE_AT", 10)
    assert counted(*batches) == at_once
    numbers, counts = np.unique(np.concatenate(batches), return_counts=True)
    assert sorted(at_once) == sorted(numbers)
    assert [dict(zip(numbers, counts, strict=True))[v] for v in at_once] == sorted(counts)[::-1]


@pytest.fixture
def small() -> Vocabulary:
    return Vocabulary({"user": pa.array(["u7", "é", "12"]), "empty": pa.array([], pa.string())})


def test_ids(small: Vocabulary) -> None:
    asked = pa.array(["12", "u7", "new", "", "é"])
    assert small.encode("user", asked).tolist() == [3, 1, 4, 4, 2]
    assert small.size("user") == 5
    assert small.encode("empty", asked).tolist() == [1] * 5
    assert small.size("empty") == 2


def test_strings_of_ids(small: Vocabulary) -> None:
    assert small.decode("user").tolist() == ["", "u7", "é", "12", ""]


def test_bytes_and_back(small: Vocabulary) -> None:
    data = small.to_bytes()
    assert data == '{"user":["u7","é","12"],"empty":[]}\n'.encode()
    again = Vocabulary.from_bytes(data)
    assert again.to_bytes() == data
    assert again.encode("empty", pa.array(["x"])).tolist() == [1]
