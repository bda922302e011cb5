"""What is to come in the series of a file: when, how likely, and as a CSV file.

time,channel,median,mean,q0.1,…,q0.9
2024-02-01T00:00:00,load,41.5,41.7,38.2,…,45.1
"""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from serving.forecasts import Forecast
from zoo.artifact import ArtifactError

LEVELS = tuple(k / 10 for k in range(1, 10))
MONTH_S = 365.25 / 12 * 86_400  # of files whose steps are months, the mean one
UTC = "+00:00"


@dataclass(frozen=True, eq=False)
class Outlook:
    """A forecast beside what it was made of.

    Attributes:
        model: who forecast.
        series: of the file: ``name``, ``values`` (time, channels), ``channels``, ``step_s``,
            ``start``, see the registry's ``read_series``.
        forecast: quantiles, median and mean of every channel.
        paths: (channels, paths, horizon), of models that draw them.
    """

    model: str
    series: Any
    forecast: Forecast
    paths: np.ndarray | None = None

    @classmethod
    def of_paths(cls, model: str, series: Any, paths: np.ndarray, passes: int, note: str) -> Self:
        """One whose quantiles are those of the paths, step by step."""
        quantiles = np.moveaxis(np.quantile(paths, LEVELS, axis=1), 0, -1).astype(np.float32)
        median, mean = np.median(paths, axis=1), paths.mean(axis=1)
        status = np.isnan(paths).any(axis=(1, 2)).astype(np.int64)
        found = Forecast(quantiles, median, mean, LEVELS, status, passes, note)
        return cls(model, series, found, paths)

    @property
    def horizon(self) -> int:
        """Steps."""
        return self.forecast.median.shape[1]

    @property
    def unknown(self) -> list[str]:
        """Channels of which nothing could be said."""
        status = self.forecast.status
        return [name for name, it in zip(self.series.channels, status, strict=True) if it]

    def band(self, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
        """Bounds between which a value lies with probability ``high`` − ``low``.

        Shapes: → (channels, horizon) each; between two levels half-way.
        """
        given, levels = self.forecast.quantiles, np.asarray(self.forecast.levels)
        near = (np.abs(levels - level) < 0.06 for level in (low, high))
        lower, upper = (given[..., those].mean(axis=-1) for those in near)
        return lower, upper

    def times(self, first: int, end: int) -> np.ndarray:
        """When rows of the file are, or those that would follow: (rows,).

        Their numbers, counted from 0, where the file gives no time.
        """
        rows, series = np.arange(first, end), self.series
        return grid_times(series.start, series.step_s, rows) if series.start else rows

    @property
    def stamps(self) -> list[str]:
        """The times of the forecast, as text."""
        rows = len(self.series.values)
        return texts(self.times(rows, rows + self.horizon), self.series.start.endswith(UTC))

    def write_csv(self, path: Path) -> None:
        """One row per channel and step; empty where nothing could be said."""
        found = self.forecast
        header = ["time", "channel", "median", "mean", *(f"q{level:g}" for level in found.levels)]
        columns = [found.median[..., None], found.mean[..., None], found.quantiles]
        numbers = np.concatenate(columns, axis=-1)
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(header)
            for channel, steps in zip(self.series.channels, numbers, strict=True):
                for time, row in zip(self.stamps, steps, strict=True):
                    writer.writerow([time, channel, *("" if x != x else str(x) for x in row)])


def grid_times(start: str, step_s: float, rows: np.ndarray) -> np.ndarray:
    """Times of rows on a regular grid; steps of months follow the calendar.

    Args:
        start: ISO time of row 0.
        step_s: seconds from row to row.
        rows: their numbers.
    """
    first = np.datetime64(start.removesuffix(UTC), "us")
    months = step_s / MONTH_S
    if months < 1 or months != round(months):
        return first + np.round(rows * (step_s * 1e6)).astype("timedelta64[us]")
    month, day, one = first.astype("M8[M]"), first.astype("M8[D]"), np.timedelta64(1, "D")
    then = month + rows * round(months)
    if (day + one).astype("M8[M]") != month:  # the last day of a month stays the last
        return (then + 1).astype("M8[D]") - one + (first - day)
    return then.astype("M8[us]") + (first - month)


def texts(times: np.ndarray, in_utc: bool) -> list[str]:
    """Times as ISO text, no finer than they need; numbers of rows as they are."""
    if times.dtype.kind != "M":
        return [str(row) for row in times.tolist()]
    if (times == times.astype("M8[D]")).all():
        return [str(time) for time in times.astype("M8[D]")]
    unit = "s" if (times == times.astype("M8[s]")).all() else "us"
    return [f"{time}{UTC if in_utc else ''}" for time in times.astype(f"M8[{unit}]")]


@contextlib.contextmanager
def replacing(targets: Sequence[Path]) -> Iterator[list[Path]]:
    """Scratch files that become the targets when the block succeeds; else nothing is left.

    Raises:
        ArtifactError: they cannot be written.
    """
    scratch = [path.with_name(f".{path.name}.new") for path in targets]
    try:
        for path in targets:
            path.parent.mkdir(parents=True, exist_ok=True)
        yield scratch
        for made, path in zip(scratch, targets, strict=True):
            made.replace(path)
    except OSError as error:
        why = error.strerror or error
        place = error.filename or targets[0]
        raise ArtifactError(f"cannot write {place}: {why}; choose another place") from None
    finally:
        for made in scratch:
            made.unlink(missing_ok=True)
