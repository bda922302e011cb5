"""A column of the user's own file as times, whatever they are written like."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from zoo.families.forecast.cells import Column, read_column
from zoo.families.forecast.tabular import cell_error
from zoo.sources import DataError

NAMES = ("date", "time", "datetime", "timestamp", "ds", "ts", "date_time", "day", "month", "year")
EXPECTED = "a time such as 2024-05-31 18:30:00, in every row alike"
ISO = "ISO8601"
DAYS = ("%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y-%m-%d", "%Y/%m/%d", "%b %d, %Y")
CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
FORMATS = (ISO, *(day + clock for day, clock in itertools.product(DAYS, CLOCKS)))
# Of an ISO time; the hyphens of a date alone are none.
OFFSET = r"[0-9]:[0-9]{2}(?::[0-9.]+)?\s*(?P<offset>Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?)$"
GLANCE = 100  # rows, where the first cells may be empty
YEARS = (1500, 2200)
EPOCH = 1e8  # numbers from here on count time since 1970; smaller ones say an order alone
EPOCH_UNITS = ((1e11, 1e6), (1e14, 1e3), (1e17, 1.0), (np.inf, 1e-3))  # below: microseconds each


@dataclass(frozen=True)
class Times:
    """When each row was measured.

    Attributes:
        micros: (rows,) int64, microseconds since 1970; of a mere order, millions of its numbers.
        dated: they are times, not a mere order.
        zoned: they are in UTC; otherwise in a zone that nobody told.
        notes: what was mended.
    """

    micros: np.ndarray
    dated: bool = True
    zoned: bool = False
    notes: list[str] = field(default_factory=list)


def find_times(table: pa.Table) -> str:
    """The column of times, by type, name or first cells; empty where there is none.

    Of several, such as a day and an hour, the one that tells the most rows apart.
    """
    kinds = dict(zip(table.column_names, table.schema.types, strict=True))
    for found in (
        [name for name, kind in kinds.items() if _is_dated(kind)],
        [name for name in kinds if is_time(name)],
        [name for name in kinds if _looks_dated(table[name].slice(0, GLANCE))],
    ):
        if found:
            return max(found, key=lambda name: int(pc.count_distinct(table[name]).as_py()))
    return ""


def is_time(name: str) -> bool:
    """Whether a column is named like one of times."""
    return name.strip().lower() in NAMES


def _is_dated(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def _looks_dated(cells: pa.ChunkedArray) -> bool:
    column = read_column(cells)
    texts = column.cells.drop_null()[:1]
    return column.is_text and pa.types.is_string(texts.type) and bool(_fitting(texts))


def read_times(table: pa.Table, name: str, path: Path) -> Times:
    """The times of rows.

    Raises:
        DataError: a row has no time, or one of another form than the first.
    """
    kind = table.schema.field(name).type
    column = read_column(table[name])
    if column.cells.null_count:
        row = int(np.argmin(pc.is_valid(column.cells).to_numpy(zero_copy_only=False)))
        raise cell_error(path, name, row, "", EXPECTED)
    if _is_dated(kind):
        zone = getattr(kind, "tz", None)
        micros = column.cells.cast(pa.timestamp("us", zone), safe=False).cast(pa.int64())
        return Times(micros.to_numpy(), zoned=zone is not None)
    if column.odd.any():
        return _from_text(column.cells, name, path)
    return _from_numbers(column, name)


def _from_numbers(column: Column, name: str) -> Times:
    """Years, dates such as 20240531, counts since 1970, or a mere order."""
    values = column.values
    whole = bool((values == np.round(values)).all())
    low, high = values.min(), values.max()
    if low >= EPOCH:
        factor = next(factor for limit, factor in EPOCH_UNITS if high < limit)
        return Times((values * factor).round().astype(np.int64), zoned=True)
    is_day = whole and low >= YEARS[0] * 10_000 and high < YEARS[1] * 10_000
    if whole and (is_day or (low >= YEARS[0] and high < YEARS[1])):
        texts = pa.array(values.astype(np.int64).astype(str))
        if (found := _parse(texts, ISO)) is not None:
            return Times(found)
    note = f"column '{name}' has numbers instead of times: taken for the rows' order"
    return Times((values * 1e6).round().astype(np.int64), dated=False, notes=[note])


def _from_text(texts: pa.Array, name: str, path: Path) -> Times:
    if not pa.types.is_string(texts.type):
        raise DataError(
            f"{path}: column '{name}' is of type {texts.type}: expected {EXPECTED}; name another "
            "with --time"
        )
    offsets = pc.struct_field(pc.extract_regex(texts, OFFSET), "offset")
    zoned = pc.is_valid(offsets).to_numpy(zero_copy_only=False)
    if zoned.any() and not zoned.all():
        row = int(np.argmax(zoned != zoned[0]))
        expected = "an offset from UTC as in the rows before" if zoned[0] else "no offset from UTC"
        raise cell_error(path, name, row, texts[row].as_py(), expected)
    notes = []
    if len(pc.unique(offsets)) > 1:
        notes.append(f"column '{name}': times with several offsets from UTC put on UTC")
    forms = _fitting(texts[:1])
    found = {form: micros for form in forms if (micros := _parse(texts, form)) is not None}
    if not found:
        row = _first_wrong(texts, forms[0]) if forms else 0
        raise cell_error(path, name, row, texts[row].as_py(), EXPECTED)
    # Where day and month could change places, the true reading jumps about least.
    form = min(found, key=lambda form: int(np.ptp(found[form])))
    if any((found[form] != other).any() for other in found.values()):
        order = "day/month/year" if form.startswith("%d") else "month/day/year"
        notes.append(f"column '{name}': dates could be read in two ways, and were as {order}")
    return Times(found[form], zoned=bool(zoned.all()), notes=notes)


def join_clock(table: pa.Table) -> tuple[pa.Table, list[str]]:
    """The table with a time of day in its own column joined to the date, and what was mended."""
    names = {name.strip().lower(): name for name in table.column_names}
    if "date" not in names or "time" not in names:
        return table, []
    date, time = names["date"], names["time"]
    if not all(pa.types.is_string(table.schema.field(name).type) for name in (date, time)):
        return table, []
    if not re.match(r"\s*[0-9]{1,2}:[0-9]{2}", table[time][0].as_py() or ""):
        return table, []
    joined = pc.binary_join_element_wise(table[date], table[time], " ")
    place = table.column_names.index(date)
    table = table.set_column(place, date, joined).drop_columns([time])
    return table, [f"columns '{date}' and '{time}' joined"]


def _fitting(texts: pa.Array) -> list[str]:
    """The formats of all texts."""
    return [form for form in FORMATS if _parse(texts, form) is not None]


def _parse(texts: pa.Array, form: str) -> np.ndarray | None:
    """Microseconds since 1970; None where one of the texts is of another form."""
    try:
        found = pd.to_datetime(texts.to_pandas(), format=form, utc=True)
    except ValueError:
        return None
    return found.dt.as_unit("us").astype(np.int64).to_numpy()


def _first_wrong(texts: pa.Array, form: str) -> int:
    """The first text of another form."""
    found = pd.to_datetime(texts.to_pandas(), format=form, utc=True, errors="coerce")
    return int(found.isna().argmax())
