"""Embeddings, gates and linear maps: what each must do, and what must not change."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import nn

from zoo.families.ctr.gate import Gate
from zoo.families.ctr.linear import Linear
from zoo.families.ctr.mlp import MLP


@pytest.mark.parametrize("context", [["user"], ["item", "hour"], ["tags", "user"]])
def test_rows_of_equal_context_are_computed_once(log: Any, inputs: Any, context: list[str]) -> None:
    """The same factors and the same gradients as row by row."""
    torch.manual_seed(0)
    model = Gate(log.layout, 10, context, [5], 60)
    with torch.no_grad():
        model.embedding.table.normal_()
        model.embedding.table.index_fill_(0, model.embedding.padding, 0.0)
    found = []
    for keyed in (True, False):
        assert model.keyed
        model.keyed = keyed
        model.zero_grad()
        factors = model(*inputs(300))
        (factors * torch.linspace(-1, 1, factors.numel()).view_as(factors)).sum().backward()
        found.append([factors.detach(), *(p.grad.clone() for p in model.parameters())])
        model.keyed = True
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_a_gate_of_numbers_is_computed_row_by_row(log: Any, inputs: Any) -> None:
    model = Gate(log.layout, 10, ["user", "price"], [5], 60)
    assert not model.keyed
    assert model(*inputs()).shape == (40, 60)


def test_static_gates_are_a_learned_vector(make: Any, inputs: Any) -> None:
    """Without context nothing but the last bias ever moves."""
    model = make("finalmlp", fs1_context=[], fs2_context=[])
    before = {name: p.clone() for name, p in model.gate1.named_parameters()}
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(5):
        optimiser.zero_grad()
        model(*inputs()).sum().backward()
        optimiser.step()
    moved = {n for n, p in model.gate1.named_parameters() if not torch.equal(p, before[n])}
    assert moved == {"layers.2.bias"}
    assert model.gate1(*inputs()).shape == (1, 60)


def test_embedding_holds_the_fields_in_order(log: Any, make: Any) -> None:
    embedding = make("dualmlp").embedding
    embedding.standardise(log.scales)
    with torch.no_grad():
        embedding.table.copy_(torch.arange(embedding.table.numel()).view_as(embedding.table))
        embedding.table.index_fill_(0, embedding.padding, 0.0)
    ids = torch.tensor([[3, 7, 2, 5, 0, 1]])
    numeric = torch.tensor([[35.0, math.nan]])
    user, price, item, tags, hour, age = embedding(ids, numeric).view(6, 10)
    table = embedding.table
    assert torch.equal(user, table[3])
    assert torch.equal(item, table[12 + 7])
    torch.testing.assert_close(tags, (table[42 + 2] + table[42 + 5]) / 2)
    assert torch.equal(hour, table[51 + 1])
    torch.testing.assert_close(price, 1.5 * embedding.numeric[0])
    assert torch.equal(age, torch.zeros(10))
    empty = embedding(torch.zeros(1, 6, dtype=torch.int64), numeric).view(6, 10)
    assert torch.equal(empty[[0, 2, 3, 4]], torch.zeros(4, 10))


def test_padding_stays_zero(make: Any, inputs: Any) -> None:
    model = make("finalmlp")
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=0.1)
    ids, numeric = inputs()
    ids[:5] = 0
    for _ in range(3):
        optimiser.zero_grad()
        model(ids, numeric).sum().backward()
        optimiser.step()
    for embedding in (model.embedding, model.gate1.embedding, model.gate2.embedding):
        assert not embedding.table[embedding.padding].any()
        assert embedding.table.any()


@pytest.mark.parametrize("shape", [(30, 12), (5, 6, 12)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_is_torchs_own(shape: tuple[int, ...], bias: bool) -> None:
    ours, theirs = Linear(12, 7, bias), nn.Linear(12, 7, bias)
    theirs.load_state_dict(ours.state_dict())
    found = []
    for layer in (ours, theirs):
        x = torch.linspace(-1, 2, math.prod(shape)).view(shape).requires_grad_()
        y = layer(x)
        (y * torch.linspace(-1, 1, y.numel()).view_as(y)).sum().backward()
        found.append([y, x.grad, *(parameter.grad for parameter in layer.parameters())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_linear_of_a_constant() -> None:
    """Inputs without a gradient ask for none."""
    layer = Linear(4, 2)
    layer(torch.ones(3, 4)).sum().backward()
    assert torch.equal(layer.weight.grad, torch.full((2, 4), 3.0))


def test_no_two_layers_drop_the_same() -> None:
    """Layers of one width, in one model or in two, draw masks of their own."""
    torch.manual_seed(0)
    hidden = [*MLP(8, [64, 64], 0.5, False).layers, *MLP(8, [64], 0.5, False).layers]
    masks = [layer.random.integers(0, 2, 256).tolist() for layer in hidden]
    assert all(a != b for a, b in itertools.combinations(masks, 2))
    torch.manual_seed(0)
    again = [*MLP(8, [64, 64], 0.5, False).layers, *MLP(8, [64], 0.5, False).layers]
    assert [layer.random.integers(0, 2, 256).tolist() for layer in again] == masks
