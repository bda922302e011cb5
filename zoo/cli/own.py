"""The recipe that ``train`` was asked for: a shipped one, changed, or moved to the user's data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from zoo.artifact import sha256_file
from zoo.recipes import Recipe, RecipeError
from zoo.registry import get_recipe, list_models, list_recipes, own_settings
from zoo.sources import DataError

COMPRESSED = ".gz"


def changed(
    name: str,
    data: str | None = None,
    options: Mapping[str, str | None] | None = None,
    seed: int | None = None,
    epochs: int | None = None,
) -> Recipe:
    """The recipe with what the user asked for otherwise.

    Args:
        name: of a recipe, or with ``data`` of a model.
        data: the user's own file; of models that train on several, files between commas.
        options: what is said of these files, by option; None where it is not given.
        seed: instead of the recipe's.
        epochs: instead of the recipe's and its teacher's.

    Raises:
        RecipeError, DataError: no such recipe or file, or options that contradict each other.
    """
    given = {option: value for option, value in (options or {}).items() if value is not None}
    if given and data is None:
        raise RecipeError(f"--{next(iter(given))} describes a file of yours: name it with --data")
    recipe = _recipe(name, own=data is not None)
    if seed is not None:
        recipe = recipe.using(seed=seed)
    if epochs is not None:
        recipe = recipe.using(epochs=epochs)
    return recipe if data is None else _moved(recipe, _files(data), given)


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


def _files(data: str) -> list[Path]:
    """The user's files, whose paths stand between commas."""
    files = [Path(data)] if Path(data).is_file() else [Path(path) for path in data.split(",")]
    for file in files:
        if not file.is_file():
            raise DataError(f"no file {file}: give the path of your own data")
        if len(files) > 1 and "," in str(file.resolve()):
            raise DataError(f"{file.resolve()} has a comma in its path: rename it to name several")
    return files


def _moved(recipe: Recipe, files: Sequence[Path], options: Mapping[str, str]) -> Recipe:
    """The recipe and its teacher's on files of the user's, and named after them."""
    described = own_settings(recipe.model, files, options)
    tag = "-".join(_tag(file) for file in files)
    if f"{recipe.model}-{tag}" in list_recipes():
        raise DataError(f"the zoo has a model named after {files[0].name}: rename the file")

    def moved(one: Recipe) -> Recipe:
        name, settings = f"{one.model}-{tag}", {**one.data, **described}
        return replace(one, name=name, data=settings, teacher=one.teacher and moved(one.teacher))

    paths = ",".join(str(file.resolve()) for file in files)
    sums = ",".join(sha256_file(file) for file in files)
    return moved(recipe.using(dataset=paths, dataset_sha256=sums))


def _tag(data: Path) -> str:
    """The file's name as part of a model's: plain letters, digits and dashes."""
    stem = Path(data.name.lower().removesuffix(COMPRESSED)).stem
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in stem)
    return plain.strip("-") or "own"
