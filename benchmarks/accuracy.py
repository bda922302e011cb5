"""The accuracy table of all recipes: ``python -m benchmarks.accuracy``, for hours, resumable.

Goes through the seeds breadth-first, so that the table covers all recipes early and deepens.
What ``results/accuracy.json`` holds for a recipe's id and seed is not trained again, nor is any
model finished in ``runs/``; the table is written anew after every seed.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from rich.progress import Progress

from benchmarks.conditions import machine
from zoo.artifact import Artifact, ArtifactError, versions
from zoo.distill import Workshop, prepare, train
from zoo.registry import list_recipes
from zoo.results import checkpoint_path, write_json
from zoo.spec import VANILLA, Recipe

RESULTS = Path(__file__).parent / "results" / "accuracy.json"
SYNTHETIC = {"toy", "power-law"}
ABLATED = {"mlp-cora", "mlp-citeseer"}
BEYOND = {"mlp-cora-plus", "mlp-citeseer-plus"}  # of our own; not in the paper's average
ABLATIONS = ["glnn", "low", "high"]
CONDITIONS = {
    "metric": "test accuracy, fraction",
    "setting": "transductive",
    "selection": "on validation alone",
}

Record = dict[str, Any]


def main() -> None:
    """Train what is missing, seed by seed, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipes", nargs="*", help="default: all with real data")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--finished", action="store_true", help="train nothing")
    asked = parser.parse_args()
    real = {n: r for n, r in list_recipes().items() if r.dataset not in SYNTHETIC}
    records = earlier(RESULTS, real)
    prepare(asked.threads, "cpu")
    for offset in range(asked.seeds):
        for name in asked.recipes or real:
            recipe = real[name].using(seed=real[name].seed + offset)
            if str(recipe.seed) in records[name]:
                continue
            found = record(recipe, asked.runs)
            if found is None and not asked.finished:
                _train(recipe, asked.runs)
                found = record(recipe, asked.runs)
            if found is not None:
                records[name][str(recipe.seed)] = found
                write_json(RESULTS, table(real, records))


def earlier(path: Path, recipes: dict[str, Recipe]) -> dict[str, dict[str, Record]]:
    """Records of an earlier table, by recipe and seed, that today's recipes would give again."""
    rows = json.loads(path.read_text())["recipes"] if path.exists() else {}
    return {
        name: {
            seed: found
            for seed, found in rows.get(name, {}).get("records", {}).items()
            if found["id"] == recipe.using(seed=int(seed)).id
        }
        for name, recipe in recipes.items()
    }


def _train(recipe: Recipe, runs: Path) -> None:
    with Progress() as bars:
        train(recipe, [recipe.seed], methods_of(recipe), False, Workshop(runs, "cpu", bars))


def methods_of(recipe: Recipe) -> list[str]:
    """The deployed method, the label-only baseline, and on two graphs the ablations."""
    ablations = ABLATIONS if recipe.name in ABLATED else []
    return [recipe.distill["method"], VANILLA, *ablations]


def record(recipe: Recipe, runs: Path) -> Record | None:
    """A seed's accuracies by role from its finished models; None while any is missing."""
    wanted = {"teacher": recipe.teacher} if recipe.teacher else {}
    for index, method in enumerate(methods_of(recipe)):
        wanted["student" if index == 0 else method] = recipe.by(method)
    found: Record = {"id": recipe.id}
    for role, made_by in wanted.items():
        try:
            metrics = Artifact.load(checkpoint_path(made_by, runs), verify=False).metrics
        except ArtifactError:
            return None
        found[role] = {part: metrics[f"{part}_accuracy"] for part in ("val", "test")}
    return found


def table(recipes: dict[str, Recipe], records: dict[str, dict[str, Record]]) -> dict[str, Any]:
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
