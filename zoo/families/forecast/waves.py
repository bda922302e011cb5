"""``waves``: generated series that train in seconds, for tests and demos."""

from __future__ import annotations

import numpy as np

from zoo.families.forecast.series import Series

SEED = 0
HOURS, DAY, WEEK = 3000, 24, 168
CHANNELS = ("flow", "load", "heat", "tide")
MISSING = 0.01


def make_waves() -> Series:
    """Four hourly channels: days, weeks, a trend and noise that lasts; some values are missing.

    The last channel also lacks two days in a row.
    """
    rng = np.random.default_rng(SEED)
    hour = np.arange(HOURS)[:, None]
    n = len(CHANNELS)
    phase = rng.uniform(0, 2 * np.pi, (3, n))
    day = np.sin(2 * np.pi * hour / DAY + phase[0])
    day += 0.4 * np.sin(4 * np.pi * hour / DAY + phase[1])
    week = rng.uniform(0.2, 0.6, n) * np.sin(2 * np.pi * hour / WEEK + phase[2])
    noise = rng.normal(0, 0.2, (HOURS, n))
    for t in range(1, HOURS):
        noise[t] += 0.8 * noise[t - 1]
    values = day + week + noise + rng.normal(0, 0.5, n) * hour / HOURS
    values = (values * [3, 40, 0.5, 1] + [20, 300, -4, 0]).astype(np.float32)
    values[rng.random(values.shape) < MISSING] = np.nan
    values[1000 : 1000 + 2 * DAY, -1] = np.nan
    return Series(
        "waves", values, CHANNELS, 3600.0, "2024-01-01T00:00:00", "generated, free of any"
    )
