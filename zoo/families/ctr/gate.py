"""FinalMLP's feature gates (AAAI 2023): what a stream hears of each feature."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import nn

from zoo.families.ctr.embedding import Embedding, lookup
from zoo.families.ctr.layout import Layout
from zoo.families.ctr.linear import Linear

LARGEST_KEY = 2**62
SAME_SHAPE = 256  # contexts are filled up to a multiple: oneDNN makes a kernel for each new shape


class Gate(nn.Module):
    """2·σ(MLP(c)), where c embeds some fields in a table of the gate's own.

    Without context fields c is a learnable vector, and the gate is the same for all rows. Rows of
    equal context are computed once: a batch holds fewer users than rows.

    Shapes: ids (rows, slots), numeric (rows, numerics) → (rows, outputs); static (1, outputs).
    """

    strides: torch.Tensor
    sizes: torch.Tensor

    def __init__(
        self, layout: Layout, dim: int, context: Sequence[str], hidden: Sequence[int], n_out: int
    ) -> None:
        super().__init__()
        self.embedding = Embedding(layout, dim, tuple(context)) if context else None
        self.constant = None if context else nn.Parameter(torch.zeros(1, dim))
        widths = [dim * max(len(context), 1), *hidden, n_out]
        layers: list[nn.Module] = []
        for a, b in itertools.pairwise(widths):
            layers += [Linear(a, b), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])
        sizes = self.embedding.layout.sizes if self.embedding else ()
        strides = [math.prod(sizes[:column]) for column in range(len(sizes))]
        countable = self.embedding is not None and self.embedding.numeric is None
        self.keyed = countable and math.prod(sizes) < LARGEST_KEY
        strides = strides if self.keyed else []
        self.register_buffer("strides", torch.tensor(strides), persistent=False)
        self.register_buffer("sizes", torch.tensor(sizes), persistent=False)

    def forward(self, ids: torch.Tensor, numeric: torch.Tensor | None = None) -> torch.Tensor:
        """Factors of the features, 0..2; 1 leaves a feature as it is."""
        if not self.keyed:
            return self.gate(self.context(ids, numeric))
        assert self.embedding is not None
        keys = (ids.index_select(1, self.embedding.slots) * self.strides).sum(dim=1)
        different, which = torch.unique(keys, return_inverse=True)
        different = nn.functional.pad(different, (0, -len(different) % SAME_SHAPE))
        contexts = different[:, None] // self.strides % self.sizes
        return lookup(self.gate(self.embedding.of(contexts)), which, self.strides[:0])

    def context(self, ids: torch.Tensor, numeric: torch.Tensor | None) -> torch.Tensor:
        """c. Shapes: (rows, fields · dim), or (1, dim) without context fields."""
        if self.embedding is None:
            assert self.constant is not None
            return self.constant
        context: torch.Tensor = self.embedding(ids, numeric)
        return context

    def gate(self, context: torch.Tensor) -> torch.Tensor:
        """Factors from c."""
        return 2 * torch.sigmoid(self.layers(context))
