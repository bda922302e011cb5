"""In which form forecasters are exported, and how real inputs are made."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from zoo.contract import Signature, TensorSpec
from zoo.families.forecast.quantiles import LEVELS
from zoo.spec import Export

Arrays = dict[str, np.ndarray]

MAX_BATCH = 64
CHANNELS = "channels"
DIGITS_OF_FLOAT32 = 2.0**-23
FINEST = 5e-6  # of a unit, the smallest difference that a gate speaks of (a row in two batches)


def signature(config: Any, channels: int | str = CHANNELS) -> Signature:
    """Histories in the caller's own unit → forecasts in the same one."""
    horizon = (channels, config.horizon)
    history = TensorSpec(
        "history",
        "float32",
        (channels, config.lookback),
        "values in the caller's own unit, the oldest first, NaN where missing",
        missing=True,
    )
    outputs = (
        TensorSpec(
            "quantiles",
            "float32",
            (*horizon, len(LEVELS)),
            "quantiles of the values to come, in the same unit",
            columns=tuple(map(str, LEVELS)),
        ),
        TensorSpec("median", "float32", horizon, "their median"),
        TensorSpec("mean", "float32", horizon, "their mean"),
        TensorSpec("status", "int64", (channels,), "0, or 1: no known value, so all of it is NaN"),
    )
    return Signature((history,), outputs, MAX_BATCH)


def fixed_signature(config: Any) -> Signature:
    """The same for models that take the channels they were trained on, in their order."""
    return signature(config, config.channels)


def rows(data: Any, config: Any, ids: np.ndarray) -> Arrays:
    """Test windows. Shapes: history (batch, channels, lookback)."""
    return {"history": data.parts["test"].history(data.asked[ids])}


def unit(arrays: Arrays) -> np.ndarray:
    """By what differences are divided: a history's deviation, or what float32 can resolve.

    NaN where nothing is known, and NaN therefore the answer.

    Shapes: → (batch, channels).
    """
    history = arrays["history"].astype(np.float64)
    known = ~np.isnan(history)
    count = np.maximum(known.sum(axis=-1), 1)
    filled = np.where(known, history, 0)
    mean = filled.sum(axis=-1) / count
    deviation = np.sqrt((known * (filled - mean[..., None]) ** 2).sum(axis=-1) / count)
    resolved = np.abs(filled).max(axis=-1) * DIGITS_OF_FLOAT32 / FINEST
    unit = np.maximum(np.maximum(deviation, resolved), DIGITS_OF_FLOAT32)
    return np.where(known.any(axis=-1), unit, np.nan)


def same(model: nn.Module) -> nn.Module:
    """A forecaster is served as it is."""
    return model


def quantile_mlp_signature(config: Any) -> Signature:
    """Any channels, or where each has a map of its own, those."""
    return fixed_signature(config) if config.own else signature(config)


SERIES = {"series": Export("histories of any channels", signature, same, rows, unit=unit)}
TOGETHER = {"series": Export("histories of these channels", fixed_signature, same, rows, unit=unit)}
STUDENT = {"series": Export("histories", quantile_mlp_signature, same, rows, unit=unit)}
