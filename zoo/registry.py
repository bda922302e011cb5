"""Which families, models and recipes there are. A new family is one line in ``FAMILIES``."""

from __future__ import annotations

import importlib
from pathlib import Path

from zoo.contract import near
from zoo.recipes import read_recipes
from zoo.spec import ModelSpec, Recipe, RecipeError

FAMILIES = {
    "graph_mlp": "zoo.families.graph_mlp",
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


def list_datasets() -> list[str]:
    """Names of all known datasets."""
    families = map(importlib.import_module, FAMILIES.values())
    return [name for family in families for name in family.DATASETS]


def describe_dataset(dataset: str) -> dict[str, object]:
    """Get a dataset, or read a file of the user's own, and say what is in it.

    Raises:
        LeanzooError: unknown, not to be had, or at fault.
    """
    families = [importlib.import_module(module) for module in FAMILIES.values()]
    known = [family for family in families if dataset in family.DATASETS]
    description: dict[str, object] = (known or families)[0].describe(dataset)
    return description
