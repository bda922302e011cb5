"""The table of all click recipes: ``python -m benchmarks.ctr_accuracy``, for hours, resumable.

Logistic regression is a recipe among them, so every dataset's rows stand beside it. See
``records`` for what is not trained again.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.conditions import machine
from benchmarks.records import Record, Records, Study, arguments
from zoo.artifact import versions
from zoo.recipes import VANILLA, Recipe
from zoo.registry import get_spec, list_recipes

RESULTS = Path(__file__).parent / "results" / "ctr_accuracy.json"
TASK = "click-prediction"
GENERATED = {"clicks", "wide-log"}
SEEDS = 3
METRICS = [
    f"{part}_{metric}"
    for part in ("val", "test")
    for metric in ("auc", "logloss", "calibration", "ece")
]
CONDITIONS = {
    "metrics": "auc; logloss, mean, natural logarithm; calibration, sum of scores over clicks; "
    "ece, fraction",
    "selection": "on validation alone",
}


def main() -> None:
    """Train what is missing, seed by seed, and write the table."""
    recipes = real_recipes()
    asked = arguments(str(__doc__), recipes, SEEDS)
    study(RESULTS, recipes).run(asked)


def real_recipes() -> dict[str, Recipe]:
    """The click recipes on data that nobody generated."""
    return {
        name: recipe
        for name, recipe in list_recipes().items()
        if get_spec(recipe.model).task == TASK and recipe.dataset not in GENERATED
    }


def study(path: Path, recipes: dict[str, Recipe]) -> Study:
    """The study whose table is at ``path``."""
    return Study(path, recipes, methods_of, picked, lambda records: table(recipes, records))


def methods_of(recipe: Recipe) -> list[str]:
    """The deployed method, and labels alone."""
    return list(dict.fromkeys([recipe.method, VANILLA]))


def picked(metrics: Mapping[str, Any]) -> dict[str, float]:
    """What is recorded of a model."""
    return {name: metrics[name] for name in METRICS}


def table(recipes: dict[str, Recipe], records: Records) -> dict[str, Any]:
    """All records, and their means by role."""
    return {
        **CONDITIONS,
        "machine": machine(),
        "versions": versions("torch", "numpy"),
        "recipes": {name: _row(recipes[name], found) for name, found in records.items() if found},
    }


def _row(recipe: Recipe, records: dict[str, Record]) -> dict[str, Any]:
    """One recipe's records, and per role and metric mean and population deviation over seeds."""
    first = next(iter(records.values()))
    return {
        "model": recipe.model,
        "dataset": recipe.dataset,
        "teacher": recipe.teacher.model if recipe.teacher else None,
        "seeds": sorted(map(int, records)),
        "roles": {
            role: {
                metric: _spread([found[role][metric] for found in records.values()])
                for metric in first[role]
            }
            for role in first
            if role != "id"
        },
        "records": records,
    }


def _spread(values: list[float]) -> dict[str, float]:
    return {"mean": statistics.fmean(values), "std": statistics.pstdev(values)}


if __name__ == "__main__":
    main()
