"""Rows at any times, put on a regular grid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from zoo.families.forecast.series import DAY_S
from zoo.sources import DataError

SECOND = 1_000_000  # microseconds
SPARSE = 10  # grid steps per row from which on rows are too uneven for a grid
MONTH_S = 365.25 / 12 * DAY_S  # the mean one
OFF = 0.01  # of a step; a time that is further from the grid is said to be off it


@dataclass(frozen=True)
class Grid:
    """Values on a regular grid.

    Attributes:
        values: (time, channels) float64, NaN where nothing was measured.
        step: seconds, or of a mere order its unit.
        start: microseconds since 1970 of the first row.
        notes: what was mended.
    """

    values: np.ndarray
    step: float
    start: int
    notes: list[str]


def regular(micros: np.ndarray, values: np.ndarray, path: Path, dated: bool = True) -> Grid:
    """Sort rows, take the mean of those at one time, and fill gaps with missing values.

    The step is the median one; of monthly, quarterly and yearly rows it is counted in months.

    Args:
        micros: (rows,) int64, times in microseconds.
        values: (rows, channels) float64.
        path: of the file, for messages.
        dated: they are times, not a mere order.

    Raises:
        DataError: fewer than three times, or times that are on no grid.
    """
    times = np.unique(micros)
    notes = _disorder(micros, times)
    if len(times) < 3:
        raise DataError(
            f"{path} has {len(times)} different time(s): expected three or more; add rows"
        )
    step, slots = _month_slots(times) or _even_slots(times, notes, dated)
    n_slots = int(slots[-1]) + 1
    if n_slots > SPARSE * len(times):
        raise DataError(
            f"{path}: its times are too uneven for a grid: {len(times)} times, most about "
            f"{_step(step, dated)} apart, would have {n_slots} steps; resample the file to even "
            "steps"
        )
    if gaps := n_slots - len(np.unique(slots)):
        notes.append(
            f"{gaps} step(s) of {_step(step, dated)} without a row: filled with missing values"
        )
    means = pd.DataFrame(values).groupby(slots[np.searchsorted(times, micros)]).mean()
    return Grid(means.reindex(range(n_slots)).to_numpy(), step, int(times[0]), notes)


def _disorder(micros: np.ndarray, times: np.ndarray) -> list[str]:
    """What is told of rows that are not one behind the other."""
    notes = []
    if (np.diff(micros) < 0).any():
        notes.append("rows were not in the order of time: sorted")
    if repeated := len(micros) - len(times):
        notes.append(f"{repeated} repeated time stamp(s): their mean was taken")
    return notes


def _even_slots(times: np.ndarray, notes: list[str], dated: bool) -> tuple[float, np.ndarray]:
    """The median step in seconds, and each time's place on the grid from the first time on."""
    step = float(np.median(np.diff(times)))
    place = (times - times[0]) / step
    slots = place.round().astype(np.int64)
    if off := int((np.abs(place - slots) > OFF).sum()):
        notes.append(
            f"{off} time(s) between steps of {_step(step / SECOND, dated)}: moved to the nearest"
        )
    return step / SECOND, slots


def _month_slots(times: np.ndarray) -> tuple[float, np.ndarray] | None:
    """The same of rows that come once in so many months; None where they do not."""
    if np.diff(times).min() < 28 * DAY_S * SECOND:
        return None
    when = pd.DatetimeIndex(times.astype("datetime64[us]"))
    within = times - when.to_period("M").start_time.as_unit("us").asi8
    if not (when.is_month_end.all() or (within == within[0]).all()):
        return None
    months = (when.year * 12 + when.month).to_numpy()
    step = int(np.median(np.diff(months)))
    if ((months - months[0]) % step).any():
        return None
    return step * MONTH_S, (months - months[0]) // step


def _step(step: float, dated: bool) -> str:
    return duration(step) if dated else f"{step:g}"


def duration(seconds: float) -> str:
    """A step in words, such as ``15 min``."""
    months = round(seconds / MONTH_S)
    if months and abs(seconds - months * MONTH_S) < 1:
        number, name = (months // 12, "year") if months % 12 == 0 else (months, "month")
        return f"{number} {name}{'s' * (number > 1)}"
    for unit, name in ((DAY_S, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds / unit:g} {name}"
    return f"{seconds:g} s"
