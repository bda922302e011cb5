"""Which families, models and recipes there are. A new family is one line in ``FAMILIES``."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from zoo.contract import near
from zoo.recipes import Recipe, RecipeError, read_recipes
from zoo.sources import DataError
from zoo.spec import ModelSpec

FAMILIES = {
    "graph_mlp": "zoo.families.graph_mlp",
    "ctr": "zoo.families.ctr",
    "forecast": "zoo.families.forecast",
}


def list_models() -> dict[str, ModelSpec]:
    """Every model by name."""
    models: dict[str, ModelSpec] = {}
    for module in FAMILIES.values():
        models |= {spec.name: spec for spec in importlib.import_module(module).MODELS}
    return models


def get_spec(name: str) -> ModelSpec:
    """The model called ``name``.

    Raises:
        RecipeError: no such model; names the near ones.
    """
    models = list_models()
    if name not in models:
        raise RecipeError(f"unknown model '{name}': {near(name, models)}")
    return models[name]


def list_recipes() -> dict[str, Recipe]:
    """Every recipe by name, in file order."""
    recipes: dict[str, Recipe] = {}
    for module in FAMILIES.values():
        folder = Path(__file__).parent / Path(*module.split(".")[1:])
        recipes |= read_recipes(folder / "recipes.toml")
    return recipes


def get_recipe(name: str) -> Recipe:
    """The recipe called ``name``.

    Raises:
        RecipeError: no such recipe; names the near ones.
    """
    recipes = list_recipes()
    if name not in recipes:
        raise RecipeError(f"unknown recipe '{name}': {near(name, recipes)}")
    return recipes[name]


def read_schema(model: str, schema: Path, log: Path) -> dict[str, Any]:
    """What a schema file says about a log of the user's, as a recipe's data settings hold it.

    Raises:
        RecipeError: the schema is at fault, or the model's family takes none.
        DataError: no such file.
    """
    for module in map(importlib.import_module, FAMILIES.values()):
        if any(spec.name == model for spec in module.MODELS) and hasattr(module, "read_schema"):
            table: dict[str, Any] = module.read_schema(schema, log)
            return table
    raise RecipeError(
        f"{model} takes no --schema: its data files describe themselves; leave it out"
    )


def draft_schema(log: Path, label: str) -> str:
    """A schema for a log of the user's, as TOML, by the family whose logs need one.

    Raises:
        DataError: no such file or column, or a file that cannot be read.
    """
    families = map(importlib.import_module, FAMILIES.values())
    draft: str = next(family.draft for family in families if hasattr(family, "draft"))(log, label)
    return draft


def list_datasets() -> list[str]:
    """Names of all known datasets."""
    families = map(importlib.import_module, FAMILIES.values())
    return [name for family in families for name in family.DATASETS]


def describe_dataset(dataset: str) -> dict[str, object]:
    """Get a dataset, or read a graph of the user's own, and say what is in it.

    Raises:
        DataError: unknown, not to be had, or at fault.
    """
    families = [importlib.import_module(module) for module in FAMILIES.values()]
    known = [family for family in families if dataset in family.DATASETS]
    if not known and not Path(dataset).suffix:
        raise DataError(f"unknown dataset '{dataset}': {near(dataset, list_datasets())}")
    description: dict[str, object] = (known or families)[0].describe(dataset)
    return description
