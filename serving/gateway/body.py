"""A request's body: JSON, read within bounds, and its numbers as arrays."""

from __future__ import annotations

from array import array
from collections.abc import Collection
from typing import Any

import numpy as np
import orjson

from serving.gateway.problems import Problem
from zoo.contract import near

MAX_VALUES = 4 << 20  # numbers of one array that is made for a request: 16 MiB of float32
KINDS: dict[type, str] = {  # what JSON has beside numbers
    **{dict: "an object", list: "a list", str: "text", bool: "true or false"},
    type(None): "null",
}


def parse(body: bytes, known: Collection[str]) -> dict[str, Any]:
    """The object that a body holds.

    Args:
        known: the fields that it may have.

    Raises:
        Problem: not JSON, no object, or another field.
    """
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem(400, f"the body is not JSON ({error.msg} at {error.pos})") from None
    if not isinstance(found, dict):
        raise Problem(422, f"the body is {_kind(found)}: expected an object")
    for name in found:
        if name not in known:
            raise Problem(422, f"unknown field '{name:.80}': {near(name[:80], known)}")
    return found


def required(found: dict[str, Any], name: str, kind: type, what: str) -> Any:
    """A field that must be there.

    Args:
        kind: that it must be of.
        what: it is, in words.
    """
    if name not in found:
        raise Problem(422, f"field '{name}' is missing: expected {what}")
    if not isinstance(found[name], kind):
        raise Problem(422, f"field '{name}' is {_kind(found[name])}: expected {what}")
    return found[name]


def whole(found: dict[str, Any], name: str, usual: int | None) -> int | None:
    """A whole number from 1, or ``usual`` where it is left out."""
    value = found.get(name)
    if value is None:
        return usual
    if type(value) is not int or value < 1:
        raise Problem(422, f"field '{name}' is not a whole number from 1")
    return value


def few(values: list[Any], limit: int, name: str, what: str) -> None:
    """Refuse lists that are empty or too long before anything is made of them."""
    if not 1 <= len(values) <= limit:
        raise Problem(422, f"field '{name}' has {len(values)} {what}: expected 1 to {limit:,}")


def numbers(values: Any, name: str, axes: int, missing: bool = False) -> np.ndarray:
    """Nested lists of numbers as an array.

    Args:
        values: the lists.
        name: of the field.
        axes: how deep they must be nested.
        missing: whether null is a number that is missing.

    Raises:
        Problem: other things than numbers, or lists of unequal length.
    """
    _check_kinds(values, name, axes, missing)
    try:
        found = np.array(values)
        if found.dtype == np.dtype(object):  # with nulls, or integers beyond 64 bits
            found = found.astype(np.float64)
    except ValueError:
        raise Problem(422, f"field '{name}' has lists of unequal length, or depth") from None
    except OverflowError:
        raise Problem(422, f"field '{name}' holds a number that is too large") from None
    if found.ndim != axes:
        raise Problem(422, f"field '{name}' has {found.ndim} axes: expected {axes}")
    return found


def floats(values: Any, name: str, axes: int, missing: bool = False) -> np.ndarray:
    """Nested lists of numbers as float32; what is too large becomes infinite."""
    with np.errstate(over="ignore"):
        return numbers(values, name, axes, missing).astype(np.float32)


def rows_of_floats(values: list[Any], name: str, body: bytes) -> np.ndarray:
    """Rows of numbers as float32, in half the time of ``floats`` where all are numbers.

    Args:
        body: that they come from. An array takes true and false for numbers: so a body with one of
            their letters behind its first bracket, which no number has, is looked at one by one.
    """
    start = body.find(b"[")
    if body.find(b"u", start) < 0 and body.find(b"s", start) < 0:
        try:
            rows = [array("d", row) for row in values]
        except TypeError:  # such as a text, of which ``floats`` says where it stands
            return floats(values, name, 2)
        if len(set(map(len, rows))) == 1:
            with np.errstate(over="ignore"):
                flat = np.frombuffer(b"".join(rows)).astype(np.float32)
            return flat.reshape(len(rows), -1)
    return floats(values, name, 2)


def integers(values: Any, name: str, axes: int) -> np.ndarray:
    """Nested lists of whole numbers as int64."""
    found = numbers(values, name, axes)
    if found.dtype.kind == "f" and found.size:
        raise Problem(422, f"field '{name}' holds numbers that are not whole, or too large")
    if found.dtype.kind == "u" and found.size and found.max() > np.iinfo(np.int64).max:
        raise Problem(422, f"field '{name}' holds a number that is too large")
    return found.astype(np.int64)


def _check_kinds(values: Any, name: str, axes: int, missing: bool) -> None:
    """Refuse what is no number before an array is made: one of texts is as wide as the longest.

    Raises:
        Problem: naming what it is.
    """
    if not isinstance(values, list):
        raise Problem(422, f"field '{name}' is {_kind(values)}: expected a list of numbers")
    for kind in _leaves(values, axes) - {int, float}:
        if kind is list:
            raise Problem(422, f"field '{name}' has lists of unequal depth, or too deep")
        if kind is not type(None) or not missing:
            raise Problem(422, f"field '{name}' holds {KINDS[kind]}: expected numbers")


def _leaves(values: list[Any], axes: int) -> set[type]:
    """The types of what stands in nested lists."""
    found = set(map(type, values))
    if axes > 1 and found == {list}:
        return set().union(*(_leaves(one, axes - 1) for one in values))
    return found


def _kind(value: Any) -> str:
    return KINDS.get(type(value), "a number")
