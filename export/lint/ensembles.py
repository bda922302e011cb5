"""Rules about ensembles: models that ask others, and hand tensors from one to the next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from export.lint.rule import SCHEMA, SERVER, rule
from export.lint.served import FREE, Served, type_name

AGAIN = "publish the ensemble and its steps again"


@dataclass(frozen=True)
class Flow:
    """A tensor as one model gives or takes it: its type, and its axes with the batch."""

    dtype: int
    dims: tuple[int, ...]


@dataclass(frozen=True)
class Link:
    """A tensor of an ensemble where it is taken.

    Attributes:
        where: by which step or output.
        tensor: its name within the ensemble.
        wanted: as it is taken.
    """

    where: str
    tensor: str
    wanted: Flow


def _steps(model: Served) -> Iterator[tuple[Any, Served | None]]:
    """Every step, and the model that it asks."""
    for step in model.config.ensemble_scheduling.step:
        yield step, model.other(step.model_name)


def _flows(model: Served, tensors: Any) -> dict[str, Flow]:
    batch = (FREE,) if model.config.max_batch_size else ()
    return {io.name: Flow(io.data_type, (*batch, *io.dims)) for io in tensors}


def _written(model: Served) -> dict[str, Flow | None]:
    """Tensors that there are, as they are given; None where another rule finds the giver."""
    written: dict[str, Flow | None] = dict(_flows(model, model.config.input))
    for step, asked in _steps(model):
        given = _flows(asked, asked.config.output) if asked else {}
        written |= {tensor: given.get(own) for own, tensor in step.output_map.items()}
    return written


def _given(model: Served) -> Iterator[tuple[Link, Flow]]:
    """Every place where a tensor is taken that is given somewhere, and as what."""
    written = _written(model)
    for link in _links(model):
        if given := written.get(link.tensor):
            yield link, given


def _links(model: Served) -> Iterator[Link]:
    """Every place where a tensor is taken."""
    for step, asked in _steps(model):
        wanted = _flows(asked, asked.config.input) if asked else {}
        for own, tensor in sorted(step.input_map.items()):
            if own in wanted:
                yield Link(f"input '{own}' of step '{step.model_name}'", tensor, wanted[own])
    if model.ensemble:
        for name, flow in _flows(model, model.config.output).items():
            yield Link(f"output '{name}' of the ensemble", name, flow)


@rule(f"{SERVER}/4630", "publish the step first")
def step_missing(model: Served) -> Iterator[str]:
    """Every step asks a model of the repository."""
    for step, asked in _steps(model):
        if asked is None:
            yield f"step '{step.model_name}' is not in the repository"


@rule(f"{SERVER}/5474", AGAIN)
def step_version(model: Served) -> Iterator[str]:
    """Every step asks a version that is there and served; 0 is none, -1 the latest."""
    for step, asked in _steps(model):
        if asked and asked.versions and step.model_version not in (FREE, *asked.versions):
            served = ", ".join(map(str, asked.versions))
            yield f"step '{step.model_name}' asks version {step.model_version}: served are {served}"


@rule(f"{SERVER}/5742", AGAIN)
def step_tensor(model: Served) -> Iterator[str]:
    """Every step names its model's tensors, and gives it all its inputs."""
    for step, asked in _steps(model):
        if asked is None:
            continue
        where = f"step '{step.model_name}'"
        inputs = {io.name: io.optional for io in asked.config.input}
        outputs = {io.name for io in asked.config.output}
        for own in sorted(set(step.input_map) - set(inputs)):
            yield f"{where} maps input '{own}', which its model has not"
        for own in sorted(set(step.output_map) - outputs):
            yield f"{where} maps output '{own}', which its model has not"
        for own, optional in inputs.items():
            if own not in step.input_map and not optional:
                yield f"{where} gives its model no '{own}'"


@rule(f"{SERVER}/5943", AGAIN)
def tensor_unwritten(model: Served) -> Iterator[str]:
    """Every tensor that is taken is an input of the ensemble, or given by a step."""
    written = _written(model)
    for link in _links(model):
        if link.tensor not in written:
            yield f"{link.where} takes '{link.tensor}', which nothing gives"


@rule(SCHEMA, AGAIN)
def step_dtype(model: Served) -> Iterator[str]:
    """A tensor has the same type where it is given and where it is taken."""
    for link, given in _given(model):
        if given.dtype != link.wanted.dtype:
            found, wanted = type_name(given.dtype), type_name(link.wanted.dtype)
            yield f"{link.where} is {wanted}: '{link.tensor}' is given as {found}"


@rule(SCHEMA, AGAIN)
def step_dims(model: Served) -> Iterator[str]:
    """A tensor has the same axes where it is given and where it is taken."""
    for link, given in _given(model):
        if not _fit(given.dims, link.wanted.dims):
            found, wanted = list(given.dims), list(link.wanted.dims)
            yield f"{link.where} has axes {wanted}: '{link.tensor}' is given with {found}"


@rule(f"{SERVER}/6776", "lower the ensemble's max_batch_size to that of its steps")
def ensemble_batch(model: Served) -> Iterator[str]:
    """An ensemble takes no more rows than any of its steps."""
    most = model.config.max_batch_size
    for step, asked in _steps(model):
        if asked and 0 < asked.config.max_batch_size < most:
            theirs = asked.config.max_batch_size
            yield f"max_batch_size is {most}: step '{step.model_name}' takes {theirs}"


def _fit(given: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return len(given) == len(wanted) and all(
        FREE in pair or pair[0] == pair[1] for pair in zip(given, wanted, strict=True)
    )


RULES = (
    *(step_missing, step_version, step_tensor, tensor_unwritten, step_dtype, step_dims),
    ensemble_batch,
)
