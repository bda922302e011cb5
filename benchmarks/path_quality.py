"""Checkpoints that draw sample paths, and what paths and plain forecasts are worth."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from zoo.distill import Workshop, prepare, train
from zoo.recipes import VANILLA
from zoo.registry import get_recipe

LEVELS = np.arange(1, 10) / 10
SEED = 0

Metrics = dict[str, float]
Told = Callable[[int, int], None]


@contextmanager
def finished(description: str, name: str) -> Iterator[tuple[Path, Progress]]:
    """The checkpoint of a recipe, found finished or trained, as the command line says.

    Args:
        description: of the command; its first line is its help.
        name: of the recipe.

    Yields:
        Its folder, and what shows the progress of whatever is done with it.
    """
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    prepare(asked.threads, "cpu")
    recipe = get_recipe(name)
    with Progress() as bars:
        shop = Workshop(asked.runs, "cpu", bars)
        run = train(recipe, [recipe.seed], [VANILLA], False, shop)["run"]
        yield asked.runs / run, bars


@dataclass(frozen=True)
class Asked:
    """Evenly spaced windows of one part of a series.

    Attributes:
        history, future: (windows, channels, time) float32, in the series' own unit.
        center, scale: (channels, 1): the scale of metrics.
    """

    history: np.ndarray
    future: np.ndarray
    center: np.ndarray
    scale: np.ndarray

    @staticmethod
    def of(data: Any, part: str, count: int) -> Asked:
        """So many windows of a part of a recipe's data."""
        windows = data.parts[part]
        ids = np.linspace(0, len(windows) - 1, count).round().astype(int)
        center, scale = data.table.center[:, None], data.table.scale[:, None]
        return Asked(windows.history(ids), windows.future(ids), center, scale)

    def score(self, mean: np.ndarray, quantiles: np.ndarray) -> Metrics:
        """MSE, CRPS of nine levels and coverage of the 80 % interval, standardised.

        Shapes: mean (windows, channels, horizon), quantiles (9, windows, channels, horizon), in
        the series' own unit.
        """
        came = (self.future - self.center) / self.scale
        mean, quantiles = ((a - self.center) / self.scale for a in (mean, quantiles))
        error, levels = came - quantiles, LEVELS.reshape(-1, 1, 1, 1)
        inside = (quantiles[0] <= came) & (came <= quantiles[-1])
        return {
            "mse": float(np.mean((mean - came) ** 2)),
            "crps": float(2 * np.mean(np.maximum(levels * error, (levels - 1) * error))),
            "coverage80": float(inside.mean()),
        }


def of_paths(
    forecast: Callable[..., np.ndarray], model: Any, asked: Asked, paths: int, told: Told
) -> Metrics:
    """Of the mean of paths and of their empirical quantiles.

    Args:
        forecast: the model's, as ``ModelSpec.forecast``.
        model: the trained module.
        asked: histories, and what came.
        paths: drawn of every series.
        told: called with (done, total).
    """
    history, horizon = asked.history, asked.future.shape[-1]
    rows = history.reshape(-1, history.shape[-1]).astype(np.float32)
    drawn = forecast(model, rows, horizon, paths, SEED, told)
    drawn = drawn.reshape(*history.shape[:2], paths, horizon)
    return asked.score(drawn.mean(axis=2), np.quantile(drawn, LEVELS, axis=2))


def seasonal_naive(asked: Asked, before: Asked, period: int) -> Metrics:
    """The last season again, with the quantiles of what that was wrong by in earlier windows."""
    horizon = asked.future.shape[-1]
    spread = np.quantile(before.future - _again(before, period, horizon), LEVELS, axis=0)
    point = _again(asked, period, horizon)
    return asked.score(point, point + spread[:, None])


def _again(asked: Asked, period: int, horizon: int) -> np.ndarray:
    season = asked.history[..., -period:]
    return np.tile(season, -(-horizon // period))[..., :horizon]
