"""A family of one model that draws paths: its history's last value, and noise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from zoo import checkpoint
from zoo.recipes import Recipe
from zoo.spec import ModelSpec

NAME = "drawer"


@dataclass(frozen=True)
class Config:
    horizon: int = 5

    def reach(self, horizon: int) -> int:
        """Steps drawn at a time."""
        return 10


class Drawer(nn.Module):
    """Shapes: none; ``weight`` is the deviation of a step."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))


def forecast(
    module: Any, history: np.ndarray, horizon: int, paths: int, seed: int, progress: Any
) -> np.ndarray:
    """A random walk from the last value of each channel."""
    progress(1, 2)
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(len(history), paths, horizon)) * module.weight.item()
    progress(2, 2)
    return (history[:, -1, None, None] + steps.cumsum(-1)).astype(np.float32)


def unused(*_: Any) -> Any:
    raise AssertionError


MODELS = [
    ModelSpec(
        name=NAME,
        doc="A random walk.",
        task="forecasting",
        config=Config,
        data_config=Config,
        distill_config=Config,
        data=unused,
        build=lambda config: Drawer(),
        objective=unused,
        outputs=unused,
        evaluate=unused,
        metric="mse",
        exports={},
        forecast=forecast,
    )
]
DATASETS: list[str] = []


def save(runs: Path, name: str = f"{NAME}-walks", seed: int = 1, weight: float = 1.0) -> Path:
    """A checkpoint, as training leaves it."""
    recipe = Recipe(name=name, model=NAME, dataset="walks", seed=seed)
    module = Drawer()
    nn.init.constant_(module.weight, weight)
    path = runs / f"{name}-{recipe.id}"
    checkpoint.save(path, module, Config(), recipe, {}, {}, {})
    return path
