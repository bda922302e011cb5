"""Bodies: JSON of any kind becomes arrays, or is refused."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.gateway import body
from serving.gateway.problems import Problem

NUMBERS = st.one_of(
    st.integers(-(1 << 63), (1 << 64) - 1),
    st.integers(-100, 100),
    st.floats(allow_nan=False, allow_infinity=False),
)
LEAVES = st.one_of(NUMBERS, st.none(), st.booleans(), st.text(max_size=3))
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=12,
)
TABLES = st.integers(0, 4).flatmap(
    lambda width: st.lists(st.lists(NUMBERS, min_size=width, max_size=width), max_size=4)
)


def outcome(make: Callable[[], Any]) -> tuple[Any, Problem | None]:
    """What is made, or why it is refused; any other error is raised."""
    try:
        return make(), None
    except Problem as problem:
        return None, problem


@given(values=st.one_of(JSON, TABLES), axes=st.integers(1, 3), missing=st.booleans())
def test_nothing_but_problems(values: Any, axes: int, missing: bool) -> None:
    makers: list[Callable[[], np.ndarray]] = [
        lambda: body.numbers(values, "x", axes, missing),
        lambda: body.floats(values, "x", axes, missing),
        lambda: body.integers(values, "x", axes),
    ]
    for make, kinds in zip(makers, ("iuf", "f", "i"), strict=True):
        array, problem = outcome(make)
        if problem is None:
            assert array.ndim == axes and array.dtype.kind in kinds
        else:
            assert problem.status == 422 and "'x'" in problem.detail


@given(rows=TABLES.filter(len))
def test_numbers_stay_what_they_were(rows: list[list[float]]) -> None:
    array = body.numbers(rows, "x", 2)
    assert array.shape == (len(rows), len(rows[0]))
    assert array.tolist() == np.array(rows, array.dtype).tolist()
    expected = np.clip(np.array(rows, np.float64), -1e300, 1e300)
    with np.errstate(over="ignore"):
        assert (body.floats(rows, "x", 2) == expected.astype(np.float32)).all()


ROWS = st.lists(
    st.one_of(st.lists(LEAVES, max_size=3), LEAVES, st.just({})), min_size=1, max_size=3
)


@given(rows=st.one_of(ROWS, TABLES.filter(len)), top=st.sampled_from([None, 3, True]))
def test_rows_that_are_read_fast_are_the_same(rows: list[Any], top: Any) -> None:
    raw = orjson.dumps({"top": top, "features": rows})
    rows = orjson.loads(raw)["features"]
    slow, refused = outcome(lambda: body.floats(rows, "features", 2))
    fast, problem = outcome(lambda: body.rows_of_floats(rows, "features", raw))
    if refused is None:
        assert problem is None and np.array_equal(fast, slow) and fast.dtype == np.float32
    else:
        assert problem is not None or fast.size == 0  # of which every model refuses the shape


@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1), min_size=1))
def test_whole_numbers_are_exact(values: list[int]) -> None:
    assert body.integers(values, "x", 1).tolist() == values


@given(st.lists(st.one_of(st.none(), st.integers(-9, 9)), min_size=1))
def test_null_is_missing_where_it_may_be(values: list[int | None]) -> None:
    array = body.floats(values, "x", 1, missing=True)
    assert [None if np.isnan(v) else int(v) for v in array] == values
    if None in values:
        with pytest.raises(Problem, match="holds null: expected numbers"):
            body.floats(values, "x", 1)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ("text", "is text: expected a list"),
        (None, "is null: expected a list"),
        (3, "is a number: expected a list"),
        ({}, "is an object: expected a list"),
        (["1.5"], "holds text"),
        ([1.5, "1.5"], "holds text"),
        ([True], "holds true or false"),
        ([1.5, True], "holds true or false"),
        ([{}], "holds an object"),
        ([[1]], "too deep"),
        ([1, [2]], "unequal depth"),
    ],
)
def test_what_is_no_number_is_named(values: Any, why: str) -> None:
    with pytest.raises(Problem, match=f"field 'x' .*{why}"):
        body.numbers(values, "x", 1)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([], "has 1 axes: expected 2"),
        ([1], "has 1 axes: expected 2"),
        ([[1], [1, 2]], "lists of unequal length"),
        ([[1], 2], "unequal depth"),
        ([[[1]]], "too deep"),
        ([[1 << 2000]], "too large"),
    ],
)
def test_tables_are_rectangular(values: Any, why: str) -> None:
    with pytest.raises(Problem, match=why):
        body.floats(values, "x", 2)


@pytest.mark.parametrize("values", [[1.0], [0.5], [1 << 63], [-1, 1 << 63], [1 << 70]])
def test_ids_are_whole_and_of_64_bits(values: list[float]) -> None:
    with pytest.raises(Problem, match="not whole, or too large|too large"):
        body.integers(values, "x", 1)


def test_one_long_text_makes_no_wide_array() -> None:
    values = ["a" * 100_000, *range(1000)]
    tracemalloc.start()
    with pytest.raises(Problem, match="holds text"):
        body.numbers(values, "x", 1)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1 << 20  # numpy would make 4 bytes of each letter for each number


@given(JSON)
def test_bodies_are_objects_of_known_fields(value: Any) -> None:
    found, problem = outcome(lambda: body.parse(orjson.dumps(value), ("a", "b")))
    if isinstance(value, dict) and {"a", "b"}.issuperset(value):
        assert found == value
    else:
        assert problem is not None and problem.status == 422


@given(st.binary(max_size=40))
def test_any_bytes_are_json_or_not(raw: bytes) -> None:
    _, problem = outcome(lambda: body.parse(raw, ()))
    assert problem is None or (problem.status in (400, 422) and "\n" not in problem.detail)


def test_an_unknown_field_is_named_with_its_likes() -> None:
    with pytest.raises(Problem, match="unknown field 'feature': did you mean features") as caught:
        body.parse(b'{"feature": []}', ("features", "top"))
    assert caught.value.status == 422
    with pytest.raises(Problem) as caught:
        body.parse(orjson.dumps({"x\n" * 10_000: 1}), ("features",))
    assert len(caught.value.detail) < 300 and "\n" not in caught.value.detail
    assert len(Problem(422, "x" * 1000).detail) == 500


@pytest.mark.parametrize("value", [0, -1, 1.0, 1.5, "3", True, [1]])
def test_whole(value: Any) -> None:
    with pytest.raises(Problem, match="'top' is not a whole number from 1"):
        body.whole({"top": value}, "top", 3)
    assert body.whole({}, "top", 3) == body.whole({"top": None}, "top", 3) == 3
    assert body.whole({"top": 7}, "top", 3) == 7


def test_required_and_few() -> None:
    with pytest.raises(Problem, match="'rows' is missing: expected a list"):
        body.required({}, "rows", list, "a list")
    with pytest.raises(Problem, match="'rows' is text: expected a list"):
        body.required({"rows": "a"}, "rows", list, "a list")
    for values in ([], [0] * 5):
        with pytest.raises(Problem, match=f"'rows' has {len(values)} rows: expected 1 to 4"):
            body.few(values, 4, "rows", "rows")
    body.few([0] * 4, 4, "rows", "rows")
