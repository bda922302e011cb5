"""What a student learns from: the outputs of its teachers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from zoo import checkpoint
from zoo.artifact import Artifact
from zoo.recipes import Recipe, RecipeError
from zoo.registry import get_spec

UNAVERAGED = ("forecasting",)  # tasks whose models give draws, or several outputs at once


class Ensemble(nn.Module):
    """The mean output of several models of one config. Shapes: as its members."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.config = members[0].config

    def forward(self, *inputs: Any) -> torch.Tensor:
        """Mean of the members' outputs."""
        return torch.stack([member(*inputs) for member in self.members]).mean(dim=0)


def check_averaged(recipe: Recipe) -> None:
    """Refuse several teachers whose outputs have no mean.

    Raises:
        RecipeError: the student's recipe asks for them.
    """
    if recipe.teachers > 1 and recipe.teacher is not None:
        model = recipe.teacher.model
        if get_spec(model).task in UNAVERAGED:
            raise RecipeError(
                f"{recipe.name} has teachers = {recipe.teachers}, but what several of {model} "
                "forecast has no mean to learn from: set teachers = 1"
            )


def taught(
    recipe: Recipe, teachers: Sequence[Artifact], data: Any, device: str
) -> torch.Tensor | None:
    """What a student learns from its teachers; None without one.

    Args:
        recipe: of the student.
        teachers: one, one for each fold, or several whose mean is taught.
        data: the student's.
        device: where they are asked.
    """
    if not teachers:
        return None
    members = [checkpoint.load(teacher.path)[1] for teacher in teachers]
    spec = get_spec(teachers[0].recipe["model"])
    if recipe.folds == 1:
        model = Ensemble(members) if len(members) > 1 else members[0]
        return spec.outputs(model.to(device), data)
    seen = [spec.data(checkpoint.recipe_of(teacher)) for teacher in teachers]
    parts = [spec.outputs(m.to(device), d) for m, d in zip(members, seen, strict=True)]
    order = torch.from_numpy(np.argsort(np.concatenate([d.taught for d in seen])))
    return torch.cat(parts)[order.to(device)]
