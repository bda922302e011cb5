"""What a model is (ModelSpec), as functions, and the forms in which it is exported.

A family lists its ModelSpecs in ``MODELS`` and its recipes in ``recipes.toml``, one table per
variant. Whatever trains, exports or serves a model reads these two and knows no family.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from zoo.contract import Signature
from zoo.metrics import Metric
from zoo.recipes import Recipe, from_table

Arrays = dict[str, np.ndarray]
Rows = tuple[Any, np.ndarray]  # data and ids, as an export's ``rows`` takes them


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
        unit: (inputs) → the size of a difference that counts as 1, over the leading axes of every
            output, where answers are in the caller's own unit.
    """

    doc: str
    signature: Callable[[Any], Signature]
    wrap: Callable[[Any], nn.Module]
    rows: Callable[[Any, Any, np.ndarray], dict[str, np.ndarray]]
    served: bool = True
    suits: Callable[[Any], bool] = lambda config: True
    exact: bool = True
    raw: Callable[[Any, Any, np.ndarray], dict[str, np.ndarray]] | None = None
    unit: Callable[[dict[str, np.ndarray]], np.ndarray] | None = None


@dataclass(frozen=True)
class Judge:
    """What answers are worth: whether an exported graph may take the place of the trained model.

    Attributes:
        tested: (data) → all test rows.
        training: (data) → training rows, on which the ranges of activations are measured.
        targets: (data, ids) → what is known of those rows, by name, a row each.
        quantities: (outputs by name, targets) → numbers by name, one per row.
        metrics: name → metric of quantities.
        block: (data as ``tested`` gives it) → consecutive rows that are no independent evidence,
            and are resampled together.
        answered: the quantity that says how much of a row was answered, in which a graph may not
            differ from the model; empty where all of it is.
    """

    tested: Callable[[Any], Rows]
    training: Callable[[Any], Rows]
    targets: Callable[[Any, np.ndarray], Arrays]
    quantities: Callable[[Arrays, Arrays], Arrays]
    metrics: Mapping[str, Metric]
    block: Callable[[Any], int] = lambda data: 1
    answered: str = ""


@dataclass(frozen=True)
class ModelSpec:
    """What a model is.

    Attributes:
        name: as recipes refer to it.
        doc: one sentence and its paper.
        task: ``node-classification``, ``click-prediction`` or ``forecasting``.
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
        evaluate: (module, data) → metrics; keys ``val_*`` and ``test_*``.
        metric: the one of them, without its prefix, by which models are compared.
        exports: form → how it is exported.
        lower: a lower value of ``metric`` is better.
        answers: (module, data) → logits, or quantiles, by row id, to which exact exports are held;
            None: they are held to ``wrap`` alone.
        judge: what answers to test rows are worth; None for models that are not served.
        also: prefix → data settings trained besides, for their metrics alone.
        finish: (module, data, recipe) → None, once the best weights are restored: what is fitted
            to validation rows afterwards, held in buffers.
        baselines: (data) → role → metrics of what needs no training, to compare with.
        forecast: (module, history (channels, time), horizon, paths, seed, progress) → paths
            (channels, paths, horizon), for histories and horizons of any length; its config has
            ``horizon`` and ``reach``, (horizon) → steps that are drawn at a time.
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
    evaluate: Callable[[Any, Any], dict[str, float]]
    metric: str
    exports: Mapping[str, Export]
    lower: bool = False
    answers: Callable[[Any, Any], torch.Tensor] | None = None
    judge: Judge | None = None
    also: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    finish: Callable[[Any, Any, Recipe], None] | None = None
    baselines: Callable[[Any], dict[str, dict[str, float]]] | None = None
    forecast: Callable[..., np.ndarray] | None = None


def forms_of(spec: ModelSpec, config: Any) -> dict[str, Export]:
    """The forms in which a model of this config is exported, the plain one first."""
    return {form: export for form, export in spec.exports.items() if export.suits(config)}


def config_of(spec: ModelSpec, recipe: Recipe, sizes: Mapping[str, int]) -> Any:
    """The model's complete config: the recipe's choices and the sizes that come from data."""
    return from_table(spec.config, {**recipe.config, **sizes}, f"{recipe.name}.config")
