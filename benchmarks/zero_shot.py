"""GPD on a data set it never saw: ``python -m benchmarks.zero_shot``.

The recipe ``gpd-zero-shot`` is trained on several data sets, or found finished. It is then asked
about test windows of another one, with whole histories and with a part of each history missing,
and stands beside the seasonal naive forecast of the same windows.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from benchmarks.conditions import machine
from benchmarks.path_quality import SEED, Asked, finished, of_paths, seasonal_naive
from zoo import checkpoint
from zoo.artifact import versions
from zoo.registry import get_recipe, get_spec
from zoo.results import write_json

RESULTS = Path(__file__).parent / "results" / "zero_shot.json"
RECIPE, UNSEEN = "gpd-zero-shot", "gpd-etth1"  # the recipe whose data set the first never saw
WINDOWS = 100  # evenly spaced test windows
BEFORE = 500  # training windows whose residuals are the naive forecast's quantiles
PATHS = 100
MISSING = 0.3  # of each history's values


def main() -> None:
    """Train what is missing, ask, and write the result."""
    with finished(str(__doc__), RECIPE) as (run, bars):
        result = compare(run, bars)
    write_json(RESULTS, result)
    for name in ("seasonal_naive", "gpd", "gpd_gaps"):
        print(name, {metric: round(value, 4) for metric, value in result[name].items()})


def compare(run: Path, bars: Progress) -> dict[str, Any]:
    """What a checkpoint's paths are worth on the unseen data set, and the naive forecast.

    Args:
        run: folder of the checkpoint.
        bars: shows the windows.
    """
    artifact, model, _ = checkpoint.load(run)
    forecast = get_spec("gpd").forecast
    assert forecast is not None
    data = get_spec("gpd").data(get_recipe(UNSEEN))
    whole = Asked.of(data, "test", WINDOWS)
    missing = np.random.default_rng(SEED).random(whole.history.shape) < MISSING
    gappy = replace(whole, history=np.where(missing, np.float32(np.nan), whole.history))
    found = {}
    for name, asked in (("gpd", whole), ("gpd_gaps", gappy)):
        told = partial(_tell, bars, bars.add_task(name, total=None))
        found[name] = of_paths(forecast, model, asked, PATHS, told)
    naive = seasonal_naive(whole, Asked.of(data, "train", BEFORE), data.table.period)
    return {
        "trained_on": artifact.recipe["dataset"],
        "unseen": data.table.name,
        "windows": WINDOWS,
        "paths": PATHS,
        "missing": MISSING,
        "scale": "less the mean, over the deviation of the unseen data set's training part",
        **found,
        "seasonal_naive": naive,
        "machine": machine(),
        "versions": versions("torch", "numpy"),
    }


def _tell(bars: Progress, task: Any, done: int, total: int) -> None:
    bars.update(task, completed=done, total=total)


if __name__ == "__main__":
    main()
