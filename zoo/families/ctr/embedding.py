"""Vectors of a click log's fields."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from zoo.families.ctr.layout import Layout

INITIAL_STD = 1e-4


class Embedding(nn.Module):
    """One table for all ids of some fields; numeric fields x · v with a vector v of their own.

    A multi-valued field is the mean over its values; padding (id 0 of every field) is a zero
    vector without a gradient. Numbers are standardised first, then NaN reads 0.

    Shapes: ids (rows, slots) int64 and numeric (rows, numerics) float32 of the whole layout
    → (rows, fields · dim), in the order of the fields.
    """

    slots: torch.Tensor
    numerics: torch.Tensor
    offsets: torch.Tensor
    padding: torch.Tensor
    centre: torch.Tensor
    spread: torch.Tensor

    def __init__(self, layout: Layout, dim: int, names: tuple[str, ...] | None = None) -> None:
        """Embed the fields called ``names``; None for all."""
        super().__init__()
        self.layout = layout if names is None else layout.select(names)
        self.whole = len(self.layout.fields) == len(layout.fields)
        self.table = nn.Parameter(torch.empty(self.layout.rows, dim))
        slots, numerics = layout.columns(tuple(field.name for field in self.layout.fields))
        self.numeric = nn.Parameter(torch.empty(len(numerics), dim)) if numerics else None
        offsets = self.layout.offsets
        rows = {"slots": slots, "numerics": numerics, "offsets": offsets, "padding": set(offsets)}
        for name, values in rows.items():
            constant = torch.tensor(list(values), dtype=torch.int64)
            self.register_buffer(name, constant, persistent=False)
        if numerics:
            self.register_buffer("centre", torch.zeros(len(numerics)))
            self.register_buffer("spread", torch.ones(len(numerics)))
        self.initialise()

    @torch.no_grad()
    def initialise(self) -> None:
        """Draw fresh vectors; those of numeric fields as a linear map from one input."""
        self.table.normal_(std=INITIAL_STD)
        if len(self.padding):
            self.table.index_fill_(0, self.padding, 0.0)
        if self.numeric is not None:
            self.numeric.normal_(std=math.sqrt(2 / (1 + self.numeric.shape[1])))

    @torch.no_grad()
    def standardise(self, scales: Mapping[str, tuple[float, float]]) -> None:
        """From now on read numeric fields in standard deviations from their mean."""
        for column, name in enumerate(self.layout.numerics):
            mean, std = scales[name]
            self.centre[column], self.spread[column] = mean, std or 1.0

    @torch.no_grad()
    def part(self, layout: Layout, names: tuple[str, ...] | None = None) -> Embedding:
        """The same vectors of fewer fields, to be asked with the columns of ``layout``."""
        part = Embedding(layout, self.table.shape[1], names)
        begin = dict(zip(self.layout.slots, self.layout.offsets, strict=True))
        tables = [
            self.table[begin[field.name] : begin[field.name] + field.size]
            for field in part.layout.fields
            if field.length
        ]
        if tables:
            part.table.copy_(torch.cat(tables))
        if part.numeric is not None:
            assert self.numeric is not None
            chosen = [self.layout.numerics.index(name) for name in part.layout.numerics]
            for mine, theirs in ((part.numeric, self.numeric), (part.centre, self.centre)):
                mine.copy_(theirs[chosen])
            part.spread.copy_(self.spread[chosen])
        return part

    def forward(self, ids: torch.Tensor, numeric: torch.Tensor | None = None) -> torch.Tensor:
        """Vectors of the fields, one behind the other."""
        if not self.whole:
            ids = ids.index_select(1, self.slots)
            numeric = None if numeric is None else numeric.index_select(1, self.numerics)
        return self.of(ids, numeric)

    def of(self, ids: torch.Tensor, numeric: torch.Tensor | None = None) -> torch.Tensor:
        """As ``forward``, of columns that are those of the embedded fields alone."""
        if self.numeric is None and len(self.slots) == len(self.layout.fields):
            return lookup(self.table, ids + self.offsets, self.padding).flatten(1)
        by_slot = ids.T
        return torch.cat(self._fields(by_slot, self._vectors(by_slot), numeric), dim=1)

    def _vectors(self, ids: torch.Tensor) -> torch.Tensor:
        """The vectors of all ids. Shapes: (slots, rows) → (slots, rows, dim)."""
        rows = ids + self.offsets.unsqueeze(1)
        if torch.compiler.is_exporting():  # graphs sum faster over an axis that leads in memory too
            return lookup(self.table, rows, self.padding)
        return lookup(self.table, rows.T, self.padding).transpose(0, 1)

    def _fields(
        self, ids: torch.Tensor, vectors: torch.Tensor, numeric: torch.Tensor | None
    ) -> list[torch.Tensor]:
        """The fields' vectors, neighbours of a kind together.

        Shapes: ids (slots, rows), vectors (slots, rows, dim) → each (rows, n · dim).
        """
        parts: list[torch.Tensor] = []
        present = (ids > 0).to(vectors.dtype)
        slot = column = 0
        for kind, fields in itertools.groupby(self.layout.fields, lambda field: field.kind):
            group = list(fields)
            if kind == "numeric":
                assert numeric is not None
                parts.append(self._scaled(numeric, column, column + len(group)))
                column += len(group)
            elif kind == "categorical":
                parts.append(vectors[slot : slot + len(group)].transpose(0, 1).flatten(1))
                slot += len(group)
            else:
                for field in group:
                    here = slice(slot, slot + field.length)
                    count = present[here].sum(dim=0).clamp(min=1).unsqueeze(1)
                    parts.append(vectors[here].sum(dim=0) / count)
                    slot += field.length
        return parts

    def _scaled(self, numeric: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        """Vectors of some numeric fields. Shapes: (rows, numerics) → (rows, n · dim)."""
        assert self.numeric is not None
        here = slice(start, stop)
        x = (numeric[:, here] - self.centre[here]) / self.spread[here]
        x = torch.where(x.isnan(), 0.0, x)
        return (x.unsqueeze(2) * self.numeric[here]).flatten(1)


def lookup(table: torch.Tensor, rows: torch.Tensor, fixed: torch.Tensor) -> torch.Tensor:
    """Rows of ``table``; no gradient reaches the rows ``fixed``.

    Shapes: table (n, dim), rows any shape → (\\*rows, dim).
    """
    if torch.is_grad_enabled():
        vectors: torch.Tensor = _Lookup.apply(table, rows, fixed)
        return vectors
    return nn.functional.embedding(rows, table)


class _Lookup(torch.autograd.Function):
    """Gather whose backward adds up rows six times as fast as ``nn.functional.embedding``."""

    @staticmethod
    def forward(
        ctx: Any, table: torch.Tensor, rows: torch.Tensor, fixed: torch.Tensor
    ) -> torch.Tensor:
        ctx.save_for_backward(rows, fixed)
        ctx.n_rows = len(table)
        return nn.functional.embedding(rows, table)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        rows, fixed = ctx.saved_tensors
        dim = grad.shape[-1]
        total = grad.new_zeros(ctx.n_rows, dim)
        total.index_add_(0, rows.reshape(-1), grad.reshape(-1, dim))
        if len(fixed):
            total.index_fill_(0, fixed, 0.0)
        return total, None, None
