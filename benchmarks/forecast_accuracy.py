"""The table of all forecasters: ``python -m benchmarks.forecast_accuracy``, for hours, resumable.

What needs no training stands beside them, as roles of its own. See ``records`` for what is not
trained again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.conditions import machine
from benchmarks.records import (
    Record,
    Records,
    Study,
    arguments,
    deployed_and_vanilla,
    real_recipes,
    row,
)
from zoo.artifact import versions
from zoo.recipes import Recipe, from_table
from zoo.registry import get_spec

RESULTS = Path(__file__).parent / "results" / "forecast_accuracy.json"
TASK = "forecasting"
GENERATED = {"waves"}
SEEDS = 3
METRICS = [
    f"{part}_{metric}"
    for part in ("val", "test")
    for metric in ("mse", "mae", "crps", "coverage80", "width80")
]
TIME = "train_seconds"
CONDITIONS = {
    "metrics": "mse of the mean, mae of the median, crps of nine quantiles, coverage80 and width80 "
    "of what lies between quantiles 0.1 and 0.9; on values less their mean, over their deviation "
    "in the training part",
    "windows": "all of a part; of gpd evenly spaced ones",
    "selection": "on validation alone",
}


def main() -> None:
    """Train what is missing, seed by seed, and write the table."""
    recipes = real_recipes(TASK, GENERATED)
    asked = arguments(str(__doc__), recipes, SEEDS)
    study(RESULTS, recipes).run(asked)


def study(path: Path, recipes: dict[str, Recipe]) -> Study:
    """The study whose table is at ``path``."""
    return Study(
        path, recipes, deployed_and_vanilla, picked, lambda records: table(recipes, records)
    )


def picked(metrics: dict[str, Any]) -> dict[str, float]:
    """What is recorded of a model, or of what needs no training."""
    return {metric: metrics[metric] for metric in (*METRICS, TIME) if metric in metrics}


def table(recipes: dict[str, Recipe], records: Records) -> dict[str, Any]:
    """All records, and their means by role."""
    return {
        **CONDITIONS,
        "machine": machine(),
        "versions": versions("torch", "numpy"),
        "recipes": {name: _row(recipes[name], found) for name, found in records.items() if found},
    }


def _row(recipe: Recipe, records: dict[str, Record]) -> dict[str, Any]:
    """One recipe's means; how far it looks back and ahead."""
    data = from_table(get_spec(recipe.model).data_config, recipe.data, f"{recipe.name}.data")
    return {"lookback": data.lookback, "horizon": data.horizon, **row(recipe, records)}


if __name__ == "__main__":
    main()
