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
        lookback, horizon, channels: of the data.
        hidden: width of the MLP.
        own: every channel has a linear map of its own, so that the model takes the channels it
            was trained on, in their order; otherwise all have the same one, and it takes any.
        dropout: of its hidden layer, while training.
    """

    lookback: int
    horizon: int
    channels: int = 0
    hidden: int = 256
    own: bool = False
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if min(self.lookback, self.horizon, self.hidden) < 1 or not 0 <= self.dropout < 1:
            raise ValueError("expected lookback, horizon, hidden >= 1 and 0 <= dropout < 1")


def quantile_mlp(config: QuantileMLPConfig) -> Forecaster:
    """The student of this family."""
    return Forecaster(config, QuantileMLPCore(config), together=config.own)


class QuantileMLPCore(nn.Module):
    """Linear skip + one hidden layer, whose corrections start at zero: it begins as the skip.

    The skip is fitted in closed form and stays as it is: gradient steps would undo its prior.

    Shapes: values, known (batch, channels, lookback), normalised → mean (batch, channels,
    horizon), median, the same, steps (batch, channels, horizon, 8), normalised.
    """

    skip: torch.Tensor
    skip_bias: torch.Tensor
    trust: torch.Tensor

    def __init__(self, config: QuantileMLPConfig) -> None:
        super().__init__()
        self.horizon = config.horizon
        maps = config.channels if config.own else 1
        self.register_buffer("skip", torch.zeros(maps, config.lookback, config.horizon))
        self.register_buffer("skip_bias", torch.zeros(maps, 1, config.horizon))
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
        """Set the skip to fitted maps. Shapes: (maps, lookback, horizon), (maps, 1, horizon)."""
        self.skip.copy_(weight)
        self.skip_bias.copy_(bias)

    def forward(
        self, values: torch.Tensor, known: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Mean, median and steps on the normalised scale."""
        base = self._skip(values)
        h = self.dropout(torch.relu(self.hidden(torch.cat([values, known], dim=2))))
        to_mean, to_median = self.correct(h).split(self.horizon, dim=2)
        steps = positive(self.spread(h).unflatten(2, (self.horizon, STEPS)))
        return base + self.trust * to_mean, base + to_median, steps

    def _skip(self, values: torch.Tensor) -> torch.Tensor:
        """Every channel through its map. Shapes: → (batch, channels, horizon)."""
        if len(self.skip) == 1:
            return values @ self.skip[0] + self.skip_bias[0]
        by_channel = values.transpose(0, 1) @ self.skip + self.skip_bias
        return by_channel.transpose(0, 1)
