"""What needs no training, and what every table therefore also shows."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import numpy as np
import torch

from zoo.families.forecast.data import ForecastData
from zoo.families.forecast.metrics import Answered, score
from zoo.families.forecast.normalise import Normaliser
from zoo.families.forecast.problem import SERIES, fitted_ridge, some, windows_of
from zoo.families.forecast.quantiles import LEVELS
from zoo.families.forecast.windows import Windows

DAY = 24  # season of a series whose period is not known
FITTED = 8192  # series whose residuals give the quantiles

Point = Callable[[torch.Tensor], torch.Tensor]


@functools.lru_cache(maxsize=4)
def baselines(data: ForecastData) -> dict[str, dict[str, float]]:
    """Metrics of last value, seasonal naive and closed-form ridge.

    Their quantiles are those of their residuals in training, in deviations of the history.

    Returns:
        role → metrics, keys ``val_*`` and ``test_*`` as of trained models.
    """
    fitted, _ = fitted_ridge(data)
    horizon, period = data.config.horizon, data.table.period
    period = period if 1 < period <= data.config.lookback else min(DAY, data.config.lookback)

    def ridge(values: torch.Tensor) -> torch.Tensor:
        return values @ fitted.weight + fitted.bias

    def seasonal(values: torch.Tensor) -> torch.Tensor:
        season = values[..., values.shape[-1] - period :]
        return season.repeat(1, 1, -(-horizon // period))[..., :horizon]

    def last(values: torch.Tensor) -> torch.Tensor:
        return values[..., -1:].expand(*values.shape[:-1], horizon)

    named: dict[str, Point] = {"last_value": last, "seasonal_naive": seasonal, "ridge": ridge}
    return {name: _measured(data, point) for name, point in named.items()}


def _measured(data: ForecastData, point: Point) -> dict[str, float]:
    train = windows_of(data, "train")
    residuals = [
        (y - mean) / torch.where(scale > 0, scale, torch.nan)
        for mean, scale, y in _points(train, some(train, FITTED), point)
    ]
    levels = torch.tensor(LEVELS)
    spread = torch.nanquantile(torch.cat(residuals).flatten(0, 1), levels, dim=0).T.nan_to_num(0)
    found: dict[str, float] = {}
    for part in ("val", "test"):
        windows = windows_of(data, part)
        metrics = score(_answers(windows, point, spread))
        found |= {f"{part}_{name}": value for name, value in metrics.items()}
    return found


def _answers(windows: Windows, point: Point, spread: torch.Tensor) -> Iterator[Answered]:
    for mean, scale, y in _points(windows, np.arange(len(windows)), point):
        yield mean, mean.unsqueeze(-1) + scale.unsqueeze(-1) * spread, y


def _points(windows: Windows, ids: np.ndarray, point: Point) -> Iterator[Answered]:
    """Point forecasts, the deviations of their histories, and what came, in chunks."""
    normalise, step = Normaliser(), max(1, SERIES // windows.channels)
    for start in range(0, len(ids), step):
        chunk = ids[start : start + step]
        seen = normalise(torch.from_numpy(windows.history(chunk)))
        yield seen.back(point(seen.values)), seen.scale, torch.from_numpy(windows.future(chunk))
