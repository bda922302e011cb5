"""One value, one string, in Python and in Arrow."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.families.ctr.cells import coded
from zoo.values import canonical

SAME = [
    ("12", ["12", 12, 12.0, " 12 ", "12.0", "12.", b"12", np.int64(12), np.float32(12)]),
    ("0", [0, 0.0, -0.0, "-0", "-0.0", "0.00"]),
    ("-3", [-3, -3.0, "-3.0"]),
    ("0.1", [0.1, "0.1", np.float32(0.1)]),
    ("true", [True, "True", "TRUE", "true", np.True_]),
    ("false", [False, "False"]),
    ("", [None, "", "  ", float("nan"), np.float32("nan"), b""]),
    ("007", ["007", " 007"]),
    ("10000000000000000", [10**16, 1e16, "10000000000000000.0"]),
    ("2024-05-31", [datetime.date(2024, 5, 31), "2024-05-31"]),
    ("7", [decimal.Decimal("7.00"), decimal.Decimal("7")]),
    ("3.5", [decimal.Decimal("3.50"), 3.5]),
    ("1e-05", [decimal.Decimal("0.0000100"), 0.00001]),
    ("12345678901234567890", [decimal.Decimal("12345678901234567890.0"), 12345678901234567890]),
]


@pytest.mark.parametrize(("expected", "values"), SAME, ids=[text for text, _ in SAME])
def test_one_value_is_one_string(expected: str, values: list[Any]) -> None:
    assert {canonical(value) for value in values} == {expected}


@pytest.mark.parametrize(
    ("one", "other"), [("12", "12.5"), ("007", "7"), ("007.0", "7"), ("1e3", "1000"), ("a", "A")]
)
def test_different_values_stay_different(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


def strings_of(column: pa.Array) -> list[str]:
    found = coded(column)
    return [found.values[int(code)].as_py() for code in found.codes]


@given(st.lists(st.text(alphabet="0 1.-\tTRUEtrue\u00a0e+é\n\x1c", max_size=8) | st.none()))
def test_texts_are_the_same_in_arrow(values: list[str | None]) -> None:
    assert strings_of(pa.array(values, pa.string())) == [canonical(v) for v in values]


@given(st.lists(st.floats(width=32) | st.integers(-(2**24), 2**24).map(float) | st.none()))
def test_numbers_are_the_same_in_arrow(values: list[float | None]) -> None:
    assert strings_of(pa.array(values, pa.float64())) == [canonical(v) for v in values]
    narrow = pa.array(values, pa.float32())
    scalars = [None if v is None else np.float32(v) for v in values]
    assert strings_of(narrow) == [canonical(v) for v in scalars]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([3, None, -(2**63), 2**63 - 1]),
        pa.array([True, None, False]),
        pa.array([b"a ", b"\xff", None]),
        pa.array([datetime.date(2024, 5, 31), None]),
        pa.array([datetime.datetime(2024, 5, 31, 1, 2), None], pa.timestamp("us")),
        pa.array([decimal.Decimal("1.50"), None]),
        pa.array(["12.0", "12", None, "x"]).dictionary_encode(),
        pa.array([None, None]),
    ],
    ids=lambda column: str(column.type),
)
def test_other_types_are_the_same_in_arrow(column: pa.Array) -> None:
    assert strings_of(column) == [canonical(value) for value in column.to_pylist()]


@given(st.lists(st.decimals(-(10**9), 10**9, places=4) | st.none()))
def test_decimals_are_the_floats_of_the_same_number(values: list[decimal.Decimal | None]) -> None:
    floats = [None if value is None else float(value) for value in values]
    assert [canonical(value) for value in values] == [canonical(number) for number in floats]
    assert strings_of(pa.array(values, pa.decimal128(20, 4))) == [canonical(v) for v in floats]
