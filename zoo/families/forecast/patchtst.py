"""PatchTST (Nie et al., ICLR 2023): a transformer over patches of one series; a teacher."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from zoo.families.forecast.forecaster import Forecaster
from zoo.families.forecast.quantiles import STEPS, positive


@dataclass(frozen=True)
class PatchTSTConfig:
    """Architecture.

    Attributes:
        lookback, horizon, channels: of the data; every channel has the same weights.
        patch, stride: length of a patch, and from one to the next.
        dim: width of a patch's vector; a multiple of ``heads``.
        heads, layers: of the transformer.
        hidden: width of its MLPs.
        dropout: while training.
    """

    lookback: int
    horizon: int
    channels: int = 0
    patch: int = 16
    stride: int = 8
    dim: int = 16
    heads: int = 4
    layers: int = 3
    hidden: int = 128
    dropout: float = 0.3

    def __post_init__(self) -> None:
        if not 1 <= self.stride <= self.patch <= self.lookback:
            raise ValueError("expected 1 <= stride <= patch <= lookback")
        if self.dim % self.heads or not 0 <= self.dropout < 1:
            raise ValueError("expected dim a multiple of heads and 0 <= dropout < 1")


def patchtst(config: PatchTSTConfig) -> Forecaster:
    """A transformer that every channel is asked by itself."""
    return Forecaster(config, PatchCore(config))


class PatchCore(nn.Module):
    """Patches of the end-padded history, encoded, flattened, and mapped to mean and quantiles.

    Shapes: values, known (batch, channels, lookback), normalised → mean (batch, channels,
    horizon), median, the same, steps (batch, channels, horizon, 8), normalised.
    """

    def __init__(self, config: PatchTSTConfig) -> None:
        super().__init__()
        self.horizon, self.patch, self.stride = config.horizon, config.patch, config.stride
        patches = (config.lookback - config.patch) // config.stride + 2  # one of them padded
        self.embed = nn.Linear(2 * config.patch, config.dim)
        self.place = nn.Parameter(0.02 * torch.randn(patches, config.dim))
        self.layers = nn.Sequential(*(Layer(config) for _ in range(config.layers)))
        self.dropout = nn.Dropout(config.dropout)
        self.out = nn.Linear(patches * config.dim, config.horizon * (2 + STEPS))

    def forward(
        self, values: torch.Tensor, known: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Mean, median and steps on the normalised scale."""
        batch, channels, _ = values.shape
        patches = torch.cat([self._patches(values), self._patches(known)], dim=2)
        h = self.layers(self.embed(patches) + self.place)
        out = self.out(self.dropout(h.flatten(1))).unflatten(0, (batch, channels))
        mean, median, steps = out.split([self.horizon, self.horizon, self.horizon * STEPS], dim=2)
        return mean, median, positive(steps.unflatten(2, (self.horizon, STEPS)))

    def _patches(self, x: torch.Tensor) -> torch.Tensor:
        """Shapes: x (batch, channels, lookback) → (batch·channels, patches, patch)."""
        rows = x.flatten(0, 1)
        padding = rows[:, -1:].expand(-1, self.stride)
        return torch.cat([rows, padding], dim=1).unfold(1, self.patch, self.stride)


class Layer(nn.Module):
    """Self-attention and an MLP, each behind a layer norm and beside a skip.

    The paper's batch norms stand behind the skips; these need no statistics.

    Shapes: x (rows, patches, dim) → the same.
    """

    def __init__(self, config: PatchTSTConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.attend_norm, self.mlp_norm = nn.LayerNorm(config.dim), nn.LayerNorm(config.dim)
        self.to_qkv = nn.Linear(config.dim, 3 * config.dim)
        self.merge = nn.Linear(config.dim, config.dim)
        self.mlp = nn.Sequential(
            nn.Linear(config.dim, config.hidden),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, config.dim),
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """One transformer layer."""
        x = x + self.dropout(self._attend(self.attend_norm(x)))
        encoded: torch.Tensor = x + self.dropout(self.mlp(self.mlp_norm(x)))
        return encoded

    def _attend(self, x: torch.Tensor) -> torch.Tensor:
        """Every patch looks at all of its series' patches."""
        rows, patches, dim = x.shape
        split = self.to_qkv(x).reshape(rows, patches, 3, self.heads, dim // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)
        found = functional.scaled_dot_product_attention(query, key, value)
        merged: torch.Tensor = self.merge(found.transpose(1, 2).reshape(rows, patches, dim))
        return merged
