"""A forecaster as it is served: history in, quantiles out, all of it in the caller's unit."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from zoo.families.forecast.normalise import Normaliser
from zoo.families.forecast.quantiles import STEPS, positive, spread


class Forecaster(nn.Module):
    """Normalises, asks a core for mean, median and the steps between quantiles, and goes back.

    Shapes: history (batch, channels, lookback) float32, in the data's own unit, NaN = missing →
    quantiles (batch, channels, horizon, 9), median and mean (batch, channels, horizon), same
    unit, status (batch, channels) int64: 1 where no value is known and all of them are NaN.
    """

    calibration: torch.Tensor

    def __init__(self, config: Any, core: nn.Module, together: bool = False) -> None:
        super().__init__()
        self.config = config
        self.together = together  # the core lets channels see each other
        self.normalise = Normaliser()
        self.core = core
        # factors of the steps between quantiles, fitted on validation by ``calibrate``
        self.register_buffer("calibration", torch.ones(config.horizon, STEPS))

    def forward(
        self, history: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Quantiles, median, mean and status."""
        seen = self.normalise(history)
        mean, median, steps = self.core(seen.values, seen.known)
        quantiles = seen.back(spread(median, steps * self.calibration))
        return quantiles, seen.back(median), seen.back(mean), seen.status


class Point(nn.Module):
    """A point forecast as the mean, with quantiles at learned distances from it.

    The distances depend on the horizon alone: a series' own scale is all that widens them.

    Shapes: values, known (batch, channels, lookback), normalised → mean (batch, channels,
    horizon), median, the same, steps (batch, channels, horizon, 8), normalised.
    """

    def __init__(self, point: nn.Module, horizon: int) -> None:
        super().__init__()
        self.point = point
        self.shift = nn.Parameter(torch.zeros(horizon))
        self.steps = nn.Parameter(torch.full((horizon, STEPS), -0.2))  # 0.17 deviations

    def forward(
        self, values: torch.Tensor, known: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Mean, median and steps on the normalised scale."""
        mean = self.point(values)
        return mean, mean + self.shift, positive(self.steps).expand(*mean.shape, STEPS)
