"""Graphs of every model of the registry, small and with weights as they are drawn."""

from __future__ import annotations

import functools

import onnx
import torch

from export.graph import to_graph
from tests.sizes import CHOICES, SIZES
from zoo.contract import Signature
from zoo.recipes import from_table
from zoo.registry import get_spec, list_models
from zoo.spec import forms_of


def config_of(model: str) -> object:
    """The first sizes of its task."""
    spec = get_spec(model)
    told = {**next(iter(SIZES[spec.task].values())), **CHOICES.get(model, {})}
    return from_table(spec.config, told, model)


def list_graphs() -> list[tuple[str, str]]:
    """Every model and form."""
    return [
        (name, form)
        for name, spec in list_models().items()
        for form in forms_of(spec, config_of(name))
    ]


@functools.cache
def graph_of(model: str, form: str) -> tuple[onnx.ModelProto, Signature]:
    """A form's graph and its signature."""
    torch.manual_seed(0)
    spec, config = get_spec(model), config_of(model)
    export = forms_of(spec, config)[form]
    signature = export.signature(config)
    module = export.wrap(spec.build(config).eval()).eval()
    return to_graph(module, signature, signature.sample(5), f"{model}-{form}"), signature
