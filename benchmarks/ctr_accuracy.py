"""The table of all click recipes: ``python -m benchmarks.ctr_accuracy``, for hours, resumable.

Logistic regression is a recipe among them, so every dataset's rows stand beside it. See
``records`` for what is not trained again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.conditions import machine
from benchmarks.records import Records, Study, arguments, deployed_and_vanilla, real_recipes, row
from zoo.artifact import versions
from zoo.recipes import Recipe

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
    recipes = real_recipes(TASK, GENERATED)
    asked = arguments(str(__doc__), recipes, SEEDS)
    study(RESULTS, recipes).run(asked)


def study(path: Path, recipes: dict[str, Recipe]) -> Study:
    """The study whose table is at ``path``."""
    return Study(
        path, recipes, deployed_and_vanilla, picked, lambda records: table(recipes, records)
    )


def picked(metrics: Mapping[str, Any]) -> dict[str, float]:
    """What is recorded of a model."""
    return {name: metrics[name] for name in METRICS}


def table(recipes: dict[str, Recipe], records: Records) -> dict[str, Any]:
    """All records, and their means by role."""
    return {
        **CONDITIONS,
        "machine": machine(),
        "versions": versions("torch", "numpy"),
        "recipes": {name: row(recipes[name], found) for name, found in records.items() if found},
    }


if __name__ == "__main__":
    main()
