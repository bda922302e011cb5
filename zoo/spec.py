"""What a model is (ModelSpec) and how its weights were made (Recipe).

A family lists its ModelSpecs in ``MODELS`` and its recipes in ``recipes.toml``, one table per
variant. Whatever trains, exports or serves a model reads these two and knows no family.
"""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from zoo.artifact import sha256_bytes
from zoo.contract import LeanzooError, Signature, near

VANILLA = "vanilla"
SELECTIONS = ("accuracy", "auc", "loss")


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
        select: validation metric whose best epoch is kept: ``accuracy``, ``auc`` or ``loss``.
        teacher: recipe of the teacher; None for a model trained on labels alone.
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
    select: str = "accuracy"
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
        if min(self.seed, self.batch_size, self.hold_epochs, self.min_gain, self.clip) < 0:
            raise ValueError("expected seed, batch_size, hold_epochs, min_gain and clip >= 0")
        if not (0 < self.decay <= 1 and 0 <= self.average < 1):
            raise ValueError("expected 0 < decay <= 1 and 0 <= average < 1")

    @property
    def method(self) -> str:
        """The distillation method; vanilla where the recipe names none."""
        return str(self.distill.get("method", VANILLA))

    @property
    def id(self) -> str:
        """Hash of everything that determines the weights; equal ids, equal weights."""
        return sha256_bytes(json.dumps(_canonical(self), sort_keys=True).encode())[:12]

    def using(self, **shared: Any) -> Recipe:
        """This recipe and its teacher's with the same seed, dataset, data or epochs."""
        teacher = self.teacher.using(**shared) if self.teacher else None
        return replace(self, teacher=teacher, **shared)

    def by(self, method: str) -> Recipe:
        """This recipe with another distillation method; ``vanilla`` learns from labels alone."""
        if method == VANILLA:
            return replace(self, distill={"method": VANILLA}, teacher=None, teachers=1, folds=1)
        return replace(self, distill={**self.distill, "method": method})


def _canonical(recipe: Recipe) -> dict[str, Any]:
    """What determines the weights: not names, not paths, and no field at its default, so that a
    field added later leaves the ids of earlier runs as they are."""
    form = {}
    for known in dataclasses.fields(Recipe):
        value = getattr(recipe, known.name)
        if value != known.default and value != {} and known.name != "name":
            form[known.name] = _canonical(value) if isinstance(value, Recipe) else value
    if recipe.dataset_sha256:
        del form["dataset"]
    return form


@dataclass(frozen=True)
class Objective:
    """One training problem, ready to be minimised.

    Attributes:
        loss: (batch) → the training loss at the module's present weights, with gradient.
        score: the validation score at the present weights, higher is better.
        batches: one epoch's batches; full-batch problems keep the default, one None.
        n_batches: how many they are.
        penalty: parameter name → its own L2 penalty; None leaves the recipe's to all.
    """

    loss: Callable[[Any], torch.Tensor]
    score: Callable[[], float]
    batches: Callable[[], Iterable[Any]] = lambda: (None,)
    n_batches: int = 1
    penalty: Callable[[str], float] | None = None


@dataclass(frozen=True)
class Export:
    """One form in which a trained model is exported and served.

    Attributes:
        doc: when to use this form.
        signature: config → what goes in and out.
        wrap: trained module → module whose forward takes the inputs in signature order.
        rows: (data, config, ids) → real inputs; ids choose rows, queries or nodes.
        served: published for requests; otherwise only benchmarked.
        suits: config → whether this form is worth exporting for such a model.
        exact: it answers ``rows`` as the model does; of a sample of the neighbours it does not.
        raw: (data, config, ids) → the same rows as values, by input: strings where ``rows`` gives
            ids. Such a form is also served behind its vocabulary, as a graph of its own.
    """

    doc: str
    signature: Callable[[Any], Signature]
    wrap: Callable[[Any], nn.Module]
    rows: Callable[[Any, Any, np.ndarray], dict[str, np.ndarray]]
    served: bool = True
    suits: Callable[[Any], bool] = lambda config: True
    exact: bool = True
    raw: Callable[[Any, Any, np.ndarray], dict[str, np.ndarray]] | None = None


@dataclass(frozen=True)
class ModelSpec:
    """What a model is.

    Attributes:
        name: as recipes refer to it.
        doc: one sentence and its paper.
        task: ``node-classification``, ``click-prediction``, …
        config: frozen dataclass of the architecture; sizes that come from data included.
        data_config: frozen dataclass of how the data is used.
        distill_config: frozen dataclass of the loss and its weights.
        data: recipe → the data, with ``sizes`` (config fields), ``attachments`` (file name → bytes
            that every artifact of the model carries), ``n_rows`` (what can be asked about),
            ``licence``, ``complete`` (training saw all of it) and ``taught`` (which training rows
            ``outputs`` speaks of, by position; None for all).
        build: config → module with fresh weights.
        objective: (module, data, recipe, teacher outputs or None) → the training problem.
        outputs: (module, data) → what a student learns from this model.
        answers: (module, data) → logits by row id, what exports are held against.
        evaluate: (module, data) → metrics, fractions 0..1; keys ``val_*`` and ``test_*``.
        metric: the one of them, without its prefix, by which models are compared.
        exports: form → how it is exported.
        score: (logits by row id, data) → that metric of the test rows; None: no int8 is made.
        also: prefix → data settings trained besides, for their metrics alone.
    """

    name: str
    doc: str
    task: str
    config: type
    data_config: type
    distill_config: type
    data: Callable[[Recipe], Any]
    build: Callable[[Any], nn.Module]
    objective: Callable[[Any, Any, Recipe, torch.Tensor | None], Objective]
    outputs: Callable[[Any, Any], torch.Tensor]
    answers: Callable[[Any, Any], torch.Tensor]
    evaluate: Callable[[Any, Any], dict[str, float]]
    metric: str
    exports: Mapping[str, Export]
    score: Callable[[np.ndarray, Any], float] | None = None
    also: Mapping[str, dict[str, Any]] = field(default_factory=dict)


def forms_of(spec: ModelSpec, config: Any) -> dict[str, Export]:
    """The forms in which a model of this config is exported, the plain one first."""
    return {form: export for form, export in spec.exports.items() if export.suits(config)}


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


def config_of(spec: ModelSpec, recipe: Recipe, sizes: Mapping[str, int]) -> Any:
    """The model's complete config: the recipe's choices and the sizes that come from data."""
    return from_table(spec.config, {**recipe.config, **sizes}, f"{recipe.name}.config")
