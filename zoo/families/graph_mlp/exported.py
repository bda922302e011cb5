"""The teachers as they are exported: edges arrive as tensors, self loops and weights computed.

One layer takes four tensors (see ``neighbours.Block``): source, target, weight, self_weight. The
whole-graph form hands the same four to every layer, the block form hands each layer its own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from zoo.blocks import RowLinear
from zoo.families.graph_mlp.model import DenseFirst, SparseFirst
from zoo.families.graph_mlp.teacher import NEGATIVE_SLOPE, AttentionTeacher, WeightedTeacher

Edges = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


class ExportedTeacher(nn.Module):
    """A trained teacher over features and edge lists.

    Shapes: feature_ids, feature_values (nodes, max_nnz) where features are sparse, else
    x (nodes, features); then source, target, weight (edges,) and
    self_weight (targets,) of one block, or of each layer's → logits (targets of the last, classes).
    """

    def __init__(self, teacher: WeightedTeacher | AttentionTeacher) -> None:
        super().__init__()
        self.config = teacher.config
        layers: list[Attention | WeightedSum] = [
            WeightedSum(*teacher.layer(index))
            if isinstance(teacher, WeightedTeacher)
            else Attention(conv)
            for index, conv in enumerate(teacher.convs)
        ]
        self.layers = nn.ModuleList(layers)
        first = RowLinear(teacher.config.features, teacher.config.hidden)
        first.weight = nn.Parameter(layers[0].weight.detach().contiguous())
        kind = SparseFirst if teacher.config.sparse else DenseFirst
        self.first = kind(first, teacher.config.row_normalise, bias=False)
        self.n_features = 2 if teacher.config.sparse else 1

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Logits of the last layer's targets."""
        h, edges = self.first(*inputs[: self.n_features]), inputs[self.n_features :]
        last = len(self.layers) - 1
        for index, layer in enumerate(self.layers):
            start = 4 * index if len(edges) > 4 else 0
            block: Edges = edges[start : start + 4]  # type: ignore[assignment]
            h = layer(h, block, transformed=index == 0, narrow=index == last)
            h = torch.relu(h) if index < last else h
        return h


class WeightedSum(nn.Module):
    """One GCN or GraphSAGE layer. Shapes: h (sources, in) → (targets, out)."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight.detach()), nn.Parameter(bias.detach())

    def forward(
        self, h: torch.Tensor, edges: Edges, transformed: bool, narrow: bool
    ) -> torch.Tensor:
        """Transform before the sum where that is narrower, after it where targets are fewer."""
        if narrow:
            h = h @ self.weight
        source, target, weight, self_weight = edges
        own = _first_rows(h, self_weight.shape[0]) * self_weight.unsqueeze(-1)
        message = F.embedding(source, h) * weight.unsqueeze(-1)
        summed = own.index_add(0, target, message)
        return (summed if transformed or narrow else summed @ self.weight) + self.bias


class Attention(nn.Module):
    """One GAT layer; an edge's weight multiplies exp(score).

    Shapes: h (sources, in) → (targets, out).
    """

    def __init__(self, conv: Any) -> None:
        super().__init__()
        self.heads: int = conv.heads
        self.weight = nn.Parameter(conv.lin.weight.detach().t())
        self.register_buffer("att_src", _per_head(conv.att_src))
        self.register_buffer("att_dst", _per_head(conv.att_dst))
        self.bias: nn.Parameter = conv.bias

    def forward(
        self, h: torch.Tensor, edges: Edges, transformed: bool, narrow: bool
    ) -> torch.Tensor:
        """Softmax over each target's neighbours and itself, then the weighted sum."""
        source, target, weight, self_weight = edges
        n_targets = self_weight.shape[0]
        h = h if transformed else h @ self.weight
        own = _first_rows(h, n_targets)
        from_source = h @ self.get_buffer("att_src")
        from_target = own @ self.get_buffer("att_dst")
        own_score = _first_rows(from_source, n_targets) + from_target
        own_score = F.leaky_relu(own_score, NEGATIVE_SLOPE)
        score = F.embedding(source, from_source) + F.embedding(target, from_target)
        score = F.leaky_relu(score, NEGATIVE_SLOPE)
        index = target.unsqueeze(-1).expand_as(score)
        largest = own_score.scatter_reduce(0, index, score, "amax")
        own_part = self_weight.unsqueeze(-1) * (own_score - largest).exp()
        part = weight.unsqueeze(-1) * (score - F.embedding(target, largest)).exp()
        total = own_part.index_add(0, target, part)
        message = self._scaled(F.embedding(source, h), part)
        summed = self._scaled(own, own_part).index_add(0, target, message)
        return (summed / total.unsqueeze(-1)).flatten(1) + self.bias

    def _scaled(self, h: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
        """Each head's channels times its factor. Shapes: (rows, heads·out) → (rows, heads, out)."""
        return h.reshape(-1, self.heads, h.shape[-1] // self.heads) * by.unsqueeze(-1)


def _first_rows(h: torch.Tensor, rows: int) -> torch.Tensor:
    """The first ``rows`` rows; a slice would export as min(rows, all)."""
    return h.narrow(0, 0, rows)


def _per_head(attention: torch.Tensor) -> torch.Tensor:
    """GAT's attention vectors as one matrix. Shapes: (1, heads, out) → (heads·out, heads)."""
    return torch.block_diag(*attention.detach()[0].unsqueeze(-1))
