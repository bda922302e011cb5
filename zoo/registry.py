"""Which families, models and recipes there are. A new family is one line in ``FAMILIES``."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
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


def own_settings(model: str, files: Sequence[Path], options: Mapping[str, str]) -> dict[str, Any]:
    """What is said of files of the user's, as a recipe's data settings hold it.

    Args:
        model: that is trained on them.
        files: one, or of some models several.
        options: of the command line, without the dashes, such as ``schema``.

    Raises:
        RecipeError: an option is at fault, or the model's family does not take it.
        DataError: a file is.
    """
    families = map(importlib.import_module, FAMILIES.values())
    family = next(f for f in families if any(spec.name == model for spec in f.MODELS))
    takes = getattr(family, "OWN_OPTIONS", ())
    for option in options:
        if option not in takes:
            known = ", ".join(f"--{name}" for name in takes) or "none"
            raise RecipeError(f"{model} takes no --{option}: expected {known}; leave it out")
    if len(files) > 1 and model not in getattr(family, "SEVERAL_FILES", ()):
        raise RecipeError(f"{model} trains on one file: name one of the {len(files)} with --data")
    if not takes:
        return {}
    settings: dict[str, Any] = family.own_settings(files, options)
    return settings


def draft_schema(log: Path, label: str) -> str:
    """A schema for a log of the user's, as TOML, by the family whose logs need one.

    Raises:
        DataError: no such file or column, or a file that cannot be read.
    """
    families = map(importlib.import_module, FAMILIES.values())
    draft: str = next(family.draft for family in families if hasattr(family, "draft"))(log, label)
    return draft


def describe_series(file: Path, options: Mapping[str, str]) -> dict[str, Any]:
    """What is in a file of the user's with series, by the family that forecasts them.

    Args:
        file: CSV or Parquet.
        options: ``time`` and ``columns``, as in training.

    Raises:
        DataError: a file at fault, or a column that it lacks.
    """
    families = map(importlib.import_module, FAMILIES.values())
    family = next(family for family in families if hasattr(family, "describe_series"))
    description: dict[str, Any] = family.describe_series(file, options)
    return description


def read_series(file: Path, options: Mapping[str, str]) -> Any:
    """The series in a file of the user's, by the family that forecasts them.

    Args:
        file: CSV or Parquet.
        options: ``time`` and ``columns``, as in training.

    Returns:
        ``values`` (time, channels) float32, ``channels``, ``step_s``, ``start`` and ``repairs``.

    Raises:
        DataError: a file at fault, or a column that it lacks.
    """
    families = map(importlib.import_module, FAMILIES.values())
    return next(f for f in families if hasattr(f, "read_series")).read_series(file, options)


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
