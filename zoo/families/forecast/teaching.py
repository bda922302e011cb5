"""Which prompts a teacher is asked about, so that its student sees the same ones."""

from __future__ import annotations

import numpy as np

from zoo.families.forecast.windows import Windows

PROMPTS = 1024  # training windows, evenly spaced
GAPS = 0.5  # of each gappy history, at most this fraction is missing


def prompt_ids(windows: Windows) -> np.ndarray:
    """Ids of the windows a teacher is asked about."""
    return np.linspace(0, len(windows) - 1, min(len(windows), PROMPTS)).round().astype(int)


def prompts(windows: Windows, seed: int = 0) -> np.ndarray:
    """Their histories; every other one with gaps, the case where data give few examples.

    Shapes: → (prompts, channels, lookback), in the unit of the windows, NaN = missing.
    """
    histories = windows.history(prompt_ids(windows)).copy()
    gappy = histories[1::2]
    gappy[with_gaps(gappy.shape, np.random.default_rng(seed))] = np.nan
    return histories


def of_length(histories: np.ndarray, lookback: int) -> np.ndarray:
    """The newest values, or all of them behind missing ones. Shapes: → (…, lookback)."""
    short = lookback - histories.shape[-1]
    if short <= 0:
        return histories[..., -lookback:]
    missing = np.full((*histories.shape[:-1], short), np.nan, histories.dtype)
    return np.concatenate([missing, histories], axis=-1)


def with_gaps(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Which values of each series to leave out: none of some, up to half of others.

    Shapes: (…, lookback) → the same, bool.
    """
    rate = GAPS * rng.random((*shape[:-1], 1))
    return rng.random(shape) < rate
