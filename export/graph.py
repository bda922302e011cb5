"""One torch module as one ONNX graph whose axes carry the names of its signature."""

from __future__ import annotations

import contextlib
import logging
import re
import warnings
from collections.abc import Iterator, Mapping

import numpy as np
import onnx
import torch
from torch import nn
from torch.export import Dim

from export.errors import ExportError
from zoo.contract import Signature, TensorSpec

OPSET = 18
IR_VERSION = 10  # the newest that ONNX Runtime 1.18, so Triton 24.07, reads


def to_graph(
    module: nn.Module, signature: Signature, example: Mapping[str, np.ndarray], name: str
) -> onnx.ModelProto:
    """Export ``module``.

    Args:
        module: in eval mode; its forward takes the inputs in signature order.
        signature: names tensors and axes.
        example: at least two rows, so that no axis is taken for a constant.
        name: for error messages.

    Raises:
        ExportError: an operator that ONNX lacks, or an axis that did not come out as declared.
    """
    arguments = tuple(torch.from_numpy(example[spec.name]) for spec in signature.inputs)
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
    name_axes(graph, signature, name)
    return graph


def axes_of(spec: TensorSpec, signature: Signature) -> tuple[int | str, ...]:
    """All axes of a tensor, the batch included."""
    return (("batch",) if signature.max_batch else ()) + spec.shape


def _dynamic_shapes(module: nn.Module, signature: Signature) -> tuple[object, ...]:
    """One entry per argument; a forward that takes ``*inputs`` wants them nested once more."""
    batch = Dim("batch", min=1, max=signature.max_batch or None)
    shapes = tuple(
        {
            index: batch if axis == "batch" else Dim.DYNAMIC
            for index, axis in enumerate(axes_of(spec, signature))
            if isinstance(axis, str)
        }
        for spec in signature.inputs
    )
    takes_any = module.forward.__code__.co_flags & inspect.CO_VARARGS
    return (shapes,) if takes_any else shapes
