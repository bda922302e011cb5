"""AutoInt+: self-attention between fields beside an MLP (Song et al., CIKM 2019)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import nn

from zoo.families.ctr.crosses import CrossConfig
from zoo.families.ctr.embedding import Embedding
from zoo.families.ctr.layout import Layout
from zoo.families.ctr.linear import Linear
from zoo.families.ctr.mlp import MLP, check_widths, initialise


@dataclass(frozen=True)
class AutoIntConfig(CrossConfig):
    """Architecture of AutoInt+.

    Attributes:
        layers: attention layers.
        attention_dim: width of each, over all heads.
        heads: of each; divides ``attention_dim``.
    """

    layers: int = 2
    attention_dim: int = 32
    heads: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_widths(layers=[self.layers], attention_dim=[self.attention_dim], heads=[self.heads])
        if self.attention_dim % self.heads:
            raise ValueError(
                f"attention_dim is {self.attention_dim}: expected a multiple of heads = "
                f"{self.heads}"
            )


class Interaction(nn.Module):
    """Attention between a row's fields, with a linear residual, then ReLU.

    Shapes: (rows, fields, in) → (rows, fields, attention_dim).
    """

    def __init__(self, n_in: int, n_out: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.maps = Linear(n_in, 4 * n_out, bias=False)  # query, key, value, residual

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The fields after one layer."""
        query, key, value, residual = self.maps(x).chunk(4, dim=-1)
        q, k, v = (self._by_head(part) for part in (query, key, value))
        weights = torch.softmax(q @ k.transpose(-1, -2), dim=-1)
        attended = (weights @ v).transpose(1, 2).flatten(2)
        return nn.functional.relu(attended + residual)

    def _by_head(self, x: torch.Tensor) -> torch.Tensor:
        """Shapes: (rows, fields, attention_dim) → (rows, heads, fields, attention_dim / heads)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class AutoInt(nn.Module):
    """Attention layers over the fields' vectors, and an MLP over the same vectors.

    Shapes: ids (rows, slots) int64, numeric (rows, numerics) float32 → logits (rows,).
    """

    def __init__(self, config: AutoIntConfig) -> None:
        super().__init__()
        self.config = config
        layout = Layout.from_dict(config.layout)
        self.fields = len(layout.fields)
        self.embedding = Embedding(layout, config.dim)
        widths = [config.dim, *[config.attention_dim] * config.layers]
        self.attention = nn.Sequential(
            *(Interaction(a, b, config.heads) for a, b in itertools.pairwise(widths))
        )
        self.output_attention = Linear(self.fields * config.attention_dim, 1)
        self.mlp = MLP(self.fields * config.dim, config.mlp, config.dropout, config.batch_norm)
        self.output = Linear(config.mlp[-1], 1)
        initialise(self)
        for module in self.attention.modules():
            if isinstance(module, Interaction):
                for part in module.maps.weight.chunk(4):
                    nn.init.xavier_normal_(part)

    def forward(self, ids: torch.Tensor, numeric: torch.Tensor | None = None) -> torch.Tensor:
        """Logits of a click."""
        x = self.embedding(ids, numeric)
        attended = self.attention(x.unflatten(1, (self.fields, -1))).flatten(1)
        logits: torch.Tensor = self.output_attention(attended) + self.output(self.mlp(x))
        return logits.squeeze(1)
