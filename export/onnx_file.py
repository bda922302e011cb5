"""Reads ONNX files that may be damaged or hostile: each is as this project writes them, or refused.

What is checked before its bytes are parsed: its size. Then: weights inside the file and finite;
operators of known domains alone, in subgraphs too, and none that hides others; the project's
opsets, which all precisions share, and an IR that the serving runtime reads; nothing that export
should have folded away.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, numpy_helper

from export.artifacts import MODEL_FILE
from export.candidate import open_session
from export.errors import ExportError
from export.graph import IR_VERSION, OPSET, UNFOLDED, check_graph
from export.vocabulary import DOMAIN, DOMAIN_VERSION
from zoo.artifact import Artifact
from zoo.intake import size_fault

OPSETS = {"": OPSET, DOMAIN: DOMAIN_VERSION}  # by domain of operators
FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
AGAIN = "export the model again"


def load_graph(artifact: Artifact) -> onnx.ModelProto:
    """The graph of an artifact, as its signature says.

    Raises:
        ExportError: as ``read_graph``, the runtime does not take it, or it has other tensors or
            axes than its signature.
    """
    if artifact.signature is None:
        raise ExportError(f"{artifact.path} has no signature: {AGAIN}")
    graph = read_graph(path := artifact.path / MODEL_FILE)
    try:
        open_session(graph)  # first: what is no tensor to it can crash ONNX's own checker
    except Exception as error:  # onnxruntime's errors share no base class
        cause = str(error).splitlines()[0]
        raise ExportError(f"{path} cannot be loaded ({cause}): {AGAIN}") from None
    check_graph(graph, artifact.signature, artifact.model, domains=[DOMAIN])
    return graph


def read_graph(path: Path) -> onnx.ModelProto:
    """Read an ONNX file.

    Args:
        path: the file; no other one is opened.

    Raises:
        ExportError: in one line, what in it was not expected.
    """
    model = _parse(path)
    try:
        _check_versions(model)
        for graph in _graphs(model.graph):
            _check_operators(graph)
            _read_names(graph)
            for name, tensor in _tensors(graph):
                _check_tensor(name, tensor)
    except ExportError as error:
        raise ExportError(f"{path}: {error}; {AGAIN}") from None
    except (UnicodeDecodeError, TypeError):  # names that are read as they are asked for
        raise ExportError(f"{path} holds names that are no text: {AGAIN}") from None
    return model


def _parse(path: Path) -> onnx.ModelProto:
    try:
        if fault := size_fault(path):
            raise ExportError(f"{path} {fault}; make the model smaller")
        return onnx.ModelProto.FromString(path.read_bytes())
    except OSError as error:
        raise ExportError(f"{path} cannot be read ({error.strerror}): {AGAIN}") from None
    except DecodeError:
        raise ExportError(f"{path} is no ONNX file, or was cut short: {AGAIN}") from None


def _check_versions(model: onnx.ModelProto) -> None:
    if not model.graph.node:
        raise ExportError("the file holds no graph: it is empty, or was cut short")
    if not 0 < model.ir_version <= IR_VERSION:
        raise ExportError(f"IR version {model.ir_version}: expected at most {IR_VERSION}")
    opsets = {one.domain: one.version for one in model.opset_import}
    for domain, version in {"": 0, **opsets}.items():
        if domain not in OPSETS:
            raise ExportError(f"operators of '{domain}': expected those of ONNX alone")
        if version != OPSETS[domain]:
            named = f"of '{domain}' " if domain else ""
            raise ExportError(f"opset {named}{version or 'unknown'}: expected {OPSETS[domain]}")
    if model.functions or model.training_info:
        raise ExportError("functions or training graphs of its own: expected operators alone")


def _check_operators(graph: onnx.GraphProto) -> None:
    copies = {name for node in graph.node if node.op_type == "Identity" for name in node.output}
    for node in graph.node:
        if node.domain not in OPSETS:
            raise ExportError(f"operator {node.domain}.{node.op_type}: expected ONNX's own")
        if node.op_type in UNFOLDED:
            raise ExportError(f"operator {node.op_type}: expected it folded into its neighbour")
        if node.op_type == "Identity" and copies.intersection(node.input):
            raise ExportError(f"a chain of Identity behind '{node.input[0]}': expected none")


def _read_names(graph: onnx.GraphProto) -> None:
    """Read every name, since protobuf tells only then whether it is text.

    Raises:
        UnicodeDecodeError, TypeError: one is not.
    """
    for node in graph.node:
        attributes = (attribute.name for attribute in node.attribute)
        "".join((node.name, node.op_type, *node.input, *node.output, *attributes))
    for value in (*graph.input, *graph.output, *graph.value_info):
        "".join((value.name, *(dim.dim_param for dim in value.type.tensor_type.shape.dim)))


def _check_tensor(name: str, tensor: TensorProto) -> None:
    """A number by itself may be NaN or infinite: graphs mask with it."""
    if tensor.external_data or tensor.data_location == TensorProto.EXTERNAL:
        where = next((e.value for e in tensor.external_data if e.key == "location"), "unknown")
        raise ExportError(f"weight '{name}' lies in another file, '{where}': expected it inline")
    if not tensor.dims or tensor.data_type not in FLOATS:
        return
    try:
        values = numpy_helper.to_array(tensor)
    except (ValueError, TypeError):
        raise ExportError(f"weight '{name}' is not of its own shape: it was cut short") from None
    if not np.isfinite(values).all():
        raise ExportError(f"weight '{name}' holds NaN or infinity: expected finite numbers")


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph, and the branches and bodies of loops within it."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _graphs(inner)


def _tensors(graph: onnx.GraphProto) -> Iterator[tuple[str, TensorProto]]:
    """Weights and constants, each with a name."""
    for weight in graph.initializer:
        yield weight.name, weight
    for sparse in graph.sparse_initializer:
        yield from ((sparse.values.name, part) for part in (sparse.values, sparse.indices))
    for node in graph.node:
        for attribute in node.attribute:
            packed = (attribute.sparse_tensor, *attribute.sparse_tensors)
            parts = (part for one in packed for part in (one.values, one.indices))
            for tensor in (attribute.t, *attribute.tensors, *parts):
                yield "".join(node.output), tensor
