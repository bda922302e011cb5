"""Histories of any length as the windows that a forecaster takes.

Cut to the last values, or filled up on the left with NaN, which means missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.contract import SignatureError

NUMBERS = "biufO"  # numpy's kinds; objects may be numbers and None
LARGEST = 1e17  # the float32 squares of larger values, which every model sums, overflow

History = np.ndarray | Sequence[Any]


def window_of(history: History, lookback: int) -> tuple[np.ndarray, bool]:
    """What a model takes, and whether the history had an axis of batch.

    Args:
        history: (channels, time), (batch, channels, time), or a list of series (time,).
        lookback: of the model.

    Shapes: → (batch, channels, lookback) float32.

    Raises:
        SignatureError: it is no history of numbers.
    """
    array = history if isinstance(history, np.ndarray) else _aligned(history)
    if array.ndim not in (2, 3):
        raise SignatureError(
            f"history has shape {array.shape}: expected (channels, time), (batch, channels, time) "
            "or a list of series; of one series, [series]"
        )
    if not array.size:
        raise SignatureError(f"history of shape {array.shape} is empty: expected values")
    if array.dtype.kind not in NUMBERS:
        raise SignatureError(
            f"history is of type {array.dtype}: expected numbers, NaN where missing"
        )
    batched = array.ndim == 3
    known = array[..., -lookback:] if batched else array[None, :, -lookback:]
    window = np.full((*known.shape[:2], lookback), np.nan, np.float32)
    try:
        with np.errstate(over="ignore"):  # becomes infinite, which is refused
            window[..., lookback - known.shape[2] :] = known
    except (TypeError, ValueError):
        raise SignatureError(
            "history holds something that is no number: expected numbers, NaN where missing"
        ) from None
    _check_size(window)
    return window, batched


def _check_size(window: np.ndarray) -> None:
    """Refuse values that a model cannot square; infinite ones are refused with every input."""
    large = window[np.isfinite(window) & (np.abs(window) > LARGEST)]
    if large.size:
        raise SignatureError(
            f"history holds {large[0]:g}: expected values up to {LARGEST:g}, NaN where missing; "
            "give it in a larger unit"
        )


def _aligned(history: Sequence[Any]) -> np.ndarray:
    """Series of any lengths side by side, the shorter ones filled up on their left."""
    if hasattr(history, "columns"):
        raise SignatureError(
            "history is a table, whose time runs downwards: expected (channels, time); give "
            "table.to_numpy().T"
        )
    try:
        series = [np.asarray(one) for one in history]
        if not series or any(one.ndim != 1 for one in series):
            return np.asarray(history)
        longest = max(len(one) for one in series)
        array = np.full((len(series), longest), np.nan)
        for row, one in zip(array, series, strict=True):
            row[longest - len(one) :] = one
    except (TypeError, ValueError):
        raise SignatureError(
            "history holds something else than numbers, or rows of unequal length below an axis of "
            "batch: expected numbers, NaN where missing"
        ) from None
    return array
