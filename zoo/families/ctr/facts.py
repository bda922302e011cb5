"""What can be seen of a log's columns in its first rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from zoo.families.ctr.cells import LARGEST_NUMBER, MISSING, clicks, coded, plain
from zoo.families.ctr.log import Place, open_log
from zoo.families.ctr.times import is_dated, to_time
from zoo.sources import DataError
from zoo.values import SPACES

SAMPLE_ROWS = 200_000  # looked at; enough to tell what a column is
SEPARATORS = ("|", ";", ",", " ")
SLASHED = r"\d{1,4}[/.-]\d{1,2}[/.-]\d{1,4}([ T].*)?"  # a date that is not of ISO 8601


@dataclass(frozen=True)
class Facts:
    """One column.

    Attributes:
        name: of the column.
        rows: looked at.
        present: of them with a value.
        distinct: different values; of a list, different entries.
        once: values that stand in one row alone.
        kind: ``list``, ``time``, ``number`` or ``text``; or of no use as it stands: ``date`` (in a
            form that is not understood), ``span`` (a time of day or a duration), ``infinite``
            (numbers, not all of them finite), ``bytes`` (that are no text), ``nested``, or
            ``strange`` (of a type that Arrow cannot count).
        example: the most frequent value.
        separator: of a text that holds several values; empty for one value.
        whole: all numbers are whole.
        low: the least number.
        median: the middle one of all rows.
        high: the greatest one.
    """

    name: str
    rows: int
    present: int
    distinct: int
    once: int
    kind: str
    example: str
    separator: str = ""
    whole: bool = False
    low: float = 0.0
    median: float = 0.0
    high: float = 0.0


def look(path: Path, label: str) -> list[Facts]:
    """The facts of every column but the label.

    Raises:
        DataError: a log that cannot be read, without that label, or with another value in it.
    """
    log = open_log(path)
    if label not in log.columns:
        known = ", ".join(log.columns[:20])
        raise DataError(f"{path} has no column '{label}': name the column of clicks among {known}")
    batches, rows = [], 0
    for start, batch in log.batches(log.columns):
        clicks(batch.column(label), Place(path, label, start))
        batches.append(batch)
        rows += batch.num_rows
        if rows >= SAMPLE_ROWS:
            break
    places = [Place(path, name) for name in log.columns if name != label]
    return [_facts(place, batches) for place in places]


def _facts(place: Place, batches: Sequence[pa.RecordBatch]) -> Facts:
    try:
        column = _column(batches, place)
        if not _is_deep(column.type):
            return _counted(place.column, column)
        kind = "nested"
    except DataError:
        kind = "bytes"
    except pa.ArrowNotImplementedError:
        kind = "strange"
    rows = sum(batch.num_rows for batch in batches)
    return Facts(place.column, rows, present=rows, distinct=rows, once=0, kind=kind, example="")


def _is_deep(kind: pa.DataType) -> bool:
    """Whether a column holds more than a value, or a list of values, per row."""
    if not pa.types.is_nested(kind):
        return False
    no_list = pa.types.is_struct(kind) or pa.types.is_map(kind) or pa.types.is_union(kind)
    return no_list or pa.types.is_nested(kind.value_type)


def _column(batches: Sequence[pa.RecordBatch], place: Place) -> pa.Array:
    """One column of all batches, its text without surrounding spaces."""
    column = pa.concat_arrays([plain(batch.column(place.column), place) for batch in batches])
    return pc.utf8_trim(column, characters=SPACES) if pa.types.is_string(column.type) else column


def _counted(name: str, column: pa.Array) -> Facts:
    if pa.types.is_nested(column.type):
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
        values, present = coded(pc.list_flatten(column)), int((lengths > 0).sum())
    else:
        values = coded(column)
        present = int(values.present.sum())
    counts = pc.value_counts(values.values.take(pa.array(values.codes[values.present])))
    strings, n = counts.field("values"), counts.field("counts").to_numpy()
    example = strings[int(n.argmax())].as_py() if len(n) else ""
    facts = Facts(name, len(column), present, len(n), int((n == 1).sum()), "text", example)
    if not len(n):
        return facts
    return _with_kind(facts, column.type, strings, n)


def _with_kind(
    facts: Facts, stored: pa.DataType, distinct: pa.StringArray, counts: np.ndarray
) -> Facts:
    """These facts, with what the values are."""
    base = {k: getattr(facts, k) for k in ("name", "rows", "present", "distinct", "once")}
    base["example"] = facts.example
    if pa.types.is_nested(stored):
        return Facts(**base, kind="list")
    is_text = pa.types.is_string(stored)
    if is_dated(stored) or (is_text and to_time(distinct) is not None):
        return Facts(**base, kind="time")
    if pa.types.is_temporal(stored):
        return Facts(**base, kind="span")
    said = pc.is_in(pc.utf8_lower(distinct), pa.array(MISSING)).to_numpy(zero_copy_only=False)
    numbers = None if pa.types.is_boolean(stored) else _numbers(distinct.filter(pa.array(~said)))
    if numbers is not None and len(numbers):
        return _of_numbers(base, numbers, counts[~said])
    if pa.types.is_floating(stored) and len(said) > said.sum():
        return Facts(**base, kind="infinite")
    if pc.all(pc.match_substring_regex(distinct, f"^{SLASHED}$")).as_py():
        return Facts(**base, kind="date")
    return Facts(**base, kind="text", separator=_separator(distinct) if is_text else "")


def _of_numbers(base: dict[str, Any], numbers: np.ndarray, counts: np.ndarray) -> Facts:
    """The facts of numbers, each of which stands in ``counts`` rows."""
    base |= {"present": int(counts.sum()), "distinct": len(counts)}
    whole = bool((numbers == np.trunc(numbers)).all())
    order = np.argsort(numbers)
    middle = np.searchsorted(np.cumsum(counts[order]), counts.sum() / 2)
    low, median, high = numbers[order[[0, middle, -1]]].tolist()
    return Facts(**base, kind="number", whole=whole, low=low, median=median, high=high)


def _numbers(distinct: pa.StringArray) -> np.ndarray | None:
    """Distinct values as finite numbers; None where one is none, or a name such as ``007``."""
    if pc.any(pc.match_substring_regex(distinct, r"^-?0[0-9]")).as_py():
        return None
    try:
        found = distinct.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return None
    return found if (np.abs(found) <= LARGEST_NUMBER).all() else None


def _separator(distinct: pa.StringArray) -> str:
    """The separator of texts that are lists: a few words in many combinations."""
    for separator in SEPARATORS:
        if pc.mean(pc.match_substring(distinct, separator).cast(pa.int8())).as_py() < 0.2:
            continue
        words = pc.unique(pc.list_flatten(pc.split_pattern(distinct, separator))).to_pylist()
        plain = all(re.fullmatch(r"[\w'&/+.-]*", word.strip()) for word in words)
        if 2 * len(words) <= len(distinct) and (plain or separator != " "):
            return separator
    return ""
