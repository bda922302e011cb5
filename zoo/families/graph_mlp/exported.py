"""The teachers as they are exported: edges arrive as tensors, self loops and weights computed.

One layer takes four tensors (see ``neighbours.Block``): source, target, weight, self_weight. The
whole-graph form hands the same four to every layer, the block form hands each layer its own.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from zoo.blocks import RowLinear
from zoo.families.graph_mlp.model import SparseFirst
from zoo.families.graph_mlp.teacher import NEGATIVE_SLOPE, AttentionTeacher, WeightedTeacher

Edges = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


class ExportedTeacher(nn.Module):
    """A trained teacher over padded sparse features and edge lists.

    Shapes: feature_ids, feature_values (nodes, max_nnz), then source, target, weight (edges,) and
    self_weight (targets,) of one block, or of each layer's → logits (targets of the last, classes).
    """

    def __init__(self, teacher: WeightedTeacher | AttentionTeacher) -> None:
        super().__init__()
        self.config = teacher.config
        attention = isinstance(teacher, AttentionTeacher)
        layers = [Attention(c) if attention else WeightedSum(*teacher.layer(i))
                  for i, c in enumerate(teacher.convs)]
        self.layers = nn.ModuleList(layers)
        first = RowLinear(teacher.config.features, teacher.config.hidden)
        first.weight = nn.Parameter(layers[0].weight.detach().contiguous())
        self.first = SparseFirst(first, teacher.config.row_normalise, bias=False)

    def forward(
        self, feature_ids: torch.Tensor, feature_values: torch.Tensor, *edges: torch.Tensor
    ) -> torch.Tensor:
        """Logits of the last layer's targets."""
        h = self.first(feature_ids, feature_values)
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
        own = h[: self_weight.shape[0]] * self_weight.unsqueeze(-1)
        summed = own.index_add(0, target, h[source] * weight.unsqueeze(-1))
        return (summed if transformed or narrow else summed @ self.weight) + self.bias


class Attention(nn.Module):
    """One GAT layer; an edge's weight multiplies exp(score). Shapes: (sources, in) → (targets, out)."""

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.heads: int = conv.heads
        self.weight = nn.Parameter(conv.lin.weight.detach().t())
        self.att_src, self.att_dst = conv.att_src, conv.att_dst
        self.bias = conv.bias

    def forward(
        self, h: torch.Tensor, edges: Edges, transformed: bool, narrow: bool
    ) -> torch.Tensor:
        """Softmax over each target's neighbours and itself, then the weighted sum."""
        source, target, weight, self_weight = edges
        h = (h if transformed else h @ self.weight).unflatten(-1, (self.heads, -1))
        own = h[: self_weight.shape[0]]
        from_source, from_target = (h * self.att_src).sum(-1), (own * self.att_dst).sum(-1)
        own_score = F.leaky_relu((own * self.att_src).sum(-1) + from_target, NEGATIVE_SLOPE)
        score = F.leaky_relu(from_source[source] + from_target[target], NEGATIVE_SLOPE)
        index = target.unsqueeze(-1).expand_as(score)
        largest = own_score.scatter_reduce(0, index, score, "amax")
        own_part = self_weight.unsqueeze(-1) * (own_score - largest).exp()
        part = weight.unsqueeze(-1) * (score - largest[target]).exp()
        total = own_part.index_add(0, target, part)
        message = h[source] * (part / total[target]).unsqueeze(-1)
        summed = (own * (own_part / total).unsqueeze(-1)).index_add(0, target, message)
        return summed.flatten(1) + self.bias
