"""Several click models as one: the mean of their logits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from zoo.contract import near
from zoo.families.ctr.attention import AutoInt, AutoIntConfig
from zoo.families.ctr.crosses import (
    DCNv2,
    DCNv2Config,
    LogReg,
    LogRegConfig,
    XDeepFM,
    XDeepFMConfig,
)
from zoo.families.ctr.finalmlp import DualMLP, DualMLPConfig, FinalMLP, FinalMLPConfig
from zoo.recipes import RecipeError, from_table

KINDS: dict[str, tuple[type, Callable[[Any], nn.Module]]] = {
    "finalmlp": (FinalMLPConfig, FinalMLP),
    "dualmlp": (DualMLPConfig, DualMLP),
    "dcnv2": (DCNv2Config, DCNv2),
    "xdeepfm": (XDeepFMConfig, XDeepFM),
    "autoint": (AutoIntConfig, AutoInt),
    "logreg": (LogRegConfig, LogReg),
}


@dataclass(frozen=True)
class EnsembleConfig:
    """Which models are averaged.

    Attributes:
        layout: the click log's fields, from the data.
        members: of each, its ``model`` and the ``config`` that its own recipe would have.
    """

    layout: dict[str, Any]
    members: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.members:
            raise ValueError("members is empty: expected a list of {model, config}")
        for number, member in enumerate(self.members, start=1):
            if unknown := set(member) - {"model", "config"}:
                raise ValueError(f"unknown key '{min(unknown)}' in member {number}")
            self.member(number)

    def member(self, number: int) -> Any:
        """Config of a member, counted from 1.

        Raises:
            RecipeError: an unknown model or key.
        """
        raw = self.members[number - 1]
        name = raw.get("model", "")
        if name not in KINDS:
            raise RecipeError(f"member {number} has unknown model '{name}': {near(name, KINDS)}")
        table = {**raw.get("config", {}), "layout": self.layout}
        return from_table(KINDS[name][0], table, f"member {number}")


class CTREnsemble(nn.Module):
    """Click models over the same inputs, trained side by side, each on a loss of its own.

    Shapes: ids (rows, slots) int64, numeric (rows, numerics) float32 → logits (rows,).
    """

    def __init__(self, config: EnsembleConfig) -> None:
        super().__init__()
        self.config = config
        self.members = nn.ModuleList(
            KINDS[raw["model"]][1](config.member(number))
            for number, raw in enumerate(config.members, start=1)
        )

    def forward(self, ids: torch.Tensor, numeric: torch.Tensor | None = None) -> torch.Tensor:
        """Mean of the members' logits."""
        logits = [member(ids, numeric) for member in self.members]
        return torch.stack(logits).mean(dim=0)
