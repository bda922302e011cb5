"""The accuracy table of all recipes: ``python -m benchmarks.accuracy``, for hours, resumable.

See ``records`` for what is not trained again.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from benchmarks.conditions import machine
from benchmarks.records import Record, Records, Study, arguments, real_recipes
from zoo.artifact import versions
from zoo.recipes import VANILLA, Recipe

RESULTS = Path(__file__).parent / "results" / "accuracy.json"
TASK = "node-classification"
SYNTHETIC = {"toy", "power-law"}
ABLATED = {"mlp-cora", "mlp-citeseer"}
BEYOND = {"mlp-cora-plus", "mlp-citeseer-plus"}  # of our own; not in the paper's average
ABLATIONS = ["glnn", "low", "high"]
CONDITIONS = {
    "metric": "test accuracy, fraction",
    "setting": "transductive",
    "selection": "on validation alone",
}


def main() -> None:
    """Train what is missing, seed by seed, and write the table."""
    recipes = real_recipes(TASK, SYNTHETIC)
    asked = arguments(str(__doc__), recipes, seeds=5)
    study(RESULTS, recipes).run(asked)


def study(path: Path, recipes: dict[str, Recipe]) -> Study:
    """The study whose table is at ``path``."""
    return Study(path, recipes, methods_of, picked, lambda records: table(recipes, records))


def methods_of(recipe: Recipe) -> list[str]:
    """The deployed method, the label-only baseline, and on two graphs the ablations."""
    ablations = ABLATIONS if recipe.name in ABLATED else []
    return [recipe.distill["method"], VANILLA, *ablations]


def picked(metrics: dict[str, Any]) -> dict[str, float]:
    """What is recorded of a model."""
    return {part: metrics[f"{part}_accuracy"] for part in ("val", "test")}


def table(recipes: dict[str, Recipe], records: Records) -> dict[str, Any]:
    """All records, their means by role, and the averages over recipes."""
    rows = {n: _row(recipes[n], found) for n, found in records.items() if found}
    return {
        **CONDITIONS,
        "machine": machine(),
        "versions": versions("torch", "numpy", "scipy"),
        "average": _average(rows),
        "recipes": rows,
    }


def _row(recipe: Recipe, records: dict[str, Record]) -> dict[str, Any]:
    """One recipe's records, and per role the mean and population deviation over its seeds."""
    roles = [role for role in next(iter(records.values())) if role != "id"]
    tests = {role: [found[role]["test"] for found in records.values()] for role in roles}
    return {
        "dataset": recipe.dataset,
        "teacher": recipe.teacher.model if recipe.teacher else None,
        "beyond_paper": recipe.name in BEYOND,
        "seeds": sorted(map(int, records)),
        "roles": {
            role: {"mean": statistics.fmean(test), "std": statistics.pstdev(test)}
            for role, test in tests.items()
        },
        "records": records,
    }


def _average(rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Mean differences of the student to its teacher and to vanilla, every recipe counting once."""
    paper = [row["roles"] for row in rows.values() if not row["beyond_paper"]]
    means = [{role: v["mean"] for role, v in roles.items()} for roles in paper]
    return {
        "recipes": len(paper),
        "student_minus_teacher": statistics.fmean(m["student"] - m["teacher"] for m in means),
        "student_minus_vanilla": statistics.fmean(m["student"] - m[VANILLA] for m in means),
    }


if __name__ == "__main__":
    main()
