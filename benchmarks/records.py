"""Records of trained recipes, by recipe and seed: what is at hand is not trained again.

A study goes through the seeds breadth-first, so that its table covers all recipes early and
deepens. What the table holds for a recipe's id and seed is not trained again, nor is any model
finished in ``runs/``; the table is written anew after every seed.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import Progress

from zoo.artifact import Artifact, ArtifactError
from zoo.contract import near
from zoo.distill import BASELINES, Workshop, prepare, train
from zoo.recipes import VANILLA, Recipe
from zoo.registry import get_spec, list_recipes
from zoo.results import STUDENT, best_of, checkpoint_path, write_json

Record = dict[str, Any]
Records = dict[str, dict[str, Record]]


@dataclass(frozen=True)
class Study:
    """What is trained, and what is written down of it.

    Attributes:
        path: of the table, whose ``recipes`` hold ``records`` by seed.
        recipes: by name.
        methods: recipe → distillation methods, the deployed one first.
        picked: a model's metrics → what is recorded of it.
        table: records → the table.
    """

    path: Path
    recipes: dict[str, Recipe]
    methods: Callable[[Recipe], list[str]]
    picked: Callable[[dict[str, Any]], Any]
    table: Callable[[Records], dict[str, Any]]

    def run(self, asked: argparse.Namespace) -> None:
        """Train what is missing, seed by seed, and write the table; see ``arguments``."""
        records = self.earlier()
        prepare(asked.threads, "cpu")
        for offset in range(asked.seeds):
            for name in asked.recipes or self.recipes:
                recipe = self.recipes[name].using(seed=self.recipes[name].seed + offset)
                if str(recipe.seed) in records[name]:
                    continue
                found = self.record(recipe, asked.runs)
                if found is None and not asked.finished:
                    self._train(recipe, asked.runs)
                    found = self.record(recipe, asked.runs)
                if found is not None:
                    records[name][str(recipe.seed)] = found
                    write_json(self.path, self.table(records))

    def earlier(self) -> Records:
        """Records of the table at ``path``, by recipe and seed, that recipes would give again."""
        rows = json.loads(self.path.read_text())["recipes"] if self.path.exists() else {}
        return {
            name: {
                seed: found
                for seed, found in rows.get(name, {}).get("records", {}).items()
                if found["id"] == recipe.using(seed=int(seed)).id
            }
            for name, recipe in self.recipes.items()
        }

    def record(self, recipe: Recipe, runs: Path) -> Record | None:
        """A seed's record by role from its finished models, and what needs no training behind
        them; None while any is missing."""
        kind = get_spec(recipe.model).distill_config
        wanted = {"teacher": recipe.teacher} if recipe.teacher else {}
        for index, method in enumerate(self.methods(recipe)):
            wanted["student" if index == 0 else method] = recipe.by(method, kind)
        found: Record = {"id": recipe.id}
        baselines: Record = {}
        for role, made_by in wanted.items():
            try:
                metrics = Artifact.load(checkpoint_path(made_by, runs), verify=False).metrics
            except ArtifactError:
                return None
            found[role] = self.picked(metrics)
            baselines = metrics.get(BASELINES, {})
        return found | {role: self.picked(metrics) for role, metrics in baselines.items()}

    def _train(self, recipe: Recipe, runs: Path) -> None:
        with Progress() as bars:
            shop = Workshop(runs, "cpu", bars)
            train(recipe, [recipe.seed], self.methods(recipe), False, shop)


def real_recipes(task: str, generated: Collection[str]) -> dict[str, Recipe]:
    """The recipes of a task on data that nobody generated, by name."""
    return {
        name: recipe
        for name, recipe in list_recipes().items()
        if get_spec(recipe.model).task == task and recipe.dataset not in generated
    }


def deployed_and_vanilla(recipe: Recipe) -> list[str]:
    """The recipe's method, and labels alone."""
    return list(dict.fromkeys([recipe.method, VANILLA]))


def deployed(recipe: Recipe, records: dict[str, Record]) -> str:
    """The role that is deployed: the student, unless a gate finds another better on validation."""
    spec, methods = get_spec(recipe.model), deployed_and_vanilla(recipe)
    roles = [STUDENT, *methods[1:]] if recipe.gate else [STUDENT]
    per_seed = {int(seed): found for seed, found in records.items()}
    return best_of(per_seed, roles, f"val_{spec.metric}", spec.lower)[0]


def row(recipe: Recipe, records: dict[str, Record]) -> dict[str, Any]:
    """One recipe's records, per role and metric mean and population deviation over seeds, and the
    role that is deployed."""
    first = next(iter(records.values()))
    return {
        "model": recipe.model,
        "dataset": recipe.dataset,
        "teacher": recipe.teacher.model if recipe.teacher else None,
        "seeds": sorted(map(int, records)),
        "deployed": deployed(recipe, records),
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


def arguments(doc: str, recipes: dict[str, Recipe], seeds: int) -> argparse.Namespace:
    """What the command line asks a study for.

    Args:
        doc: of the command's module.
        recipes: that may be asked for.
        seeds: by default.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("recipes", nargs="*", metavar="recipe", help="default: all with real data")
    parser.add_argument("--seeds", type=int, default=seeds)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--finished", action="store_true", help="train nothing")
    asked = parser.parse_args()
    for name in asked.recipes:
        if name not in recipes:
            parser.error(f"no recipe '{name}' with real data: {near(name, recipes)}")
    return asked
