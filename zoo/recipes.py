"""Recipes from TOML: one table per variant, unknown keys refused by name."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from zoo.contract import near
from zoo.spec import Recipe, RecipeError, from_table


def read_recipes(path: Path) -> dict[str, Recipe]:
    """Recipes of one TOML file by name, in file order.

    Raises:
        RecipeError: unknown key, wrong type or broken TOML, naming file and table.
    """
    try:
        tables = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path.name} is not TOML ({error}); mend it") from None
    return {name: _recipe(name, table, f"{path.name} [{name}]") for name, table in tables.items()}


def _recipe(name: str, table: Mapping[str, Any], where: str) -> Recipe:
    """One recipe; its teacher inherits dataset, data and seed."""
    if not isinstance(table, dict):
        raise RecipeError(f"{where} is {table!r}: expected a table of keys; see recipes.toml")
    values = {"name": name, **table}
    raw_teacher = values.pop("teacher", None)
    fields = {f.name: f.type for f in dataclasses.fields(Recipe)}
    for key in sorted(set(values) - set(fields)):
        raise RecipeError(f"unknown key '{key}' in {where}: {near(key, fields)}")
    for key in sorted({"model", "dataset"} - set(values)):
        raise RecipeError(f"{where} lacks '{key}'; add it")
    teacher = None
    if raw_teacher is not None:
        if not isinstance(raw_teacher, dict):
            raise RecipeError(f"'teacher' in {where} is {raw_teacher!r}: expected a table of keys")
        shared = {k: values[k] for k in ("dataset", "data", "seed") if k in values}
        teacher_name = f"{raw_teacher.get('model', 'teacher')}-{values['dataset']}"
        teacher = _recipe(teacher_name, {**shared, **raw_teacher}, f"{where}.teacher")
    recipe: Recipe = from_table(Recipe, values, where)
    return replace(recipe, teacher=teacher)
