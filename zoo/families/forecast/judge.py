"""What forecasts of all test windows are worth, on the scale of the training part."""

from __future__ import annotations

import math

import numpy as np
import torch

from zoo.families.forecast.data import ForecastData
from zoo.families.forecast.quantiles import pinball
from zoo.metrics import Metric, ratio
from zoo.spec import Arrays, Judge, Rows

CALIBRATION_WINDOWS = 256


def _tested(data: ForecastData) -> Rows:
    """All test windows, and not only those that can be asked about."""
    test = data.asked_of("test")
    return test, np.arange(test.n_rows)


def _training(data: ForecastData) -> Rows:
    """Some training windows, evenly spaced."""
    train = data.asked_of("train")
    most = min(train.n_rows, CALIBRATION_WINDOWS)
    return train, np.linspace(0, train.n_rows - 1, most).astype(np.int64)


def _block(data: ForecastData) -> int:
    """Windows whose futures overlap, of those that are asked."""
    apart = (data.asked[-1] - data.asked[0]) / max(1, data.n_rows - 1)
    return max(1, math.ceil(data.config.horizon / max(apart, 1)))


def _targets(data: ForecastData, ids: np.ndarray) -> Arrays:
    """Shapes: future (windows, channels, horizon), scale (windows, channels)."""
    future = data.parts["test"].future(data.asked[ids])
    scale = np.broadcast_to(data.tables[0].scale, future.shape[:2])
    return {"future": np.ascontiguousarray(future), "scale": scale.copy()}


def _quantities(outputs: Arrays, targets: Arrays) -> Arrays:
    """Sums over a window's known values.

    Shapes: mean (windows, channels, horizon), quantiles (windows, channels, horizon, 9).
    """
    scale, future = targets["scale"][..., None], targets["future"]
    off = (outputs["mean"] - future) / scale
    known = ~np.isnan(off)
    divided = (outputs["quantiles"] / scale[..., None], future / scale)
    loss = pinball(*(torch.from_numpy(array) for array in divided)).numpy()
    return {
        "squares": _sums(off**2, known),
        "pinball": _sums(loss, known),
        "known": known.sum(axis=(1, 2)),
    }


def _sums(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.where(known, values, 0).sum(axis=(1, 2), dtype=np.float64)
    return found


JUDGE = Judge(
    tested=_tested,
    training=_training,
    targets=_targets,
    quantities=_quantities,
    metrics={
        "mse": Metric(ratio("squares", "known"), "relative", lower=True),
        "crps": Metric(ratio("pinball", "known"), "relative", lower=True),
    },
    block=_block,
    answered="known",
)


def _path_targets(data: ForecastData, ids: np.ndarray) -> Arrays:
    """Of the one channel of each window that is asked. Shapes: future (rows, horizon), scale."""
    test = data.parts["test"]
    channels = ids % test.channels
    return {
        "future": test.pairs(data.asked[ids], channels)[1].copy(),
        "scale": data.tables[0].scale[channels],
    }


def _path_quantities(outputs: Arrays, targets: Arrays) -> Arrays:
    """Shapes: path (rows, horizon)."""
    off = (outputs["path"] - targets["future"]) / targets["scale"][:, None]
    known = ~np.isnan(off)
    squares: np.ndarray = np.where(known, off**2, 0).sum(axis=1, dtype=np.float64)
    return {"squares": squares, "known": known.sum(axis=1)}


PATHS_JUDGE = Judge(
    tested=lambda data: (data, np.arange(data.n_rows)),
    training=_training,
    targets=_path_targets,
    quantities=_path_quantities,
    metrics={"mse": Metric(ratio("squares", "known"), "relative", lower=True)},
    block=_block,
    answered="known",
)
