"""Series in a file of the user's own: one column per channel, or long, with an id per row.

    date,load,heat                 time,id,value
    2024-01-01 00:00,41,2.5        2024-01-01 00:00,load,41
    2024-01-01 01:00,,2.7          2024-01-01 00:00,heat,2.5

What can be mended is mended and said in ``Series.repairs``; anything else is a DataError.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from zoo.contract import near
from zoo.families.forecast.cells import Column, mend, read_column
from zoo.families.forecast.grid import regular
from zoo.families.forecast.series import Series
from zoo.families.forecast.tabular import cell_error, read_table
from zoo.families.forecast.times import Times, find_times, is_time, join_clock, read_times
from zoo.sources import DataError
from zoo.values import SPACES

LICENCE = "the user's own"
IDS = ("id", "unique_id", "item_id", "series_id", "sensor_id", "series")
SHARED = 1.5  # rows per time from which on several series must stand below each other
NAMED = 3  # columns in a note


@dataclass(frozen=True)
class Rows:
    """What was measured when.

    Attributes:
        channels: names.
        values: (rows, channels) float64, NaN where missing.
        micros: (rows,) int64, times in microseconds; None where the file has none.
    """

    channels: list[str]
    values: np.ndarray
    micros: np.ndarray | None


def read_file(path: Path, time: str = "", columns: Sequence[str] = ()) -> Series:
    """The series in a file, on a regular grid.

    Args:
        path: ending in .csv, .csv.gz, .parquet or .pq.
        time: the column of times; found by its type, name or content if empty.
        columns: those to forecast, or the one of values in a long file; all with numbers if empty.

    Raises:
        DataError: the file is at fault, or lacks a column.
    """
    table, notes = read_table(path)
    if not time:
        table, joined = join_clock(table)
        notes += joined
    for name in ([time] if time else []) + list(columns):
        if name not in table.column_names:
            hint = near(name, table.column_names)
            raise DataError(f"{path} has no column '{name}': {hint}")
    named, time = bool(time), time or find_times(table)
    if time in columns:
        raise DataError(f"{path}: '{time}' is the column of times: leave it out of the others")
    times = read_times(table, time, path) if time else None
    notes += times.notes if times else ["no column of times: rows taken as evenly spaced"]
    rows = _rows(path, table.drop_columns([time] if time else []), columns, times, notes)
    if not named and rows.micros is not None:
        _check_mixed(path, time, rows.micros, rows.values)
    rows = _with_values(path, rows, columns, notes)
    return _on_grid(path, rows, times, notes)


def _on_grid(path: Path, rows: Rows, times: Times | None, notes: list[str]) -> Series:
    name, channels = path.name, tuple(rows.channels)
    if times is None or rows.micros is None:
        values = rows.values.astype(np.float32)
        return Series(name, values, channels, 0.0, "", LICENCE, tuple(notes))
    grid = regular(rows.micros, rows.values, path, times.dated)
    values = grid.values.astype(np.float32)
    start = str(np.datetime64(grid.start, "us").astype("datetime64[s]"))
    start += "+00:00" if times.zoned else ""
    step_s, start = (grid.step, start) if times.dated else (0.0, "")
    return Series(name, values, channels, step_s, start, LICENCE, (*notes, *grid.notes))


def _rows(
    path: Path, table: pa.Table, columns: Sequence[str], times: Times | None, notes: list[str]
) -> Rows:
    """A table's numbers, one column per channel."""
    cells = {name: read_column(table[name]) for name in table.column_names}
    key = _key(cells, columns, times)
    asked = columns or [name for name in cells if name != key]
    numbers = _numbers(path, {name: cells[name] for name in asked}, columns, notes)
    if times is None:
        return Rows(list(numbers), np.stack(list(numbers.values()), axis=1), None)
    if not key:
        return Rows(list(numbers), np.stack(list(numbers.values()), axis=1), times.micros)
    if len(numbers) > 1:
        raise DataError(
            f"{path} has several series below each other (column '{key}') and several columns of "
            f"values ({_listed(numbers)}): choose one with --columns"
        )
    (values,) = numbers.values()
    return _long(path, key, table[key], times.micros, values, notes)


def _key(cells: Mapping[str, Column], columns: Sequence[str], times: Times | None) -> str:
    """The column that says whose value a row is, of a long file; empty where there is none."""
    if times is None:
        return ""
    shared = len(times.micros) >= SHARED * len(np.unique(times.micros))
    free = {name: column for name, column in cells.items() if name not in columns}
    for name, column in free.items():
        if name.strip().lower() in IDS and (shared or column.is_text):
            return name
    texts = [name for name, column in free.items() if column.is_text and not is_time(name)]
    return texts[0] if shared and len(texts) == 1 else ""


def _check_mixed(path: Path, time: str, micros: np.ndarray, values: np.ndarray) -> None:
    """Refuse several series that nothing tells apart: their mean would be none of them."""
    rows = len(pd.DataFrame(values).assign(time=micros).drop_duplicates())
    if rows >= SHARED * (times := len(np.unique(micros))):
        raise DataError(
            f"{path} has {rows:,} different rows at {times:,} times: expected one per time, or a "
            f"column called {IDS[0]} that says whose each is; add it, put the whole time in one "
            f"column, or take the mean of each time with --time {time}"
        )


def _numbers(
    path: Path, cells: Mapping[str, Column], columns: Sequence[str], notes: list[str]
) -> dict[str, np.ndarray]:
    """The columns with numbers, mended."""
    found, texts = {}, []
    for name, column in cells.items():
        if column.is_text and name not in columns:
            texts.append(name)
            continue
        if column.odd.any():
            row = int(np.argmax(column.odd))
            expected = "a number, or an empty cell where it is missing"
            raise cell_error(path, name, row, column.cells[row].as_py(), expected)
        found[name], mended = mend(name, column.values)
        notes += mended
    if texts:
        text = cells[texts[0]]
        example = str(text.cells[int(np.argmax(text.odd))].as_py())[:20]
        notes.append(f"no numbers in {_listed(texts)} (such as {example!r}): left out")
    if not found:
        like = f" (such as {example!r})" if texts else ""
        raise DataError(
            f"{path} has no column of numbers: expected one for each series, with points for "
            f"decimals; found {_listed(cells) + like if cells else 'times alone'}"
        )
    return found


def _long(
    path: Path,
    key: str,
    names: pa.ChunkedArray,
    micros: np.ndarray,
    values: np.ndarray,
    notes: list[str],
) -> Rows:
    """One channel for each value of the key, in their order in the file."""
    ids = pc.utf8_trim(names.combine_chunks().cast(pa.string()), characters=SPACES)
    empty = pc.fill_null(pc.equal(ids, ""), True).to_numpy(zero_copy_only=False)
    if empty.any():
        raise cell_error(path, key, int(np.argmax(empty)), "", "the name of a series")
    frame = pd.DataFrame({"time": micros, "id": ids.to_pandas(), "value": values})
    means = frame.groupby(["time", "id"])["value"].mean()
    if repeated := len(frame) - len(means):
        notes.append(f"{repeated} repeated time stamp(s) of one series: their mean was taken")
    wide = means.unstack("id")[list(pd.unique(frame["id"]))]
    notes.append(f"{wide.shape[1]} series below each other, told apart by column '{key}'")
    return Rows([str(name) for name in wide], wide.to_numpy(), wide.index.to_numpy())


def _with_values(path: Path, rows: Rows, columns: Sequence[str], notes: list[str]) -> Rows:
    """Without the channels that never have a value; those that never change are told."""
    known = ~np.isnan(rows.values)
    empty = [name for name, any_ in zip(rows.channels, known.any(0), strict=True) if not any_]
    asked = [name for name in empty if name in columns]
    if asked or len(empty) == len(rows.channels):
        raise DataError(
            f"{path}: {_listed(asked or empty)} without any value: expected numbers; name other "
            "columns with --columns"
        )
    if empty:
        notes.append(f"no value in {_listed(empty)}: left out")
    kept = [k for k, name in enumerate(rows.channels) if name not in empty]
    names, values = [rows.channels[k] for k in kept], rows.values[:, kept]
    still = np.nanmin(values, axis=0) == np.nanmax(values, axis=0)
    if still.any():
        listed = _listed(name for name, same in zip(names, still, strict=True) if same)
        notes.append(f"one and the same value throughout in {listed}: kept")
    return Rows(names, values, rows.micros)


def _listed(names: Iterable[str]) -> str:
    quoted = [f"'{name}'" for name in names]
    more = f" and {len(quoted) - NAMED} more" if len(quoted) > NAMED else ""
    return f"{'column' if len(quoted) == 1 else 'columns'} {', '.join(quoted[:NAMED])}{more}"
