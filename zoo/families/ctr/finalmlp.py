"""FinalMLP: two gated MLP streams and their bilinear fusion (Mao et al., AAAI 2023); DualMLP."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from zoo.families.ctr.embedding import Embedding
from zoo.families.ctr.gate import Gate
from zoo.families.ctr.layout import Layout
from zoo.families.ctr.linear import Linear
from zoo.families.ctr.mlp import MLP, check_dropout, check_widths, initialise


@dataclass(frozen=True)
class FinalMLPConfig:
    """Architecture of FinalMLP.

    Attributes:
        layout: the click log's fields, from the data.
        dim: of each field's vector.
        mlp1: widths of the first stream's layers.
        mlp2: widths of the second stream's.
        dropout1: probability after every layer of the first stream.
        dropout2: after every layer of the second.
        gated: each stream has a feature gate.
        fs_hidden: widths of the gates' hidden layers.
        fs1_context: fields that open the first stream's gate; none: it is the same for all rows.
        fs2_context: fields that open the second's.
        heads: of the bilinear fusion; divides the last width of both streams.
        batch_norm: streams normalise each layer.
    """

    layout: dict[str, Any]
    dim: int = 10
    mlp1: list[int] = field(default_factory=lambda: [400])
    mlp2: list[int] = field(default_factory=lambda: [400])
    dropout1: float = 0.0
    dropout2: float = 0.0
    gated: bool = True
    fs_hidden: list[int] = field(default_factory=lambda: [400])
    fs1_context: list[str] = field(default_factory=list)
    fs2_context: list[str] = field(default_factory=list)
    heads: int = 1
    batch_norm: bool = True

    def __post_init__(self) -> None:
        check_widths(mlp1=self.mlp1, mlp2=self.mlp2, dim=[self.dim])
        check_widths(fs_hidden=self.fs_hidden, heads=[self.heads])
        check_dropout(dropout1=self.dropout1, dropout2=self.dropout2)
        if self.mlp1[-1] % self.heads or self.mlp2[-1] % self.heads:
            raise ValueError(
                f"streams end in {self.mlp1[-1]} and {self.mlp2[-1]} units: expected multiples of "
                f"heads = {self.heads}"
            )
        contexts = [name for names in (self.fs1_context, self.fs2_context) for name in names]
        if contexts and not self.gated:
            raise ValueError("gated is false but gates have contexts: remove one of the two")
        if contexts:
            Layout.from_dict(self.layout).select(tuple(contexts))


class Fusion(nn.Module):
    """A linear map of each stream and the bilinear forms of their heads, summed.

    Shapes: o1 (rows, width1), o2 (rows, width2) → logits (rows,).
    """

    def __init__(self, width1: int, width2: int, heads: int) -> None:
        super().__init__()
        self.linear1, self.linear2 = Linear(width1, 1), Linear(width2, 1)
        self.bilinear = nn.Parameter(torch.empty(heads, width1 // heads, width2 // heads))
        nn.init.normal_(self.bilinear, std=math.sqrt(2 / (self.bilinear.numel() + 1)))

    def forward(self, o1: torch.Tensor, o2: torch.Tensor) -> torch.Tensor:
        """Logits."""
        heads, width1, width2 = self.bilinear.shape
        by_head1 = o1.view(-1, heads, width1).transpose(0, 1)
        by_head2 = o2.view(-1, heads, width2).transpose(0, 1)
        crossed = (by_head1 @ self.bilinear * by_head2).sum(dim=(0, 2))
        return (self.linear1(o1) + self.linear2(o2)).squeeze(1) + crossed


class FinalMLP(nn.Module):
    """Two MLPs that see the same features through gates of their own, fused.

    Shapes: ids (rows, slots) int64, numeric (rows, numerics) float32 → logits (rows,).
    """

    def __init__(self, config: FinalMLPConfig) -> None:
        super().__init__()
        self.config = config
        layout, dim = Layout.from_dict(config.layout), config.dim
        n_in = len(layout.fields) * dim
        self.embedding = Embedding(layout, dim)
        self.gate1: Gate | None = None
        self.gate2: Gate | None = None
        if config.gated:
            self.gate1 = Gate(layout, dim, config.fs1_context, config.fs_hidden, n_in)
            self.gate2 = Gate(layout, dim, config.fs2_context, config.fs_hidden, n_in)
        self.mlp1 = MLP(n_in, config.mlp1, config.dropout1, config.batch_norm)
        self.mlp2 = MLP(n_in, config.mlp2, config.dropout2, config.batch_norm)
        self.fusion = Fusion(config.mlp1[-1], config.mlp2[-1], config.heads)
        initialise(self)

    def forward(self, ids: torch.Tensor, numeric: torch.Tensor | None = None) -> torch.Tensor:
        """Logits of a click."""
        x1 = x2 = self.embedding(ids, numeric)
        if self.gate1 is not None:
            x1 = x1 * self.gate1(ids, numeric)
        if self.gate2 is not None:
            x2 = x2 * self.gate2(ids, numeric)
        logits: torch.Tensor = self.fusion(self.mlp1(x1), self.mlp2(x2))
        return logits


@dataclass(frozen=True)
class DualMLPConfig:
    """Architecture of DualMLP.

    Attributes:
        layout: the click log's fields, from the data.
        dim: of each field's vector.
        mlp1: widths of the first MLP's layers.
        mlp2: widths of the second's.
        dropout1: probability after every layer of the first.
        dropout2: after every layer of the second.
        batch_norm: both normalise each layer.
    """

    layout: dict[str, Any]
    dim: int = 10
    mlp1: list[int] = field(default_factory=lambda: [400, 400, 400])
    mlp2: list[int] = field(default_factory=lambda: [400])
    dropout1: float = 0.0
    dropout2: float = 0.0
    batch_norm: bool = True

    def __post_init__(self) -> None:
        check_widths(mlp1=self.mlp1, mlp2=self.mlp2, dim=[self.dim])
        check_dropout(dropout1=self.dropout1, dropout2=self.dropout2)


class DualMLP(nn.Module):
    """Two MLPs over the same features, their logits summed: FinalMLP without gates and fusion.

    Shapes: ids (rows, slots) int64, numeric (rows, numerics) float32 → logits (rows,).
    """

    def __init__(self, config: DualMLPConfig) -> None:
        super().__init__()
        self.config = config
        layout = Layout.from_dict(config.layout)
        self.embedding = Embedding(layout, config.dim)
        n_in = len(layout.fields) * config.dim
        self.mlp1 = MLP(n_in, config.mlp1, config.dropout1, config.batch_norm)
        self.mlp2 = MLP(n_in, config.mlp2, config.dropout2, config.batch_norm)
        self.output1, self.output2 = Linear(config.mlp1[-1], 1), Linear(config.mlp2[-1], 1)
        initialise(self)

    def forward(self, ids: torch.Tensor, numeric: torch.Tensor | None = None) -> torch.Tensor:
        """Logits of a click."""
        x = self.embedding(ids, numeric)
        return (self.output1(self.mlp1(x)) + self.output2(self.mlp2(x))).squeeze(1)
