"""FinalMLP and its ablations are as large as their authors' and begin as theirs do."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from zoo.families.ctr.crosses import DCNv2, DCNv2Config
from zoo.families.ctr.finalmlp import DualMLP, DualMLPConfig, FinalMLP, FinalMLPConfig
from zoo.families.ctr.layout import Field, Layout


def layout_of(sizes: dict[str, int]) -> dict[str, Any]:
    """Categorical fields of given sizes, numeric ones where that is 0."""
    kinds = {True: "categorical", False: "numeric"}
    fields = [Field(n, kinds[size > 0], "item", size, min(size, 1)) for n, size in sizes.items()]
    return Layout(tuple(fields)).to_dict()


NUMERICS = [f"I{k}" for k in range(1, 14)]
CRITEO = layout_of(
    {
        **dict.fromkeys(NUMERICS, 0),
        "C1": 2_086_329 - 23 - 24 * 2,  # the sum over fields is what counts, and C6 alone
        **{f"C{k}": 23 if k == 6 else 2 for k in range(2, 27)},
    }
)
AVAZU = layout_of({"f0": 1_298_621 - 21 * 2, **{f"f{k}": 2 for k in range(1, 22)}})
MOVIELENS = layout_of({"user": 16_977, "item": 23_606, "tag": 49_659})
FRAPPE = layout_of(
    {
        **{"user": 956, "item": 4084, "daytime": 9, "weekday": 9, "isweekend": 4},
        **{"homework": 5, "cost": 4, "weather": 11, "country": 82, "city": 235},
    }
)
PUBLISHED = [
    (CRITEO, [400] * 3, [1000], 800, NUMERICS, ["C6"], 200, 22_478_162),
    (AVAZU, [400] * 3, [800], 800, [], [], 10, 13_979_472),
    (MOVIELENS, [400], [800], 800, [], [], 10, 1_040_902),
    (FRAPPE, [400], [100], 400, ["user"], ["item"], 5, 253_392),
]


def size(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("layout", "mlp1", "mlp2", "hidden", "context1", "context2", "heads", "parameters"), PUBLISHED
)
def test_published_sizes_of_finalmlp(
    layout: dict[str, Any],
    mlp1: list[int],
    mlp2: list[int],
    hidden: int,
    context1: list[str],
    context2: list[str],
    heads: int,
    parameters: int,
) -> None:
    gates = {"fs_hidden": [hidden], "fs1_context": context1, "fs2_context": context2}
    with torch.device("meta"):
        model = FinalMLP(FinalMLPConfig(layout, mlp1=mlp1, mlp2=mlp2, heads=heads, **gates))
    assert size(model) == parameters


@pytest.mark.parametrize(
    ("layout", "mlp2", "parameters"),
    [
        (CRITEO, [400] * 3, 21_823_422),
        (AVAZU, [400], 13_487_812),
        (MOVIELENS, [400], 1_252_022),
        (FRAPPE, [500] * 3, 972_992),
    ],
)
def test_published_sizes_of_dualmlp(
    layout: dict[str, Any], mlp2: list[int], parameters: int
) -> None:
    with torch.device("meta"):
        assert size(DualMLP(DualMLPConfig(layout, mlp2=mlp2))) == parameters


def test_size_of_dcnv2() -> None:
    assert size(DCNv2(DCNv2Config(FRAPPE))) == 458_491


def test_initial_weights() -> None:
    torch.manual_seed(0)
    model = FinalMLP(FinalMLPConfig(FRAPPE, mlp1=[400], mlp2=[100], heads=5))
    assert model.embedding.table[1:956].std().item() == pytest.approx(1e-4, rel=0.05)
    assert not model.embedding.table[model.embedding.padding].any()
    expected = {
        model.mlp1.layers[0].linear: math.sqrt(2 / (100 + 400)),
        model.gate1.layers[2]: math.sqrt(2 / (400 + 100)),
        model.fusion.linear1: math.sqrt(2 / (400 + 1)),
    }
    for linear, std in expected.items():
        assert linear.weight.std().item() == pytest.approx(std, rel=0.15)
        assert not linear.bias.any()
    std = math.sqrt(2 / (400 * 100 / 5 + 1))
    assert model.fusion.bilinear.std().item() == pytest.approx(std, rel=0.05)
