"""The hidden layers that all click models share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from zoo.blocks import norm_relu_dropout, relu_dropout
from zoo.families.ctr.linear import Linear


class Hidden(nn.Module):
    """Linear, batch normalisation, ReLU, dropout. Shapes: (rows, in) → (rows, out)."""

    def __init__(self, n_in: int, n_out: int, dropout: float, batch_norm: bool) -> None:
        super().__init__()
        self.linear = Linear(n_in, n_out)
        self.norm = nn.BatchNorm1d(n_out) if batch_norm else None
        self.dropout = dropout
        seed = int(torch.randint(2**62, (), device="cpu"))  # of its own: no two layers' masks agree
        self.random = np.random.default_rng(seed)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The layer's output; dropout acts in training only."""
        h = self.linear(x)
        if self.norm is None:
            return relu_dropout(h, self.dropout, self.random) if self.training else h.relu_()
        if self.training:
            return norm_relu_dropout(h, self.norm, self.dropout, self.random)
        normalised: torch.Tensor = self.norm(h)
        return normalised.relu_()


class MLP(nn.Module):
    """Hidden layers without an output layer. Shapes: (rows, in) → (rows, widths[-1])."""

    def __init__(
        self, n_in: int, widths: Sequence[int], dropout: float, batch_norm: bool = True
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(
                Hidden(a, b, dropout, batch_norm)
                for a, b in zip((n_in, *widths[:-1]), widths, strict=True)
            )
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Output of the last hidden layer."""
        h: torch.Tensor = self.layers(x)
        return h


def initialise(model: nn.Module) -> None:
    """Give every linear map Xavier-normal weights and no bias, as FuxiCTR does."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def check_widths(**widths: Sequence[int]) -> None:
    """Refuse layers that are none.

    Raises:
        ValueError: naming the key at fault.
    """
    for key, value in widths.items():
        if not value or not all(isinstance(width, int) and width >= 1 for width in value):
            raise ValueError(f"{key} is {value!r}: expected a list of widths >= 1")


def check_dropout(**dropouts: float) -> None:
    """Refuse what is no probability of dropping.

    Raises:
        ValueError: naming the key at fault.
    """
    for key, value in dropouts.items():
        if not 0 <= value < 1:
            raise ValueError(f"{key} is {value}: expected 0 <= {key} < 1")
