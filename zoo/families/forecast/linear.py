"""Students that are linear in the history: RLinear, DLinear, SparseTSF."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from zoo.families.forecast.forecaster import Forecaster, Point


@dataclass(frozen=True)
class LinearConfig:
    """Architecture.

    Attributes:
        lookback, horizon, channels: of the data; every channel has the same weights.
    """

    lookback: int
    horizon: int
    channels: int = 0


@dataclass(frozen=True)
class DLinearConfig(LinearConfig):
    """Architecture.

    Attributes:
        window: odd length of the moving average that is called trend.
    """

    window: int = 25

    def __post_init__(self) -> None:
        if not 1 <= self.window <= self.lookback or self.window % 2 == 0:
            raise ValueError(f"window is {self.window}: expected an odd number up to the lookback")


@dataclass(frozen=True)
class SparseTSFConfig(LinearConfig):
    """Architecture.

    Attributes:
        period: steps of one season; must divide the horizon.
    """

    period: int = 24

    def __post_init__(self) -> None:
        if not 1 < self.period <= self.lookback or self.horizon % self.period:
            raise ValueError(
                f"period is {self.period}: expected one above 1 that divides the horizon "
                f"({self.horizon}) and fits into the lookback ({self.lookback})"
            )


def rlinear(config: LinearConfig) -> Forecaster:
    """One linear map of the normalised history (Li et al. 2023, "Revisiting Long-term …")."""
    return Forecaster(config, Point(nn.Linear(config.lookback, config.horizon), config.horizon))


def dlinear(config: DLinearConfig) -> Forecaster:
    """A linear map of the trend and one of the rest (Zeng et al., AAAI 2023)."""
    return Forecaster(config, Point(Decomposed(config), config.horizon))


def sparse_tsf(config: SparseTSFConfig) -> Forecaster:
    """One small map shared by all phases of a season (Lin et al., ICML 2024)."""
    return Forecaster(config, Point(SparseSeasons(config), config.horizon))


class Decomposed(nn.Module):
    """Moving average and rest, each with a linear map of its own (DLinear).

    Shapes: values (batch, channels, lookback) → (batch, channels, horizon), normalised.
    """

    def __init__(self, config: DLinearConfig) -> None:
        super().__init__()
        self.margin = config.window // 2
        self.average = nn.AvgPool1d(config.window, stride=1)
        self.trend = nn.Linear(config.lookback, config.horizon)
        self.rest = nn.Linear(config.lookback, config.horizon)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Forecasts of trend and rest, summed."""
        first = values[..., :1].expand(-1, -1, self.margin)
        last = values[..., -1:].expand(-1, -1, self.margin)
        trend = self.average(torch.cat([first, values, last], dim=2))
        forecast: torch.Tensor = self.trend(trend) + self.rest(values - trend)
        return forecast


class SparseSeasons(nn.Module):
    """Smoothed over a season, cut into its phases, and each forecast by the same map (SparseTSF).

    Shapes: values (batch, channels, lookback) → (batch, channels, horizon), normalised.
    """

    def __init__(self, config: SparseTSFConfig) -> None:
        super().__init__()
        self.period = config.period
        self.seasons = config.lookback // config.period
        reach = config.period // 2
        self.kernel = nn.Conv1d(1, 1, 1 + 2 * reach, padding=reach, bias=False)
        self.across = nn.Linear(self.seasons, config.horizon // config.period, bias=False)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """A season-wise forecast; what does not fill a season is left out at the far end."""
        recent = values[..., values.shape[2] - self.seasons * self.period :]
        around = self.kernel(recent.flatten(0, 1).unsqueeze(1))
        smoothed = recent + around.reshape(recent.shape)
        phases = smoothed.unflatten(2, (self.seasons, self.period)).transpose(2, 3)
        return self.across(phases).transpose(2, 3).flatten(2)
