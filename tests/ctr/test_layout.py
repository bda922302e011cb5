"""Fields and the columns they take."""

import json
from typing import Any

import pytest

from zoo.families.ctr.layout import Field, Layout

USER = Field("user", "categorical", "request", 5, 1)
TAGS = Field("tags", "multi", "item", 7, 3)
PRICE = Field("price", "numeric", "item", 0, 0)
LAYOUT = Layout((USER, TAGS, PRICE, Field("item", "categorical", "item", 4, 1)))


def test_columns_and_rows() -> None:
    assert LAYOUT.slots == ("user", "tags", "tags", "tags", "item")
    assert LAYOUT.sizes == (5, 7, 7, 7, 4)
    assert LAYOUT.offsets == (0, 5, 5, 5, 12)
    assert LAYOUT.numerics == ("price",)
    assert LAYOUT.rows == 16
    assert LAYOUT.columns(("item", "price", "tags")) == ([1, 2, 3, 4], [0])


def test_some_fields_keep_their_order() -> None:
    assert LAYOUT.select(("item", "user")).slots == ("user", "item")
    assert LAYOUT.of("item").slots == ("tags", "tags", "tags", "item")
    assert LAYOUT.of("request").offsets == (0,)
    with pytest.raises(ValueError, match="unknown field 'users': expected some of .*'user'"):
        LAYOUT.select(("users",))


def test_json_round_trip() -> None:
    assert Layout.from_dict(json.loads(json.dumps(LAYOUT.to_dict()))) == LAYOUT


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (("a", "text", "item", 5, 1), "field 'a' is text of item"),
        (("a", "categorical", "context", 5, 1), "expected one of .* request, item"),
        (("a", "numeric", "item", 5, 0), "numeric field 'a' has ids"),
        (("a", "categorical", "item", 1, 1), "expected size >= 2 and length >= 1"),
        (("a", "multi", "item", 5, 0), "expected size >= 2 and length >= 1"),
        (("a", "categorical", "item", 5, 2), "categorical field 'a': expected length = 1"),
    ],
)
def test_refused_fields(field: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Field(*field)


@pytest.mark.parametrize("fields", [(), (USER, USER)])
def test_refused_layouts(fields: tuple[Field, ...]) -> None:
    with pytest.raises(ValueError, match="expected at least one, each once"):
        Layout(fields)
