"""How weights are made (Recipe), and its form in TOML: one table per variant.

An unknown key is refused by name.
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from zoo.artifact import sha256_bytes
from zoo.contract import LeanzooError, near

VANILLA = "vanilla"
UNTAUGHT = "untaught"  # in the metadata of a distill config's field: it holds without a teacher
UNHASHED = ("name", "gate")  # fields that the weights do not depend on
SELECTIONS = ("accuracy", "auc", "loss", "mse", "crps")


class RecipeError(LeanzooError):
    """An unknown recipe or model, or a recipe with an unknown or wrong key."""


@dataclass(frozen=True)
class Recipe:
    """How one set of weights is made; together with the data it determines the result.

    Attributes:
        name: table name in ``recipes.toml``, the model id; not part of ``id``.
        model: name of a ModelSpec.
        dataset, dataset_sha256: a known dataset; or the user's own file, and its content.
        seed: of initialisation, dropout and split.
        config: architecture, fields of ``ModelSpec.config``.
        data: how the data is used, fields of ``ModelSpec.data_config``.
        distill: loss and its weights, fields of ``ModelSpec.distill_config``.
        epochs: at most this many.
        batch_size: rows per step; 0 where a step sees all of them.
        patience: epochs without a new best validation score before stopping.
        hold_epochs: neither patience nor decay begins before it has passed.
        decay: factor of the learning rate after every epoch without a new best; 1 leaves it.
        min_gain: by how much a new best must exceed the last; 0 lets a tie count.
        average: decay per epoch of a running mean of the weights, which is kept instead of them.
        lr, weight_decay: learning rate and L2 penalty of Adam.
        clip: largest norm of all gradients together; 0 does not clip.
        cosine: the learning rate falls to 0 along half a cosine, over all steps of all epochs.
        warmup: steps in which the learning rate first rises to ``lr``.
        select: validation metric whose best epoch is kept, one of ``SELECTIONS``.
        gate: deploy the method that is best on validation, not the recipe's whatever comes out;
            not part of ``id``.
        teacher: recipe of the teacher, which trains on data of its own where it names other
            data; None for a model trained on labels alone.
        teachers: how many teachers are trained from different seeds; their mean output is taught.
        folds: above 1, a training row is taught by a teacher that was trained without its fold.
        split_seed: draws the split instead of ``seed``: a student's further teachers see its split.
    """

    name: str
    model: str
    dataset: str
    dataset_sha256: str = ""
    seed: int = 2022
    config: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    distill: dict[str, Any] = field(default_factory=dict)
    epochs: int = 500
    batch_size: int = 0
    patience: int = 50
    hold_epochs: int = 0
    decay: float = 1.0
    min_gain: float = 0.0
    average: float = 0.0
    lr: float = 0.01
    weight_decay: float = 5e-4
    clip: float = 0.0
    cosine: bool = False
    warmup: int = 0
    select: str = "accuracy"
    gate: bool = False
    teacher: Recipe | None = None
    teachers: int = 1
    folds: int = 1
    split_seed: int | None = None

    def __post_init__(self) -> None:
        if self.select not in SELECTIONS:
            raise ValueError(f"select is '{self.select}': expected one of {', '.join(SELECTIONS)}")
        if min(self.epochs, self.patience, self.teachers, self.folds) < 1 or self.lr <= 0:
            raise ValueError("expected epochs, patience, teachers, folds >= 1 and lr > 0")
        if min(self.teachers, self.folds) > 1:
            raise ValueError("teachers and folds are both above 1: choose one")
        if min(self.seed, self.batch_size, self.hold_epochs, self.warmup) < 0:
            raise ValueError("expected seed, batch_size, hold_epochs and warmup >= 0")
        if min(self.min_gain, self.clip) < 0:
            raise ValueError("expected min_gain and clip >= 0")
        if not (0 < self.decay <= 1 and 0 <= self.average < 1):
            raise ValueError("expected 0 < decay <= 1 and 0 <= average < 1")
        if self.decay < 1 and (self.cosine or self.warmup):
            raise ValueError("decay is below 1 beside cosine or warmup: choose one")

    @property
    def method(self) -> str:
        """The distillation method; vanilla where the recipe names none."""
        return str(self.distill.get("method", VANILLA))

    @property
    def id(self) -> str:
        """Hash of everything that determines the weights; equal ids, equal weights."""
        return sha256_bytes(json.dumps(_canonical(self), sort_keys=True).encode())[:12]

    def shares_data(self, other: Recipe) -> bool:
        """Whether both read the same data in the same way."""
        return (self.dataset, self.dataset_sha256, self.data) == (
            other.dataset,
            other.dataset_sha256,
            other.data,
        )

    def using(self, **shared: Any) -> Recipe:
        """This recipe and its teacher's with the same seed, dataset, data or epochs."""
        teacher = self.teacher.using(**shared) if self.teacher else None
        return replace(self, teacher=teacher, **shared)

    def by(self, method: str, kind: type) -> Recipe:
        """This recipe with another distillation method; ``vanilla`` learns from labels alone.

        Args:
            method: its name.
            kind: the model's ``distill_config``; ``vanilla`` keeps its fields marked ``UNTAUGHT``.
        """
        if method != VANILLA:
            return replace(self, distill={**self.distill, "method": method})
        kept = {  # but for defaults, so that ids of earlier runs stay
            known.name: self.distill[known.name]
            for known in dataclasses.fields(kind)
            if UNTAUGHT in known.metadata
            and self.distill.get(known.name, known.default) != known.default
        }
        distill = {"method": VANILLA, **kept}
        return replace(self, distill=distill, teacher=None, teachers=1, folds=1)


def _canonical(recipe: Recipe) -> dict[str, Any]:
    """What determines the weights: not names, not paths, and no field at its default, so that a
    field added later leaves the ids of earlier runs as they are."""
    form = {}
    for known in dataclasses.fields(Recipe):
        value = getattr(recipe, known.name)
        if value != known.default and value != {} and known.name not in UNHASHED:
            form[known.name] = _canonical(value) if isinstance(value, Recipe) else value
    if recipe.dataset_sha256:
        del form["dataset"]
    return form


def from_table(kind: type, table: Mapping[str, Any], where: str) -> Any:
    """Build dataclass ``kind`` from a table, refusing unknown keys and wrong types.

    Raises:
        RecipeError: naming the key, where it stands and the known ones.
    """
    types = typing.get_type_hints(kind)
    values = dict(table)
    for key, value in table.items():
        if key not in types:
            raise RecipeError(f"unknown key '{key}' in {where}: {near(key, types)}")
        if types[key] is float and type(value) is int:
            values[key] = float(value)
        plain = typing.get_origin(types[key]) or types[key]
        if plain in (int, float, str, dict, bool) and type(values[key]) is not plain:
            raise RecipeError(
                f"'{key}' in {where} is {value!r}: expected a value of type {plain.__name__}"
            )
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{where}: {error}") from None


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
