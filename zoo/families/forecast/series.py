"""A set of series on one regular grid of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DAY_S = 86_400.0
MONTH_S = 28 * DAY_S


def period_of(step_s: float) -> int:
    """Steps of the season to expect: a day's, of daily values a week's, of monthly ones a year's.

    Args:
        step_s: seconds between rows; 0 where unknown.
    """
    if 0 < step_s < DAY_S:
        return round(DAY_S / step_s) if DAY_S % step_s == 0 else 1
    if step_s == DAY_S:
        return 7
    return 12 if MONTH_S <= step_s <= 31 * DAY_S else 1


@dataclass(frozen=True, eq=False)
class Series:
    """Channels that were measured at the same times, oldest first.

    Attributes:
        name: of the data set.
        values: (time, channels) float32; NaN where a value is missing.
        channels: their names.
        step_s: seconds between rows; 0 where the data gives no time.
        start: ISO time of the first row; empty without time.
        licence: of the data.
        repairs: what was mended when it was read, a sentence each.
        borders: of a published split: rows before the end of train, of val and of test.
    """

    name: str
    values: np.ndarray
    channels: tuple[str, ...]
    step_s: float
    start: str
    licence: str
    repairs: tuple[str, ...] = ()
    borders: tuple[int, int, int] | None = None

    @property
    def period(self) -> int:
        """Rows of the season to expect; 1 where none is."""
        return period_of(self.step_s)
