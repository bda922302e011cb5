"""A trained click model as it is served: nothing is computed that is known beforehand."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import nn

from zoo.families.ctr.finalmlp import FinalMLP
from zoo.families.ctr.gate import Gate
from zoo.families.ctr.mlp import MLP, Hidden


@torch.no_grad()
def folded(model: nn.Module) -> nn.Module:
    """A copy without batch normalisation, dropout and gates that are the same for all rows.

    Batch normalisation is part of the linear map before it, a static gate of the one behind it.
    """
    served = copy.deepcopy(model).eval()
    for module in list(served.modules()):
        if isinstance(module, FinalMLP):
            module.gate1 = _folded_gate(module.gate1, module.mlp1)
            module.gate2 = _folded_gate(module.gate2, module.mlp2)
    for module in served.modules():
        if isinstance(module, MLP):
            module.layers = folded_layers(module)
    return served


def _folded_gate(gate: Gate | None, mlp: MLP) -> Gate | None:
    """What is left of a gate; a static one moves into ``mlp``."""
    if gate is None:
        return None
    gate.keyed = False  # graphs have no operator that finds rows of equal context
    if gate.embedding is not None:
        return gate
    first = mlp.layers[0]
    assert isinstance(first, Hidden)
    assert gate.constant is not None
    first.linear.weight.mul_(gate.gate(gate.constant))
    return None


@torch.no_grad()
def folded_layers(mlp: MLP) -> nn.Sequential:
    """The layers of an MLP as linear maps and ReLU."""
    layers: list[nn.Module] = []
    for hidden in mlp.layers:
        assert isinstance(hidden, Hidden)
        layers += [folded_linear(hidden), nn.ReLU()]
    return nn.Sequential(*layers)


def folded_linear(hidden: Hidden) -> nn.Linear:
    """The linear map of a layer with its batch normalisation, folded in double precision."""
    weight, bias = hidden.linear.weight.double(), hidden.linear.bias.double()
    norm = hidden.norm
    if norm is not None:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        slope = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        weight = weight * slope[:, None]
        bias = (bias - norm.running_mean.double()) * slope + norm.bias.double()
    return linear(weight, bias)


def linear(weight: torch.Tensor, bias: torch.Tensor) -> nn.Linear:
    """A linear map of given weights. Shapes: (out, in), (out,)."""
    made = nn.Linear(weight.shape[1], weight.shape[0])
    made.weight.copy_(weight)
    made.bias.copy_(bias)
    return made


def known(ids: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
    """Ids with those out of range replaced by the last of their field, which stands for unknown.

    Shapes: (..., slots) → (..., slots).
    """
    last = torch.tensor(sizes, dtype=torch.int64, device=ids.device) - 1
    return torch.minimum(torch.where(ids < 0, last, ids), last)
