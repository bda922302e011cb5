"""One torch module as one ONNX graph whose axes carry the names of its signature."""

from __future__ import annotations

import contextlib
import inspect
import logging
import math
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto
from torch import nn
from torch.export import Dim

from export.errors import ExportError
from zoo.contract import Signature, TensorSpec

OPSET = 18
IR_VERSION = 10  # read by ONNX Runtime 1.18 and newer
UNFOLDED = ("BatchNormalization",)  # in eval mode it is part of a linear layer


def to_graph(
    module: nn.Module, signature: Signature, example: Mapping[str, np.ndarray], name: str
) -> onnx.ModelProto:
    """Export ``module``.

    Args:
        module: in eval mode; its forward takes the inputs in signature order.
        signature: names tensors and axes.
        example: real rows.
        name: for error messages.

    Raises:
        ExportError: an operator that ONNX lacks, or an axis that did not come out as declared.
    """
    lead = ("batch",) if signature.max_batch else ()
    arguments = tuple(
        torch.from_numpy(_widened(example[spec.name], (*lead, *spec.shape)))
        for spec in signature.inputs
    )
    try:
        with torch.no_grad(), _quiet():
            program = torch.onnx.export(
                module,
                arguments,
                dynamo=True,
                external_data=False,
                verbose=False,
                opset_version=OPSET,
                dynamic_shapes=_dynamic_shapes(module, signature),
                input_names=[spec.name for spec in signature.inputs],
                output_names=[spec.name for spec in signature.outputs],
            )
    except Exception as error:  # torch's exporter raises whatever its stages meet
        raise ExportError(f"{name} cannot be exported: {_cause(error)}") from error
    assert program is not None
    graph = program.model_proto
    graph.ir_version = IR_VERSION
    _forget_origins(graph)
    check_graph(graph, signature, name)
    return graph


def _widened(array: np.ndarray, axes: tuple[int | str, ...]) -> np.ndarray:
    """Named axes of one entry are given two: torch would take their size for a constant."""
    for index, axis in enumerate(axes):
        if isinstance(axis, str) and array.shape[index] == 1:
            array = array.repeat(2, axis=index)
    return array


def check_graph(
    graph: onnx.ModelProto, signature: Signature, name: str, domains: Sequence[str] = ()
) -> None:
    """Check that a graph is valid, self-contained and has its signature's tensors and axes.

    Args:
        graph: to be checked.
        signature: that it must have.
        name: for error messages.
        domains: of operators that it may use besides ONNX's own.

    Raises:
        ExportError: naming the tensor, axis or operator at fault.
    """
    specs = (*signature.inputs, *signature.outputs)
    values = (*graph.graph.input, *graph.graph.output)
    if [value.name for value in values] != [spec.name for spec in specs]:
        found = ", ".join(value.name for value in values)
        raise ExportError(f"{name} came out with the tensors {found}: expected its signature's")
    for spec, value in zip(specs, values, strict=True):
        _check_axes(spec, value, signature, name)
    known = {"", *domains}
    if foreign := sorted({n.op_type for n in graph.graph.node if n.domain not in known}):
        raise ExportError(f"{name} needs operators outside ONNX's own: {', '.join(foreign)}")
    if any(node.op_type in UNFOLDED for node in graph.graph.node):
        raise ExportError(f"{name} still normalises batches: fold BatchNorm into its neighbour")
    if any(weight.external_data for weight in graph.graph.initializer):
        raise ExportError(f"{name} keeps weights outside its file: expected them inline")
    try:
        onnx.checker.check_model(graph, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"{name} is no valid ONNX: {_cause(error)}") from error


def facts_of(graph: onnx.ModelProto) -> dict[str, Any]:
    """What a graph is made of: ``ops`` (operator → how often), ``opset``, ``ir``, ``size_bytes``,
    ``parameters``."""
    ops = Counter(node.op_type for node in graph.graph.node)
    return {
        "ops": dict(sorted(ops.items())),
        "opset": max(one.version for one in graph.opset_import if not one.domain),
        "ir": graph.ir_version,
        "size_bytes": graph.ByteSize(),
        "parameters": sum(math.prod(weight.dims) for weight in graph.graph.initializer),
    }


def _check_axes(
    spec: TensorSpec, value: onnx.ValueInfoProto, signature: Signature, name: str
) -> None:
    axes = (("batch",) if signature.max_batch else ()) + spec.shape
    wanted = TensorProto.STRING if spec.dtype == "object" else _kind(spec.dtype)
    if (kind := value.type.tensor_type.elem_type) != wanted:
        came_out = TensorProto.DataType.Name(kind).lower()
        raise ExportError(f"{name}: {spec.name} came out as {came_out}: expected {spec.dtype}")
    dims = [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
    if len(dims) != len(axes):
        raise ExportError(f"{name}: {spec.name} came out with {len(dims)} axes: expected {axes}")
    for axis, dim in zip(axes, dims, strict=True):
        if dim != axis:
            how = "auto-named" if isinstance(dim, str) else "constant"
            raise ExportError(f"{name}: axis '{axis}' of {spec.name} came out {how} as {dim}")


def _kind(dtype: str) -> int:
    return int(onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def _dynamic_shapes(module: nn.Module, signature: Signature) -> tuple[Any, ...]:
    """One entry per argument; those of a ``*`` parameter are nested once more."""
    dims = {"batch": Dim("batch", min=1, max=signature.max_batch or None)}
    lead = ("batch",) if signature.max_batch else ()
    shapes = tuple(
        {
            index: dims.setdefault(axis, Dim(axis))
            for index, axis in enumerate((*lead, *spec.shape))
            if isinstance(axis, str)
        }
        for spec in signature.inputs
    )
    parameters = inspect.signature(module.forward).parameters.values()
    starred = any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters)
    return (shapes,) if starred else shapes


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hide what torch's exporter says about itself; a user can act on none of it."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)  # "torchvision is not installed", on every export
    try:
        with warnings.catch_warnings():
            # torch copies its own deprecated classes; several inputs share an axis by design
            warnings.filterwarnings("ignore", ".*LeafSpec.*is deprecated", FutureWarning)
            warnings.filterwarnings("ignore", "# The axis name: .* will not be used", UserWarning)
            yield
    finally:
        logger.setLevel(level)


def _forget_origins(graph: onnx.ModelProto) -> None:
    """Drop what names this machine's paths or torch's internals, so that equal models are equal."""
    del graph.graph.value_info[:]
    del graph.graph.metadata_props[:]
    for item in (*graph.graph.node, *graph.graph.input, *graph.graph.output):
        del item.metadata_props[:]
    for weight in graph.graph.initializer:
        del weight.metadata_props[:]


def _cause(error: BaseException) -> str:
    """The operator at fault, else the innermost error's first line."""
    if operator := re.search(r"op='([\w.:]+)'", str(error)):
        return f"ONNX has no operator for {operator[1]}; write it with others"
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0]
