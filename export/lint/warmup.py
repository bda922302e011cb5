"""Rules about warm-up: requests that Triton answers before it calls a model ready."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from tritonclient.grpc import model_config_pb2

from export.artifacts import WARMUP
from export.lint.rule import ADVICE, GUIDE, MEASURED, SCHEMA, SERVER, rule
from export.lint.served import FREE, Served, type_name

REAL = "name an input_data_file with real rows, or zero_data"
AGAIN = "publish the model again, with its warm-up"
LENGTH = 4  # bytes in front of every string


def _inputs(model: Served) -> Iterator[tuple[str, str, Any]]:
    """Of every warm-up every input: which, its name, what is said of it."""
    for warmup in model.config.model_warmup:
        for name, given in sorted(warmup.inputs.items()):
            yield f"warm-up '{warmup.name}', input '{name}'", name, given


def _files(model: Served) -> Iterator[tuple[str, Any]]:
    """Inputs that are read from a file, where the model is published: which, what is said."""
    for which, _, given in _inputs(model):
        if given.input_data_file and model.versions:
            yield which, given


@rule(f"{GUIDE}/model_configuration.md#model-warmup", AGAIN, ADVICE)
def warmup_missing(model: Served) -> Iterator[str]:
    """A model that takes batches is warmed up, with one row and with as many as it takes."""
    most = model.config.max_batch_size
    sizes = {warmup.batch_size for warmup in model.config.model_warmup}
    if most and not model.ensemble and (missing := sorted({1, most} - sizes)):
        rows = " and ".join(map(str, missing))
        yield f"no warm-up with {rows} row(s): the first requests of that size are slow"


@rule(f"{SCHEMA}; {MEASURED}", "state a batch_size from 1 to max_batch_size")
def warmup_batch(model: Served) -> Iterator[str]:
    """A warm-up has no more rows than the model takes: one that fails can end Triton 2.51."""
    most = max(model.config.max_batch_size, 1)
    for warmup in model.config.model_warmup:
        if not 1 <= warmup.batch_size <= most:
            yield f"warm-up '{warmup.name}' has {warmup.batch_size} rows: expected 1 to {most}"


@rule(f"{SERVER}/1795", "name the model's inputs")
def warmup_inputs(model: Served) -> Iterator[str]:
    """A warm-up has all inputs of the model, and no other."""
    wanted = {io.name for io in model.config.input if not io.optional}
    known = {io.name for io in model.config.input}
    for warmup in model.config.model_warmup:
        for name in sorted(wanted - set(warmup.inputs)):
            yield f"warm-up '{warmup.name}' lacks input '{name}'"
        for name in sorted(set(warmup.inputs) - known):
            yield f"warm-up '{warmup.name}' has input '{name}', which the model has not"


@rule(SCHEMA, "give the input's type and a size for each of its axes")
def warmup_tensor(model: Served) -> Iterator[str]:
    """An input of a warm-up has the type and the axes of the model's."""
    known = {io.name: io for io in model.config.input}
    for which, name, given in _inputs(model):
        if name not in known:
            continue
        wanted, dims = known[name], list(given.dims)
        if given.data_type != wanted.data_type:
            found, expected = type_name(given.data_type), type_name(wanted.data_type)
            yield f"{which} is {found}: expected {expected}"
        fits = len(dims) == len(wanted.dims) and all(
            size > 0 and axis in (FREE, size) for size, axis in zip(dims, wanted.dims, strict=True)
        )
        if not fits:
            yield f"{which} has dims {dims}: expected sizes for {list(wanted.dims)}"


@rule(MEASURED, REAL)
def warmup_random_ids(model: Served) -> Iterator[str]:
    """Ids are not drawn at random: random_data fills integers with arbitrary values."""
    for which, _, given in _inputs(model):
        if given.HasField("random_data") and "INT" in type_name(given.data_type):
            yield f"{which} has random_data: ids outside the vocabulary fail, or read other rows"


@rule(SCHEMA, AGAIN)
def warmup_file_missing(model: Served) -> Iterator[str]:
    """A file of warm-up rows lies in the folder warmup of the model."""
    for which, given in _files(model):
        if not (model.folder / WARMUP / given.input_data_file).is_file():
            yield f"{which} names {WARMUP}/{given.input_data_file}, which is not there"


@rule(f"{SERVER}/1796", AGAIN)
def warmup_file_size(model: Served) -> Iterator[str]:
    """A file of warm-up rows holds as many bytes, or strings, as its dims say."""
    for which, given in _files(model):
        file = model.folder / WARMUP / given.input_data_file
        if not file.is_file() or not given.dims or min(given.dims) < 1:
            continue
        entries, data = math.prod(given.dims), file.read_bytes()
        if given.data_type == model_config_pb2.TYPE_STRING:
            found, wanted, unit = _strings(data), entries, "strings"
        else:
            found, wanted, unit = len(data), entries * _width(given.data_type), "bytes"
        if found != wanted:
            yield f"{which} has {found} {unit} in its file: expected {wanted}"


def _width(dtype: int) -> int:
    """Bytes of a number: its type's name ends in its bits, but for that of truth values."""
    bits = "".join(filter(str.isdigit, type_name(dtype)))
    return int(bits or 8) // 8


def _strings(data: bytes) -> int:
    """How many strings a file holds, each behind its length; −1 where one is cut short."""
    at = count = 0
    while at < len(data):
        at += LENGTH + int.from_bytes(data[at : at + LENGTH], "little")
        count += 1
    return count if at == len(data) else FREE


RULES = (
    *(warmup_missing, warmup_batch, warmup_inputs, warmup_tensor),
    *(warmup_random_ids, warmup_file_missing, warmup_file_size),
)
