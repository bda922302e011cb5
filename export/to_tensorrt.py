"""ONNX → TensorRT: one builder, for ``tensorrt_rtx`` and ``tensorrt`` alike.

TensorRT-RTX builds engines for a GPU architecture ahead of time, without a GPU; TensorRT builds
plans on the GPU that will run them. Precision is the graph's own: the network is strongly typed.
"""

from __future__ import annotations

import importlib
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import onnx
from onnx import TensorProto

from export.dequantise import dequantised
from export.errors import ExportError
from zoo.contract import Signature, near

RTX, PLAN = "rtx", "plan"
MODULES = {RTX: "tensorrt_rtx", PLAN: "tensorrt"}
EXTRAS = {RTX: "tensorrt-rtx", PLAN: "gpu"}
SMS = (75, 80, 86, 89, 120, 121)  # that TensorRT-RTX builds for
USUAL, MOST = 32, 1024  # entries of an axis that has no bound of its own

Profile = dict[str, tuple[Sequence[int], Sequence[int], Sequence[int]]]


@dataclass(frozen=True)
class Engine:
    """A built engine.

    Attributes:
        sm: architecture, such as 89.
        content: its bytes.
        build_s: seconds that it took.
    """

    sm: int
    content: bytes
    build_s: float


def load_tensorrt(flavour: str) -> ModuleType:
    """The module that builds one flavour of engines.

    Raises:
        ExportError: an unknown flavour, its package is not installed, or it needs a GPU.
    """
    if flavour not in MODULES:
        raise ExportError(f"unknown kind of engine '{flavour}': {near(flavour, MODULES)}")
    if flavour == PLAN:
        _check_gpu()
    try:
        return importlib.import_module(MODULES[flavour])
    except ImportError as error:
        extra = EXTRAS[flavour]
        raise ExportError(
            f"{MODULES[flavour]} cannot be imported ({error}): run pip install '.[{extra}]'"
        ) from None


def _check_gpu() -> None:
    """A plan is built on the GPU that runs it."""
    import torch

    if not torch.cuda.is_available():
        raise ExportError(
            "no NVIDIA GPU is seen here, and TensorRT builds a plan on the GPU that runs it: "
            f"use a machine with one, or '--tensorrt {RTX}', which builds engines without"
        )


def present_sm() -> int:
    """The architecture of this machine's GPU."""
    import torch

    major, minor = torch.cuda.get_device_capability()
    return 10 * major + minor


def profile_of(signature: Signature) -> Profile:
    """Least, usual and most entries of every input's axes.

    A batch has 1 to ``max_batch`` rows; any other axis of free size 1 to ``MOST`` entries.
    """
    sizes = (1, USUAL, MOST)
    rows = (1, min(USUAL, signature.max_batch), signature.max_batch)
    profile: Profile = {}
    for spec in signature.inputs:
        shapes = [
            [*([rows[k]] if signature.max_batch else []), *(_entries(spec.shape, sizes[k]))]
            for k in range(3)
        ]
        profile[spec.name] = (shapes[0], shapes[1], shapes[2])
    return profile


def _entries(shape: Sequence[int | str], free: int) -> list[int]:
    return [free if isinstance(axis, str) else axis for axis in shape]


def build_engine(
    tensorrt: Any,
    graph: onnx.ModelProto,
    profile: Profile,
    sm: int | None,
    name: str,
    any_version: bool = False,
) -> Engine:
    """Build an engine.

    Args:
        tensorrt: the module, see ``load_tensorrt``.
        graph: to be built.
        profile: sizes of its inputs.
        sm: architecture it is for; None for that of this machine's GPU.
        name: of the model, for messages.
        any_version: newer TensorRT runs it too. Such an engine holds code for the host, which a
            runtime must be told to trust.

    Raises:
        ExportError: an operator that TensorRT does not build; which node it is, and why.
    """
    _check_inputs(graph, name)
    log = _logger(tensorrt)
    builder = tensorrt.Builder(log)
    flag = tensorrt.NetworkDefinitionCreationFlag.STRONGLY_TYPED
    network = builder.create_network(1 << int(flag))
    _parse(tensorrt, network, log, dequantised(graph), name)
    config = _config(tensorrt, builder, profile, sm)
    if any_version:
        config.set_flag(tensorrt.BuilderFlag.VERSION_COMPATIBLE)
    began = time.perf_counter()
    content = builder.build_serialized_network(network, config)
    if content is None:
        raise ExportError(
            f"TensorRT cannot build {name}: {_first(log.errors)}; keep it in ONNX Runtime"
        )
    return Engine(sm or present_sm(), bytes(content), round(time.perf_counter() - began, 3))


def _check_inputs(graph: onnx.ModelProto, name: str) -> None:
    """Strings are refused here: the parser names no node, and prints what it thinks of them."""
    for given in graph.graph.input:
        if given.type.tensor_type.elem_type == TensorProto.STRING:
            reader = next(node for node in graph.graph.node if given.name in node.input)
            raise ExportError(
                f"TensorRT cannot build {name}: node '{_name(reader)}' ({reader.op_type}): "
                f"input '{given.name}' holds strings; keep it in ONNX Runtime"
            )


def _config(tensorrt: Any, builder: Any, profile: Profile, sm: int | None) -> Any:
    config = builder.create_builder_config()
    config.clear_flag(tensorrt.BuilderFlag.TF32)  # which keeps 10 bits of float32 factors
    config.set_flag(tensorrt.BuilderFlag.STRICT_NANS)  # a missing value is NaN; so is 0 * NaN
    if sm is not None:
        config.num_compute_capabilities = 1
        config.set_compute_capability(getattr(tensorrt.ComputeCapability, f"SM{sm}"), 0)
    sizes = builder.create_optimization_profile()
    for tensor, shapes in profile.items():
        sizes.set_shape(tensor, *shapes)
    config.add_optimization_profile(sizes)
    return config


def _parse(tensorrt: Any, network: Any, log: Any, graph: onnx.ModelProto, name: str) -> None:
    parser = tensorrt.OnnxParser(network, log)
    with tempfile.TemporaryDirectory(prefix="leanzoo-tensorrt-") as folder:
        file = Path(folder) / "model.onnx"
        file.write_bytes(graph.SerializeToString())
        parsed = parser.parse_from_file(str(file))
    if parsed:
        return
    errors = [parser.get_error(k) for k in range(parser.num_errors)]
    first = next((one for one in errors if _operator(one)), errors[0])
    raise ExportError(
        f"TensorRT cannot build {name}: {_where(first, graph)}{_first([first.desc()])}; "
        "keep it in ONNX Runtime"
    )


def _where(error: Any, graph: onnx.ModelProto) -> str:
    """The node that an error is about; where the parser names none, those of its operator."""
    operator, named = _operator(error), error.node_name()
    alike = [_name(node) for node in graph.graph.node if node.op_type == operator]
    names = [named] if named else alike
    return f"node {' or '.join(map(repr, names))} ({operator}): " if names else ""


def _name(node: onnx.NodeProto) -> str:
    """Of a node without a name, that of its output."""
    return node.name or node.output[0]


def _operator(error: Any) -> str:
    """The operator that an error of the parser is about; of some only the importer is named."""
    operator, importer = error.node_operator(), error.func()
    named = importer.removeprefix("import") if importer.startswith("import") else ""
    return str(operator or named)


def _first(texts: Sequence[str]) -> str:
    """The first line of what was said; of an operator that it does not know it says 'false'."""
    lines = [line.strip() for text in texts for line in text.splitlines() if line.strip()]
    return "not one that it builds" if lines[:1] in ([], ["false"]) else lines[0]


def _logger(tensorrt: Any) -> Any:
    """Keeps errors, and says nothing."""

    class Logger(tensorrt.ILogger):
        def __init__(self) -> None:
            tensorrt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity <= tensorrt.ILogger.ERROR:
                self.errors.append(message)

    return Logger()
