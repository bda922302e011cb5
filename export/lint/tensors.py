"""Rules about tensors: what the configuration says of them, and what the graph has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from export.lint.rule import GUIDE, SERVER, rule
from export.lint.served import FREE, Served, Tensor, tensors_of, type_name
from export.triton_config import BACKEND

AGAIN = "publish the model again"
DIMS = "give dims without the batch axis, as the graph has them"


def _tables(model: Served) -> Iterator[tuple[str, Any, dict[str, Tensor]]]:
    """Of every version its inputs, then its outputs: which, as configured, as the graph has."""
    for number, graph in model.graphs.items():
        if isinstance(graph, str):
            continue
        inputs, outputs = tensors_of(graph)
        yield f"version {number}: input", model.config.input, inputs
        yield f"version {number}: output", model.config.output, outputs


def _pairs(model: Served) -> Iterator[tuple[str, list[int], Any, Tensor]]:
    """Of every tensor that both know: which, dims as configured, the rest, as the graph has it."""
    for which, configured, present in _tables(model):
        for io in configured:
            if io.name in present:
                dims = list(io.reshape.shape if io.HasField("reshape") else io.dims)
                yield f"{which} '{io.name}'", dims, io, present[io.name]


@rule(f"{GUIDE}/model_repository.md#onnx-models", "export and publish the model again")
def graph_unreadable(model: Served) -> Iterator[str]:
    """A version's graph can be read, and is as this project writes graphs."""
    for number, graph in model.graphs.items():
        if isinstance(graph, str):
            yield f"version {number}: {graph}"


@rule(f"{GUIDE}/model_configuration.md#inputs-and-outputs", AGAIN)
def tensor_unknown(model: Served) -> Iterator[str]:
    """Tensors have the same names in the configuration and in the graph."""
    for which, configured, present in _tables(model):
        names = [io.name for io in configured]
        for name in names:
            if name not in present:
                yield f"{which} '{name}' is not in the graph: it has {', '.join(present)}"
        if which.endswith("input"):
            for name in sorted(set(present) - set(names)):
                yield f"{which} '{name}' of the graph is not in the configuration"


@rule(f"{SERVER}/2644", AGAIN)
def dtype_differs(model: Served) -> Iterator[str]:
    """Tensors have the same type in the configuration and in the graph."""
    for which, _, io, present in _pairs(model):
        if io.data_type != present.dtype:
            yield f"{which} is {type_name(io.data_type)}: the graph has {type_name(present.dtype)}"


@rule(f"{GUIDE}/model_configuration.md#maximum-batch-size", DIMS)
def batch_in_dims(model: Served) -> Iterator[str]:
    """Where max_batch_size is over 0, dims leave out the batch axis, which Triton puts in front."""
    for which, dims, _, present in _pairs(model):
        if model.config.max_batch_size and len(dims) == len(present.dims):
            yield f"{which} has dims {dims}: the batch axis is counted twice"


@rule("https://github.com/triton-inference-server/server/pull/1006", DIMS)
def rank_differs(model: Served) -> Iterator[str]:
    """Tensors have as many axes as in the graph."""
    batched = bool(model.config.max_batch_size)
    for which, dims, _, present in _pairs(model):
        wanted = len(present.dims) - batched
        if len(dims) not in (wanted, wanted + batched):
            yield f"{which} has {len(dims)} dims: the graph has {wanted} besides the batch"


@rule(f"{SERVER}/5834", "state the size that the graph has")
def size_differs(model: Served) -> Iterator[str]:
    """Axes have the size of the graph's, where that is fixed."""
    batched = bool(model.config.max_batch_size)
    for which, dims, _, present in _pairs(model):
        own = list(present.dims[batched:])
        if len(own) == len(dims) and any(
            theirs not in (FREE, size) for size, theirs in zip(dims, own, strict=True)
        ):
            yield f"{which} has dims {dims}: the graph has {own}"


@rule(f"{SERVER}/7462", "export with a free batch axis, or set max_batch_size to 0")
def fixed_batch(model: Served) -> Iterator[str]:
    """Where max_batch_size is over 0, the graph's first axis is free."""
    for which, _, _, present in _pairs(model):
        if model.config.max_batch_size and present.dims and present.dims[0] != FREE:
            yield f"{which} has {present.dims[0]} rows in the graph: expected any number"


@rule(f"{SERVER}/6186", "publish the model again, with its class names")
def labels_missing(model: Served) -> Iterator[str]:
    """A file of class names that is named is there."""
    for output in model.config.output if model.versions else ():
        if output.label_filename and not (model.folder / output.label_filename).is_file():
            yield f"output '{output.name}' names {output.label_filename}, which is not there"


@rule(f"{SERVER}/6186", "write one class name per line, in the order of the classes")
def labels_count(model: Served) -> Iterator[str]:
    """There are as many class names as classes."""
    for output in model.config.output:
        file = model.folder / output.label_filename
        if not output.label_filename or not file.is_file() or not output.dims:
            continue
        found, wanted = len(file.read_bytes().splitlines()), output.dims[-1]
        if wanted not in (FREE, found):
            yield f"{output.label_filename} has {found} names: '{output.name}' has {wanted} classes"


@rule(
    f"{GUIDE}/model_repository.md#model-files",
    "name the file model.onnx, or set default_model_filename",
)
def model_file_missing(model: Served) -> Iterator[str]:
    """Every version holds the file that its backend loads."""
    usual = {BACKEND: model.graph_file, "tensorrt": "model.plan", "python": "model.py"}
    name = model.config.default_model_filename or usual.get(model.backend, "")
    names = sorted(model.config.cc_model_filenames.values()) or ([name] if name else [])
    for number, folder in model.versions.items():
        for one in names if not model.ensemble else ():
            if not (folder / one).exists():
                yield f"version {number} has no {one}"


RULES = (
    *(graph_unreadable, tensor_unknown, dtype_differs, batch_in_dims, rank_differs),
    *(size_differs, fixed_batch, labels_missing, labels_count, model_file_missing),
)
