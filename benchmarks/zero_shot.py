"""GPD on a data set it never saw: ``python -m benchmarks.zero_shot``.

The recipe ``gpd-zero-shot`` is trained on several data sets, or found finished. It is then asked
about test windows of another one, with whole histories and with a part of each history missing,
and stands beside the seasonal naive forecast on the same windows.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from benchmarks.conditions import machine
from zoo import checkpoint
from zoo.artifact import versions
from zoo.distill import Workshop, prepare, train
from zoo.recipes import VANILLA
from zoo.registry import get_recipe, get_spec
from zoo.results import write_json

RESULTS = Path(__file__).parent / "results" / "zero_shot.json"
RECIPE = "gpd-zero-shot"
UNSEEN = "etth1"  # its days look like those of no data set in the recipe
WINDOWS = 100  # evenly spaced test windows
PATHS, SEED = 100, 0
MISSING = 0.3  # of each history's values
LEVELS = np.arange(1, 10) / 10

Metrics = dict[str, float]


def main() -> None:
    """Train what is missing, ask, and write the result."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    prepare(asked.threads, "cpu")
    recipe = get_recipe(RECIPE)
    with Progress() as bars:
        shop = Workshop(asked.runs, "cpu", bars)
        run = train(recipe, [recipe.seed], [VANILLA], False, shop)["run"]
        result = compare(asked.runs / run, bars)
    write_json(RESULTS, result)
    for name in ("seasonal_naive", "gpd", "gpd_gaps"):
        print(name, {metric: round(value, 4) for metric, value in result[name].items()})


def compare(run: Path, bars: Progress) -> dict[str, Any]:
    """What a checkpoint's paths are worth on the unseen data set, and the naive forecast.

    Args:
        run: folder of the checkpoint.
        bars: shows the windows.
    """
    artifact, model, config = checkpoint.load(run)
    spec, recipe = get_spec("gpd"), checkpoint.recipe_of(artifact)
    data = spec.data(get_recipe(f"gpd-{UNSEEN}"))
    table, test = data.table, data.parts["test"]
    ids = np.linspace(0, len(test) - 1, WINDOWS).round().astype(int)
    history, future = test.history(ids), test.future(ids)
    center, scale = table.center[:, None], table.scale[:, None]
    gaps = np.random.default_rng(SEED).random(history.shape) < MISSING
    found: dict[str, Any] = {}
    for name, given in (("gpd", history), ("gpd_gaps", np.where(gaps, np.nan, history))):
        task = bars.add_task(name, total=None)
        assert spec.forecast is not None
        drawn = spec.forecast(
            model,
            given.reshape(-1, given.shape[-1]).astype(np.float32),
            config.horizon,
            PATHS,
            SEED,
            lambda done, total, task=task: bars.update(task, completed=done, total=total),
        )
        drawn = drawn.reshape(*given.shape[:2], PATHS, -1)
        quantiles = np.quantile((drawn - center[:, None]) / scale[:, None], LEVELS, axis=2)
        found[name] = _metrics(
            (drawn.mean(axis=2) - center) / scale, quantiles, (future - center) / scale
        )
    return {
        "trained_on": recipe.dataset,
        "unseen": UNSEEN,
        "windows": WINDOWS,
        "paths": PATHS,
        "missing": MISSING,
        "scale": "less the mean, over the deviation of the unseen data set's training part",
        **found,
        "seasonal_naive": _naive(table, data, ids),
        "machine": machine(),
        "versions": versions("torch", "numpy"),
    }


def _naive(table: Any, data: Any, ids: np.ndarray) -> Metrics:
    """The season before, with the quantiles of its residuals over the test's own histories."""
    test, horizon = data.parts["test"], data.config.horizon
    history, future = test.history(ids), test.future(ids)
    scale = table.scale[:, None]
    season = history[..., -table.period :]
    repeats = -(-horizon // table.period)
    naive = np.tile(season, repeats)[..., :horizon]
    train = data.parts["train"]
    few = np.linspace(0, len(train) - 1, 500).round().astype(int)
    before = np.tile(train.history(few)[..., -table.period :], repeats)[..., :horizon]
    residuals = (train.future(few) - before) / scale
    spread = np.nanquantile(residuals, LEVELS, axis=(0,))
    point = (naive - table.center[:, None]) / scale
    came = (future - table.center[:, None]) / scale
    return _metrics(point, point + spread[:, None], came)


def _metrics(mean: np.ndarray, quantiles: np.ndarray, came: np.ndarray) -> Metrics:
    """Shapes: mean, came (windows, channels, horizon), quantiles with an axis of levels before."""
    error = came - quantiles
    levels = LEVELS.reshape(-1, 1, 1, 1)
    inside = (quantiles[0] <= came) & (came <= quantiles[-1])
    return {
        "mse": float(np.mean((mean - came) ** 2)),
        "crps": float(2 * np.mean(np.maximum(levels * error, (levels - 1) * error))),
        "coverage80": float(inside.mean()),
    }


if __name__ == "__main__":
    main()
