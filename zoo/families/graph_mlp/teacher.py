"""The teachers: GCN, GraphSAGE and GAT, trained and run on blocks.

Their weights live in torch_geometric's layers. The forward is our own because those layers take
no sparse features and cannot be exported with dynamic edges; tests hold both equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from zoo.blocks import SparseMatrix, relu_dropout
from zoo.families.graph_mlp.neighbours import Block

NEGATIVE_SLOPE = 0.2  # of GAT's LeakyReLU (Velickovic et al. 2018, §3.3)


@dataclass(frozen=True, kw_only=True)
class TeacherConfig:
    """Architecture of a teacher; ``heads`` and ``attention_dropout`` are GAT's.

    Attributes:
        kind: ``gcn``, ``sage`` or ``gat``.
        layers: number of layers, so of hops.
        hidden: width of the hidden layers, all heads together.
        dropout: probability between layers; GAT also drops features at the input.
        heads: attention heads of the hidden layers; the last layer has one.
        attention_dropout: probability of dropping an edge's attention.
        features: input width, from the data.
        classes: output width, from the data.
        max_nnz: most non-zero features of any row, rounded up to 8; from the data.
        row_normalise: rows are divided by their sum; from the data.
    """

    kind: str
    layers: int
    hidden: int
    dropout: float
    features: int
    classes: int
    max_nnz: int
    row_normalise: bool
    heads: int = 4
    attention_dropout: float = 0.3

    @property
    def sparse(self) -> bool:
        """Whether gathering max_nnz rows of the weight beats a dense product for many nodes."""
        return self.max_nnz * 16 <= self.features

    def __post_init__(self) -> None:
        if self.kind not in ("gcn", "sage", "gat"):
            raise ValueError(f"kind is '{self.kind}': expected gcn, sage or gat")
        if self.layers < 2 or not 0 <= self.dropout < 1:
            raise ValueError("expected layers >= 2 and 0 <= dropout < 1")
        if self.kind == "gat" and self.hidden % self.heads:
            raise ValueError(f"hidden = {self.hidden} is not a multiple of heads = {self.heads}")


@dataclass(frozen=True, kw_only=True)
class GCNConfig(TeacherConfig):
    """A GCN's architecture."""

    kind: str = "gcn"


@dataclass(frozen=True, kw_only=True)
class SAGEConfig(TeacherConfig):
    """A GraphSAGE's architecture."""

    kind: str = "sage"


@dataclass(frozen=True, kw_only=True)
class GATConfig(TeacherConfig):
    """A GAT's architecture."""

    kind: str = "gat"


@dataclass(frozen=True)
class Neighbourhood:
    """What a teacher is run on: the features of the outermost nodes, and one block per layer.

    Shapes: x (sources of the first block, features).
    """

    x: SparseMatrix
    blocks: tuple[TorchBlock, ...]

    @staticmethod
    def of(x: SparseMatrix, blocks: list[Block], kind: str, device: str) -> Neighbourhood:
        """Blocks as tensors, in the form that this kind of teacher aggregates fastest."""
        n_sources, ready = x.shape[0], []
        for block in blocks:
            ready.append(TorchBlock(block, n_sources, kind, device))
            n_sources = block.n_targets
        return Neighbourhood(x, tuple(ready))


class TorchBlock:
    """A block as tensors: a sparse matrix for weighted sums, an edge list for attention."""

    def __init__(self, block: Block, n_sources: int, kind: str, device: str) -> None:
        self.n_targets = block.n_targets
        if kind == "gat":
            own = np.arange(self.n_targets)
            self.source = torch.from_numpy(np.r_[block.source, own]).to(device)
            self.target = torch.from_numpy(np.r_[block.target, own]).to(device)
        else:
            self.matrix = SparseMatrix(block.matrix(n_sources), device)


class WeightedTeacher(nn.Module):
    """GCN (Kipf & Welling 2017) or GraphSAGE (Hamilton et al. 2017): weighted sums, then a layer.

    Shapes: Neighbourhood → logits (targets of the last block, classes).
    """

    def __init__(self, config: TeacherConfig) -> None:
        super().__init__()
        from torch_geometric.nn import GCNConv, SAGEConv

        self.config = config
        widths = [config.features, *[config.hidden] * (config.layers - 1), config.classes]
        pairs = pairwise(widths)
        if config.kind == "gcn":
            self.convs = nn.ModuleList(GCNConv(n_in, n_out) for n_in, n_out in pairs)
        else:
            self.convs = nn.ModuleList(
                SAGEConv(n_in, n_out, aggr="mean", root_weight=False) for n_in, n_out in pairs
            )
            for conv in self.convs:
                linear: Any = conv.lin_l
                nn.init.xavier_uniform_(linear.weight, nn.init.calculate_gain("relu"))
                nn.init.zeros_(linear.bias)
        self.random = np.random.default_rng(torch.initial_seed())

    def layer(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Weight and bias of one layer. Shapes: (in, out), (out,)."""
        conv: Any = self.convs[index]
        linear = conv.lin if self.config.kind == "gcn" else conv.lin_l
        return linear.weight.t(), conv.bias if self.config.kind == "gcn" else linear.bias

    def forward(self, hood: Neighbourhood) -> torch.Tensor:
        """Logits of the innermost nodes."""
        h: torch.Tensor | SparseMatrix = hood.x
        last = len(self.convs) - 1
        for index, block in enumerate(hood.blocks):
            weight, bias = self.layer(index)
            if isinstance(h, SparseMatrix):
                h = block.matrix.times(h.times(weight)) + bias
            elif index == last:  # narrow output: transform first, then sum few columns
                return block.matrix.times(h @ weight) + bias
            else:  # fewer targets than sources: sum first, then transform few rows
                h = block.matrix.times(h) @ weight + bias
            h = relu_dropout(h, self.config.dropout, self.random) if self.training else h.relu_()
        raise AssertionError("a teacher has at least two layers")


class AttentionTeacher(nn.Module):
    """GAT (Velickovic et al. 2018) with ReLU between its layers.

    Shapes: Neighbourhood → logits (targets of the last block, classes).
    """

    def __init__(self, config: TeacherConfig) -> None:
        super().__init__()
        from torch_geometric.nn import GATConv

        self.config = config
        hidden = config.hidden // config.heads
        layers = [GATConv(config.features, hidden, config.heads, add_self_loops=False)]
        for _ in range(config.layers - 2):
            layers.append(GATConv(config.hidden, hidden, config.heads, add_self_loops=False))
        layers.append(GATConv(config.hidden, config.classes, 1, add_self_loops=False))
        self.convs = nn.ModuleList(layers)
        self.random = np.random.default_rng(torch.initial_seed())

    def forward(self, hood: Neighbourhood) -> torch.Tensor:
        """Logits of the innermost nodes."""
        drop = self.config.dropout if self.training else 0.0
        x = hood.x.dropout(drop, self.random) if drop else hood.x
        h = torch.empty(0)
        for index, block in enumerate(hood.blocks):
            conv: Any = self.convs[index]
            h = x.times(conv.lin.weight.t()) if index == 0 else conv.lin(h)
            h = self._attend(conv, h, block)
            if index < len(self.convs) - 1:
                h = relu_dropout(h, drop, self.random) if self.training else h.relu_()
        return h

    def _attend(self, conv: Any, h: torch.Tensor, block: TorchBlock) -> torch.Tensor:
        """Σ attention · h over each target's closed neighbourhood. Shapes: (sources, heads·out)."""
        from torch_geometric.utils import scatter, softmax

        h = h.view(len(h), conv.heads, -1)
        from_source = (h * conv.att_src).sum(dim=-1)
        from_target = (h[: block.n_targets] * conv.att_dst).sum(dim=-1)
        score = from_source.index_select(0, block.source)
        score = score + from_target.index_select(0, block.target)
        score = nn.functional.leaky_relu(score, NEGATIVE_SLOPE)
        attention = softmax(score, block.target, num_nodes=block.n_targets)
        attention = nn.functional.dropout(attention, self.config.attention_dropout, self.training)
        message = (h.index_select(0, block.source) * attention.unsqueeze(-1)).flatten(1)
        return scatter(message, block.target, dim_size=block.n_targets, reduce="sum") + conv.bias


def build_teacher(config: TeacherConfig) -> WeightedTeacher | AttentionTeacher:
    """The teacher of ``config.kind`` with fresh weights."""
    return AttentionTeacher(config) if config.kind == "gat" else WeightedTeacher(config)
