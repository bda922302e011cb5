"""One request, many candidates: FinalMLP with all that the candidates share computed once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from zoo.families.ctr.finalmlp import FinalMLP, FinalMLPConfig, Fusion
from zoo.families.ctr.folded import folded, known
from zoo.families.ctr.gate import Gate
from zoo.families.ctr.layout import ROLES, Layout

LARGEST_TABLE = 2**22  # factors of a gate that is looked up: 16 MiB

Side = tuple[torch.Tensor, torch.Tensor | None]  # ids and numeric of one role
Pair = tuple[torch.Tensor, torch.Tensor]  # of the request (1 or candidates, …), of the items


class RankFinalMLP(nn.Module):
    """FinalMLP for the candidates of one request; its answers are those of the rows one by one.

    The request's vectors, a gate that it opens, and its share of a first layer whose gate does not
    depend on the candidate are computed once; a gate that one field of few values opens is a
    table.

    Shapes: request_ids (request slots,) int64, request_numeric (request numerics,) float32,
    item_ids (candidates, item slots) int64, item_numeric (candidates, item numerics) float32, the
    numeric ones where there are such fields → score (candidates,), logit (candidates,).
    """

    def __init__(self, model: FinalMLP) -> None:
        super().__init__()
        served = folded(model)
        assert isinstance(served, FinalMLP)
        layout = Layout.from_dict(model.config.layout)
        self.layouts = [layout.of(role) for role in ROLES]
        self.request_vectors, self.item_vectors = map(served.embedding.part, self.layouts)
        self.stream1 = Stream(layout, served.gate1, served.mlp1.layers)
        self.stream2 = Stream(layout, served.gate2, served.mlp2.layers)
        self.fusion: Fusion = served.fusion

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Click probabilities of the candidates, and their logits."""
        given = iter(inputs)
        sides: list[Side] = []
        for role, layout in zip(ROLES, self.layouts, strict=True):
            arrays = [next(given)] + ([next(given)] if layout.numerics else [])
            if role == "request":
                arrays = [array.unsqueeze(0) for array in arrays]
            ids = known(arrays[0], layout.sizes)
            sides.append((ids, arrays[1] if layout.numerics else None))
        vectors = self.request_vectors.of(*sides[0]), self.item_vectors.of(*sides[1])
        outputs = [stream(vectors, sides) for stream in (self.stream1, self.stream2)]
        logit: torch.Tensor = self.fusion(*outputs)
        return torch.sigmoid(logit), logit


class Stream(nn.Module):
    """One gated MLP, its first layer cut into the request's share and the items'.

    Shapes: vectors of the request (1, n_request) and of the items (candidates, n_item)
    → (candidates, width).
    """

    def __init__(self, layout: Layout, gate: Gate | None, layers: nn.Sequential) -> None:
        super().__init__()
        first = layers[0]
        assert isinstance(first, nn.Linear)
        self.first = SplitLinear(first, layout)
        self.rest = layers[1:]
        self.gate = None if gate is None else _rank_gate(gate, layout)

    def forward(self, vectors: Pair, sides: Sequence[Side]) -> torch.Tensor:
        """Output of the last hidden layer."""
        request, item = vectors
        if self.gate is not None:
            of_request, of_item = self.gate(sides)
            request, item = request * of_request, item * of_item
        output: torch.Tensor = self.rest(self.first(request, item))
        return output


class SplitLinear(nn.Module):
    """A linear map of the vectors of all fields, given those of the request and of the items.

    Shapes: (1 or candidates, n_request), (candidates, n_item) → (candidates, out); a side that
    has no fields is None.
    """

    def __init__(self, whole: nn.Linear, layout: Layout) -> None:
        super().__init__()
        columns = columns_by_role(layout, whole.in_features // len(layout.fields))
        weights = [whole.weight.detach()[:, chosen].T.contiguous() for chosen in columns]
        self.request, self.item = (nn.Parameter(weight) for weight in weights)
        self.bias = whole.bias

    def forward(self, request: torch.Tensor | None, item: torch.Tensor | None) -> torch.Tensor:
        """The map's output."""
        constant = self.bias if request is None else torch.addmm(self.bias, request, self.request)
        return constant if item is None else torch.addmm(constant, item, self.item)


class ComputedGate(nn.Module):
    """A gate that is computed, once where only the request opens it.

    Shapes: ids and numeric of both roles → factors of the request's and of the items' vectors,
    (1 or candidates, n_request) and (1 or candidates, n_item).
    """

    def __init__(self, gate: Gate, layout: Layout) -> None:
        super().__init__()
        assert gate.embedding is not None
        context = gate.embedding.layout
        self.contexts = nn.ModuleList()
        for role in ROLES:
            names = tuple(field.name for field in context.fields if field.role == role)
            here = layout.of(role)
            self.contexts.append(gate.embedding.part(here, names) if names else nn.Identity())
        first, last = gate.layers[0], gate.layers[-1]
        assert isinstance(first, nn.Linear)
        assert isinstance(last, nn.Linear)
        self.first, self.between = SplitLinear(first, context), gate.layers[1:-1]
        columns = columns_by_role(layout, last.out_features // len(layout.fields))
        self.last = nn.ModuleList(_some_outputs(last, chosen) for chosen in columns)

    def forward(self, sides: Sequence[Side]) -> Pair:
        """Factors of both roles' vectors."""
        contexts = [
            None if isinstance(context, nn.Identity) else context(*side)
            for context, side in zip(self.contexts, sides, strict=True)
        ]
        hidden = self.between(self.first(*contexts))
        of_request, of_item = (2 * torch.sigmoid(last(hidden)) for last in self.last)
        return of_request, of_item


class TableGate(nn.Module):
    """A gate that one item field of few values opens: its factors by id.

    Shapes: ids and numeric of both roles → (candidates, n_request), (candidates, n_item).
    """

    request: torch.Tensor
    item: torch.Tensor

    def __init__(self, gate: Gate, layout: Layout) -> None:
        super().__init__()
        assert gate.embedding is not None
        (field,) = gate.embedding.layout.fields
        self.slot = layout.of("item").slots.index(field.name)
        with torch.no_grad():
            factors = gate.gate(gate.embedding.of(torch.arange(field.size).unsqueeze(1)))
        columns = columns_by_role(layout, factors.shape[1] // len(layout.fields))
        for role, chosen in zip(ROLES, columns, strict=True):
            self.register_buffer(role, factors[:, chosen].contiguous())

    def forward(self, sides: Sequence[Side]) -> Pair:
        """Factors of both roles' vectors."""
        ids = sides[1][0][:, self.slot]
        look_up = nn.functional.embedding
        return look_up(ids, self.request), look_up(ids, self.item)


def _rank_gate(gate: Gate, layout: Layout) -> nn.Module:
    """The gate as a table where that is possible and small."""
    assert gate.embedding is not None
    fields = gate.embedding.layout.fields
    last = gate.layers[-1]
    assert isinstance(last, nn.Linear)
    alone = len(fields) == 1 and fields[0].role == "item" and fields[0].kind == "categorical"
    if alone and fields[0].size * last.out_features <= LARGEST_TABLE:
        return TableGate(gate, layout)
    return ComputedGate(gate, layout)


def columns_by_role(layout: Layout, dim: int) -> list[list[int]]:
    """Which entries of all fields' vectors, one behind the other, belong to each role."""
    return [
        [n * dim + k for n, f in enumerate(layout.fields) if f.role == role for k in range(dim)]
        for role in ROLES
    ]


def _some_outputs(whole: nn.Linear, chosen: list[int]) -> nn.Linear:
    """A linear map to some of the outputs."""
    some = nn.Linear(whole.in_features, len(chosen))
    some.weight, some.bias = nn.Parameter(whole.weight[chosen]), nn.Parameter(whole.bias[chosen])
    return some


def suits(config: FinalMLPConfig) -> bool:
    """Whether both a request and its candidates have values that are ids."""
    layout = Layout.from_dict(config.layout)
    return {field.role for field in layout.fields if field.length} == set(ROLES)
