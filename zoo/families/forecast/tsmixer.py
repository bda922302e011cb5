"""TSMixer (Chen et al., TMLR 2023): MLPs over time and over channels, in turns."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from zoo.families.forecast.forecaster import Forecaster, Point


@dataclass(frozen=True)
class TSMixerConfig:
    """Architecture.

    Attributes:
        lookback, horizon, channels: of the data; it takes these channels, in this order.
        blocks: how many.
        hidden: width of the MLP over channels.
        dropout: while training.
    """

    lookback: int
    horizon: int
    channels: int
    blocks: int = 2
    hidden: int = 64
    dropout: float = 0.3

    def __post_init__(self) -> None:
        if min(self.channels, self.blocks, self.hidden) < 1 or not 0 <= self.dropout < 1:
            raise ValueError("expected channels, blocks, hidden >= 1 and 0 <= dropout < 1")


def tsmixer(config: TSMixerConfig) -> Forecaster:
    """The only student that lets channels see each other."""
    return Forecaster(config, Point(Mixer(config), config.horizon), together=True)


class Mixer(nn.Module):
    """Blocks that mix over time, then over channels, and a linear map to the horizon.

    Shapes: values (batch, channels, lookback) → (batch, channels, horizon), normalised.
    """

    def __init__(self, config: TSMixerConfig) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Block(config) for _ in range(config.blocks)))
        self.out = nn.Linear(config.lookback, config.horizon)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """The point forecast."""
        forecast: torch.Tensor = self.out(self.blocks(values))
        return forecast


class Block(nn.Module):
    """One residual step over time and one over channels, behind layer norms, not batch norms.

    Shapes: x (batch, channels, lookback) → the same, normalised.
    """

    def __init__(self, config: TSMixerConfig) -> None:
        super().__init__()
        drop = nn.Dropout(config.dropout)
        self.time = nn.Sequential(
            nn.LayerNorm(config.lookback),
            nn.Linear(config.lookback, config.lookback),
            nn.ReLU(),
            drop,
        )
        self.channels = nn.Sequential(
            nn.LayerNorm(config.channels),
            nn.Linear(config.channels, config.hidden),
            nn.ReLU(),
            drop,
            nn.Linear(config.hidden, config.channels),
            drop,
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Mixed over time, then over channels."""
        x = x + self.time(x)
        mixed: torch.Tensor = x + self.channels(x.transpose(1, 2)).transpose(1, 2)
        return mixed
