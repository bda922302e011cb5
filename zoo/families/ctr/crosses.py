"""Models that cross features explicitly: DCNv2, xDeepFM, and logistic regression, which does not.

Each adds an MLP over the same vectors, as in FuxiCTR.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from zoo.families.ctr.embedding import Embedding
from zoo.families.ctr.layout import Layout
from zoo.families.ctr.linear import Linear
from zoo.families.ctr.mlp import MLP, check_dropout, check_widths, initialise


@dataclass(frozen=True)
class LogRegConfig:
    """Logistic regression has no choices.

    Attributes:
        layout: the click log's fields, from the data.
    """

    layout: dict[str, Any]


class LogReg(nn.Module):
    """Logistic regression: a weight per id and per numeric field.

    Shapes: ids (rows, slots) int64, numeric (rows, numerics) float32 → logits (rows,).
    """

    def __init__(self, config: LogRegConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = Embedding(Layout.from_dict(config.layout), 1)
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, ids: torch.Tensor, numeric: torch.Tensor | None = None) -> torch.Tensor:
        """Logits of a click."""
        logits: torch.Tensor = self.embedding(ids, numeric).sum(dim=1) + self.bias
        return logits


@dataclass(frozen=True)
class CrossConfig:
    """What crossing models share: the MLP beside the crosses.

    Attributes:
        layout: the click log's fields, from the data.
        dim: of each field's vector.
        mlp: widths of the MLP's layers.
        dropout: probability after each of them.
        batch_norm: the MLP normalises each layer.
    """

    layout: dict[str, Any]
    dim: int = 10
    mlp: list[int] = field(default_factory=lambda: [400, 400, 400])
    dropout: float = 0.0
    batch_norm: bool = True

    def __post_init__(self) -> None:
        check_widths(mlp=self.mlp, dim=[self.dim])
        check_dropout(dropout=self.dropout)


@dataclass(frozen=True)
class DCNv2Config(CrossConfig):
    """Architecture of DCNv2, parallel form.

    Attributes:
        crosses: cross layers.
    """

    crosses: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        check_widths(crosses=[self.crosses])


class DCNv2(nn.Module):
    """Cross layers x ← x0 ⊙ (W·x + b) + x beside an MLP (Wang et al., WWW 2021).

    Shapes: ids (rows, slots) int64, numeric (rows, numerics) float32 → logits (rows,).
    """

    def __init__(self, config: DCNv2Config) -> None:
        super().__init__()
        self.config = config
        layout = Layout.from_dict(config.layout)
        self.embedding = Embedding(layout, config.dim)
        n_in = len(layout.fields) * config.dim
        self.crosses = nn.ModuleList(Linear(n_in, n_in) for _ in range(config.crosses))
        self.mlp = MLP(n_in, config.mlp, config.dropout, config.batch_norm)
        self.output = Linear(n_in + config.mlp[-1], 1)
        initialise(self)

    def forward(self, ids: torch.Tensor, numeric: torch.Tensor | None = None) -> torch.Tensor:
        """Logits of a click."""
        x = x0 = self.embedding(ids, numeric)
        for cross in self.crosses:
            x = torch.addcmul(x, x0, cross(x))
        logits: torch.Tensor = self.output(torch.cat([x, self.mlp(x0)], dim=1)).squeeze(1)
        return logits


@dataclass(frozen=True)
class XDeepFMConfig(CrossConfig):
    """Architecture of xDeepFM.

    Attributes:
        cin: feature maps of each layer of the compressed interaction network.
    """

    cin: list[int] = field(default_factory=lambda: [64])

    def __post_init__(self) -> None:
        super().__post_init__()
        check_widths(cin=self.cin)


class XDeepFM(nn.Module):
    """Compressed interaction network, MLP and linear part (Lian et al., KDD 2018).

    Shapes: ids (rows, slots) int64, numeric (rows, numerics) float32 → logits (rows,).
    """

    def __init__(self, config: XDeepFMConfig) -> None:
        super().__init__()
        self.config = config
        layout = Layout.from_dict(config.layout)
        self.fields = fields = len(layout.fields)
        self.embedding = Embedding(layout, config.dim)
        self.linear = LogReg(LogRegConfig(config.layout))
        self.maps = nn.ModuleList(
            Linear(fields * a, b)
            for a, b in zip((fields, *config.cin[:-1]), config.cin, strict=True)
        )
        self.output_maps = Linear(sum(config.cin), 1)
        self.mlp = MLP(fields * config.dim, config.mlp, config.dropout, config.batch_norm)
        self.output = Linear(config.mlp[-1], 1)
        initialise(self)

    def forward(self, ids: torch.Tensor, numeric: torch.Tensor | None = None) -> torch.Tensor:
        """Logits of a click."""
        x = self.embedding(ids, numeric)
        z = self.output_maps(self._interactions(x)) + self.output(self.mlp(x))
        logits: torch.Tensor = z.squeeze(1) + self.linear(ids, numeric)
        return logits

    def _interactions(self, x: torch.Tensor) -> torch.Tensor:
        """Sums over dim of all layers' maps. Shapes: x (rows, fields · dim) → (rows, Σ cin)."""
        x0 = h = x.view(x.shape[0], self.fields, -1).transpose(1, 2)
        sums = []
        for maps in self.maps:
            pairs = (x0.unsqueeze(3) * h.unsqueeze(2)).flatten(2)  # (rows, dim, fields · maps)
            h = maps(pairs)
            sums.append(h.sum(dim=1))
        return torch.cat(sums, dim=1)
