"""The recipe that ``train`` was asked for: a shipped one, changed, or moved to the user's data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from zoo.artifact import sha256_file
from zoo.recipes import Recipe, RecipeError
from zoo.registry import get_recipe, list_models, list_recipes, read_schema
from zoo.sources import DataError

COMPRESSED = ".gz"


def changed(
    name: str,
    data: Path | None = None,
    schema: Path | None = None,
    seed: int | None = None,
    epochs: int | None = None,
) -> Recipe:
    """The recipe with what the user asked for otherwise.

    Args:
        name: of a recipe, or with ``data`` of a model.
        data: the user's own file.
        schema: what the file's columns mean, where it does not say so itself.
        seed: instead of the recipe's.
        epochs: instead of the recipe's and its teacher's.

    Raises:
        RecipeError, DataError: no such recipe or file, or options that contradict each other.
    """
    if schema is not None and data is None:
        raise RecipeError("--schema describes a file of yours: name it with --data")
    recipe = _recipe(name, own=data is not None)
    if seed is not None:
        recipe = recipe.using(seed=seed)
    if epochs is not None:
        recipe = recipe.using(epochs=epochs)
    return recipe if data is None else _moved(recipe, data, schema)


def _recipe(name: str, own: bool) -> Recipe:
    """A recipe by its name; for data of the user's own also the first one of a model."""
    known = list_recipes()
    if name in known or name not in list_models():
        return get_recipe(name)
    of_model = [recipe for recipe in known.values() if recipe.model == name]
    if not of_model:
        raise RecipeError(f"'{name}' is a model that no recipe trains by itself: choose a recipe")
    if not own:
        names = ", ".join(recipe.name for recipe in of_model)
        raise RecipeError(
            f"'{name}' is a model: train one of its recipes ({names}), or your own data with --data"
        )
    return of_model[0]


def _moved(recipe: Recipe, data: Path, schema: Path | None) -> Recipe:
    """The recipe and its teacher's on a file of the user's, and named after it."""
    if not data.is_file():
        raise DataError(f"no file {data}: give the path of your own data")
    described = {"schema": read_schema(recipe.model, schema, data)} if schema else {}
    tag = _tag(data)
    if f"{recipe.model}-{tag}" in list_recipes():
        raise DataError(f"the zoo has a model named after {data.name}: rename the file")

    def moved(one: Recipe) -> Recipe:
        name, settings = f"{one.model}-{tag}", {**one.data, **described}
        return replace(one, name=name, data=settings, teacher=one.teacher and moved(one.teacher))

    return moved(recipe.using(dataset=str(data.resolve()), dataset_sha256=sha256_file(data)))


def _tag(data: Path) -> str:
    """The file's name as part of a model's: plain letters, digits and dashes."""
    stem = Path(data.name.lower().removesuffix(COMPRESSED)).stem
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in stem)
    return plain.strip("-") or "own"
