"""The student: a linear map of the normalised history, and a small MLP that corrects it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from zoo.families.forecast.forecaster import Forecaster
from zoo.families.forecast.quantiles import STEPS, positive


@dataclass(frozen=True)
class QuantileMLPConfig:
    """Architecture.

    Attributes:
        lookback, horizon, channels: of the data; every channel has the same weights.
        hidden: width of the MLP.
        dropout: of its hidden layer, while training.
    """

    lookback: int
    horizon: int
    channels: int = 0
    hidden: int = 256
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if min(self.lookback, self.horizon, self.hidden) < 1 or not 0 <= self.dropout < 1:
            raise ValueError("expected lookback, horizon, hidden >= 1 and 0 <= dropout < 1")


def quantile_mlp(config: QuantileMLPConfig) -> Forecaster:
    """The student of this family."""
    return Forecaster(config, QuantileMLPCore(config))


class QuantileMLPCore(nn.Module):
    """Linear skip + one hidden layer, whose corrections start at zero: it begins as the skip.

    The skip is fitted in closed form and stays as it is: gradient steps would undo its prior.

    Shapes: values, known (batch, channels, lookback), normalised → mean (batch, channels,
    horizon), median, the same, steps (batch, channels, horizon, 8), normalised.
    """

    trust: torch.Tensor

    def __init__(self, config: QuantileMLPConfig) -> None:
        super().__init__()
        self.horizon = config.horizon
        self.skip = nn.Linear(config.lookback, config.horizon).requires_grad_(False)
        self.hidden = nn.Linear(2 * config.lookback, config.hidden)
        self.dropout = nn.Dropout(config.dropout)
        self.correct = nn.Linear(config.hidden, 2 * config.horizon)
        self.spread = nn.Linear(config.hidden, config.horizon * STEPS)
        nn.init.zeros_(self.correct.weight)
        nn.init.zeros_(self.correct.bias)
        # how much of its correction the mean takes, fitted on validation
        self.register_buffer("trust", torch.ones(()))

    @torch.no_grad()
    def begin(self, weight: torch.Tensor, bias: torch.Tensor) -> None:
        """Set the skip to a fitted linear map. Shapes: (horizon, lookback), (horizon,)."""
        self.skip.weight.copy_(weight)
        self.skip.bias.copy_(bias)

    def forward(
        self, values: torch.Tensor, known: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Mean, median and steps on the normalised scale."""
        base = self.skip(values)
        h = self.dropout(torch.relu(self.hidden(torch.cat([values, known], dim=2))))
        to_mean, to_median = self.correct(h).split(self.horizon, dim=2)
        steps = positive(self.spread(h).unflatten(2, (self.horizon, STEPS)))
        return base + self.trust * to_mean, base + to_median, steps
