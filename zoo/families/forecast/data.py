"""A recipe's series: tables, their parts by time, and windows of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from zoo.artifact import sha256_bytes
from zoo.families.forecast.datasets import find_known
from zoo.families.forecast.series import Series
from zoo.families.forecast.windows import Windows
from zoo.sources import DataError
from zoo.spec import Recipe, from_table

PARTS = ("train", "val", "test")
SPLIT = (0.6, 0.2, 0.2)
ASKED = 1024  # test windows that can be asked about


@dataclass(frozen=True)
class DataConfig:
    """How series are used.

    Attributes:
        lookback, horizon: rows of a window's history and future.
        split: fractions of the rows, by time, for train, val and test; empty for the published
            split, and 0.6, 0.2, 0.2 where there is none.
        time: column of time of the user's own file; empty where it is found by itself.
        columns: of the user's own file that are forecast; empty for all with numbers.
        stride: rows from one training window to the next.
        every: so many rows are replaced by their mean.
    """

    lookback: int = 336
    horizon: int = 96
    split: Sequence[float] = ()
    time: str = ""
    columns: Sequence[str] = ()
    stride: int = 1
    every: int = 1

    def __post_init__(self) -> None:
        if min(self.lookback, self.horizon, self.stride, self.every) < 1:
            raise ValueError("expected lookback, horizon, stride and every >= 1")
        if self.split and not (
            len(self.split) == 3 and min(self.split) > 0 and sum(self.split) < 1 + 1e-9
        ):
            raise ValueError(
                f"split is {list(self.split)}: expected three fractions above 0 that sum to 1"
            )


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
                f"{self.name}: column '{self.channels[empty[0]]}' has no value in the training part (its first "
                f"{self.borders[0]} rows): leave it out with --columns, or change --split"
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
        windows = Windows(self.values, max(first, 0), self.borders[k], lookback, horizon, stride)
        if first < 0 or not len(windows):
            rows = self.borders[k] - (self.borders[k - 1] if k else 0)
            raise DataError(
                f"{self.name}: its {part} part has {rows} rows, too few for lookback {lookback} "
                f"and horizon {horizon}: expected at least {lookback + horizon} rows in train and "
                f"{horizon} in val and in test; give more rows, another --split, or a recipe "
                "with a shorter lookback or horizon"
            )
        return windows


class ForecastData:
    """Tables, and what of them is trained on and asked about.

    Attributes:
        tables: one, or of a model that trains on several data sets, more.
        config: how they are used.
        parts: ``train``, ``val`` and ``test`` windows of the first table.
        asked: ids of the test windows that one can ask about, evenly spaced.
        sizes: config fields that come from the data.
        attachments: what every artifact of a model carries.
        licence: of the data.
        digest: of the values.
        complete, taught: training sees all of it.
    """

    complete = True
    taught = None

    def __init__(self, tables: tuple[Table, ...], config: DataConfig) -> None:
        self.tables, self.config = tables, config
        first, lookback, horizon = tables[0], config.lookback, config.horizon
        self.parts = {
            part: first.windows(part, lookback, horizon, config.stride if part == "train" else 1)
            for part in PARTS
        }
        last = len(self.parts["test"]) - 1
        self.asked = np.linspace(0, last, min(last + 1, ASKED)).round().astype(np.int64)
        self.sizes = {
            "lookback": lookback,
            "horizon": horizon,
            "channels": len(first.channels),
        }
        self.licence = "; ".join(dict.fromkeys(table.series.licence for table in tables))
        self.digest = digest_of([table.series for table in tables])
        facts = [self._facts(table) for table in tables]
        described = {"lookback": lookback, "horizon": horizon, "series": facts}
        text = json.dumps(described, indent=1, ensure_ascii=False) + "\n"
        self.attachments = {"series.json": text.encode()}

    @property
    def table(self) -> Table:
        """The only table.

        Raises:
            DataError: there are several.
        """
        if len(self.tables) > 1:
            names = ", ".join(table.name for table in self.tables)
            raise DataError(
                f"several data sets ({names}): expected one; only gpd trains on several at once"
            )
        return self.tables[0]

    @property
    def n_rows(self) -> int:
        """Test windows that can be asked about."""
        return len(self.asked)

    def _facts(self, table: Table) -> dict[str, Any]:
        series = table.series
        return {
            "name": series.name,
            "channels": list(series.channels),
            "step_s": series.step_s,
            "period": series.period,
            "start": series.start,
            "rows": len(series.values),
            "licence": series.licence,
            "repairs": list(series.repairs),
        }


def digest_of(series: Sequence[Series]) -> str:
    """A checksum of values and names."""
    facts = [[one.channels, one.step_s, one.start] for one in series]
    return sha256_bytes(
        json.dumps(facts).encode() + b"".join(one.values.tobytes() for one in series)
    )


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
    """A series in its parts: of the published split, or by fractions of its rows."""
    if series.borders and not split:
        return Table(series, series.borders)
    train, val, test = split or SPLIT
    ends = (len(series.values) * fraction for fraction in (train, train + val, train + val + test))
    a, b, c = (round(end) for end in ends)
    return Table(series, (a, b, c))


def read(recipe: Recipe) -> ForecastData:
    """The recipe's series.

    Raises:
        DataError: they cannot be had or used, or the user's own file changed.
        RecipeError: wrong settings.
    """
    config: DataConfig = from_table(DataConfig, recipe.data, f"{recipe.name}.data")
    series = [find_known(name) for name in recipe.dataset.split("+")]
    return ForecastData(tuple(cut(coarser(s, config.every), config.split) for s in series), config)


def describe(dataset: str) -> dict[str, object]:
    """What a known series is, in a row of a table.

    Raises:
        DataError: an unknown one, or one that cannot be had or used.
    """
    series = find_known(dataset)
    return {
        "dataset": dataset,
        "rows": len(series.values),
        "channels": len(series.channels),
        "step_s": series.step_s,
        "missing": int(np.isnan(series.values).sum()),
        "start": series.start,
        "digest": digest_of([series])[:12],
        "licence": series.licence,
    }
