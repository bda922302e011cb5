"""A series with its parts: training, validation and test rows, in the order of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from zoo.families.forecast.series import Series
from zoo.families.forecast.windows import Windows
from zoo.sources import DataError

PARTS = ("train", "val", "test")
SPLIT = (0.6, 0.2, 0.2)


@dataclass(frozen=True, eq=False)
class Table:
    """A series with its parts.

    Attributes:
        series: the values, their channels, step and period.
        borders: rows before the end of train, of val and of test.
        center, scale: (channels,) float32, mean and standard deviation of the training rows: the
            scale of metrics. A channel that is constant there has scale 1.
    """

    series: Series
    borders: tuple[int, int, int]
    center: np.ndarray = field(init=False)
    scale: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        train = self.values[: self.borders[0]].astype(np.float64)
        empty = np.flatnonzero(np.isnan(train).all(axis=0))
        if len(empty):
            raise DataError(
                f"{self.name}: column '{self.channels[empty[0]]}' has no value in the training "
                f"part (its first {self.borders[0]} rows): leave it out with --columns, or change "
                "--split"
            )
        center, scale = np.nanmean(train, 0), np.nanstd(train, 0)
        object.__setattr__(self, "center", center.astype(np.float32))
        scale = np.where(scale > 1e-7 * np.abs(center), scale, 1)
        object.__setattr__(self, "scale", scale.astype(np.float32))

    @property
    def name(self) -> str:
        """The data set's."""
        return self.series.name

    @property
    def values(self) -> np.ndarray:
        """(time, channels) float32; NaN where missing."""
        return self.series.values

    @property
    def channels(self) -> tuple[str, ...]:
        """Their names."""
        return self.series.channels

    @property
    def step_s(self) -> float:
        """Seconds between rows; 0 where unknown."""
        return self.series.step_s

    @property
    def period(self) -> int:
        """Rows of the season to expect; 1 where none is."""
        return self.series.period

    def windows(self, part: str, lookback: int, horizon: int, stride: int = 1) -> Windows:
        """Windows of a part.

        Those of ``train`` lie in it. Of the others' only the futures do: their histories reach
        back into the part before, as everyone who publishes does.

        Raises:
            DataError: the part is too short for one.
        """
        k = PARTS.index(part)
        first = self.borders[k - 1] - lookback if k else 0
        if first < 0 or self.borders[k] - first < lookback + horizon:
            rows = self.borders[k] - (self.borders[k - 1] if k else 0)
            raise DataError(
                f"{self.name}: its {part} part has {rows} rows, too few for lookback {lookback} "
                f"and horizon {horizon}: expected at least {lookback + horizon} rows in train and "
                f"{horizon} in val and in test; give more rows, another --split, or a recipe "
                "with a shorter lookback or horizon"
            )
        begin, end = self.borders[k - 1] if k else 0, self.borders[k]
        if np.isnan(self.values[begin:end]).all():
            raise DataError(
                f"{self.name}: no value is known in its {part} part, rows {begin + 1} to {end}: "
                "expected some; leave out what has none, or change --split"
            )
        return Windows(self.values, first, self.borders[k], lookback, horizon, stride)


def at_step(series: Series, step_s: int) -> Series:
    """The series with so many seconds between rows; 0 for its own.

    Raises:
        DataError: its own step does not divide them.
    """
    if not step_s:
        return series
    every = step_s / series.step_s if series.step_s else 0
    if every < 1 or every % 1:
        raise DataError(
            f"{series.name}: its rows are {series.step_s:g} s apart: expected a divisor of "
            f"step_s = {step_s}; leave step_s out, or give a multiple"
        )
    return coarser(series, int(every))


def coarser(series: Series, every: int) -> Series:
    """The series with so many rows replaced by the mean of their known values."""
    if every == 1:
        return series
    rows = len(series.values) // every
    groups = series.values[: rows * every].reshape(rows, every, -1).astype(np.float64)
    known = (~np.isnan(groups)).sum(1)
    values = np.where(known, np.nansum(groups, 1) / np.maximum(known, 1), np.nan)
    borders = series.borders and tuple(border // every for border in series.borders)
    return replace(
        series,
        values=values.astype(np.float32),
        step_s=series.step_s * every,
        borders=borders,  # type: ignore[arg-type]
    )


def cut(series: Series, split: Sequence[float]) -> Table:
    """A series in its parts: of the published split, or by fractions of its rows.

    Raises:
        DataError: too few rows, or a channel without any in train.
    """
    if len(series.values) < len(PARTS):
        raise DataError(
            f"{series.name} has {len(series.values)} rows, too few for a split; add rows"
        )
    if series.borders and not split:
        return Table(series, series.borders)
    train, val, test = split or SPLIT
    ends = (len(series.values) * fraction for fraction in (train, train + val, train + val + test))
    a, b, c = (round(end) for end in ends)
    return Table(series, (a, b, c))
