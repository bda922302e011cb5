"""A model of a repository as rules look at it: its configuration, versions, graphs and machine."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import onnx
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from export.artifacts import MODEL_FILE
from export.errors import ExportError
from export.onnx_file import read_graph
from export.triton_config import BACKEND, CONFIG_FILE, ENSEMBLE
from zoo.artifact import ArtifactError
from zoo.kept import served_by, versions_of
from zoo.steps import read_steps

PLATFORMS = {  # platform → the backend that it stands for
    "onnxruntime_onnx": BACKEND,
    "tensorrt_plan": "tensorrt",
    "pytorch_libtorch": "pytorch",
    "tensorflow_graphdef": "tensorflow",
    "tensorflow_savedmodel": "tensorflow",
    ENSEMBLE: "",
}
ELEMENTS = {"FLOAT": "FP32", "FLOAT16": "FP16", "DOUBLE": "FP64", "BFLOAT16": "BF16"}
FREE = -1


@dataclass(frozen=True)
class Machine:
    """What the models must run on.

    Attributes:
        cores: that a model may use.
        gpu: whether there is an NVIDIA GPU.
    """

    cores: int
    gpu: bool


def this_machine() -> Machine:
    """The machine that this process may use."""
    return Machine(len(os.sched_getaffinity(0)), Path("/dev/nvidia0").exists())


@dataclass(frozen=True)
class Tensor:
    """An input or output of a graph.

    Attributes:
        dtype: Triton's number of its type.
        dims: all axes, the batch included; −1 is free.
    """

    dtype: int
    dims: tuple[int, ...]


@dataclass(frozen=True)
class Served:
    """A model folder.

    Attributes:
        folder, repository: where it lies, and where the models lie that it asks.
        machine: that it must run on.
        config: Triton's ModelConfig; empty where it cannot be read.
        unread: why the configuration cannot be read.
        unknown: the first of its fields that Triton's schema does not know.
    """

    folder: Path
    repository: Path
    machine: Machine
    config: Any
    unread: str = ""
    unknown: str = ""

    @property
    def name(self) -> str:
        """The name that Triton serves it by."""
        return self.folder.name

    @property
    def ensemble(self) -> bool:
        """Whether it is put together from other models."""
        return self.config.platform == ENSEMBLE or bool(self.config.ensemble_scheduling.step)

    @property
    def backend(self) -> str:
        """The backend that runs it; none of an ensemble."""
        return self.config.backend or PLATFORMS.get(self.config.platform, "")

    @cached_property
    def versions(self) -> dict[int, Path]:
        """The versions that Triton serves and that hold something."""
        numbers = served_by(self.config.version_policy, versions_of(self.folder))
        folders = {number: self.folder / str(number) for number in numbers}
        return {number: path for number, path in folders.items() if any(path.iterdir())}

    def answers(self, number: int) -> bool:
        """Whether a version can be asked: it is loaded, or is an ensemble whose steps are."""
        if not self.ensemble:
            return number in self.versions
        try:
            steps = read_steps(self.folder / str(number))
        except ArtifactError:
            return False
        asked = [(self.other(step.model), step.version) for step in steps]
        return bool(asked) and all(model and model.answers(n) for model, n in asked)

    @property
    def graph_file(self) -> str:
        """The file of a version that ONNX Runtime loads."""
        return self.config.default_model_filename or MODEL_FILE

    @cached_property
    def graphs(self) -> dict[int, onnx.ModelProto | str]:
        """Of each version its ONNX graph, or why it cannot be read."""
        return {
            number: _graph(path / self.graph_file)
            for number, path in self.versions.items()
            if self.backend == BACKEND and (path / self.graph_file).is_file()
        }

    def parameter(self, name: str) -> str:
        """A parameter of the configuration; the empty text where it has none."""
        known = self.config.parameters  # to look an unknown one up would add it
        return known[name].string_value if name in known else ""

    def other(self, name: str) -> Served | None:
        """Another model of the repository, where there is one that can be read."""
        found = read_model(self.repository / name, self.repository, self.machine)
        return None if found.unread else found


def read_model(folder: Path, repository: Path, machine: Machine) -> Served:
    """Read the configuration of a model.

    Args:
        folder: of the model.
        repository: where models lie that it asks.
        machine: that it must run on.
    """
    empty = model_config_pb2.ModelConfig()
    model = Served(folder, repository, machine, empty)
    try:
        text = (folder / CONFIG_FILE).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        return replace(model, unread=getattr(error, "strerror", None) or str(error))
    try:
        return replace(model, config=text_format.Parse(text, model_config_pb2.ModelConfig()))
    except text_format.ParseError as error:
        return _tolerant(model, text, str(error))


def _tolerant(model: Served, text: str, fault: str) -> Served:
    """The rest of a configuration, where a field that the schema does not know is its one fault."""
    try:
        config = text_format.Parse(text, model_config_pb2.ModelConfig(), allow_unknown_field=True)
    except text_format.ParseError as error:
        return replace(model, unread=str(error))
    return replace(model, config=config, unknown=fault)


def _graph(file: Path) -> onnx.ModelProto | str:
    try:
        return read_graph(file)
    except ExportError as error:
        return str(error)


def tensors_of(graph: onnx.ModelProto) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A graph's inputs and its outputs, by name."""
    weights = {weight.name for weight in graph.graph.initializer}
    inputs = {v.name: _tensor(v) for v in graph.graph.input if v.name not in weights}
    return inputs, {value.name: _tensor(value) for value in graph.graph.output}


def _tensor(value: onnx.ValueInfoProto) -> Tensor:
    kind = onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type)
    known = model_config_pb2.DataType.items()
    dtype = dict(known).get(f"TYPE_{ELEMENTS.get(kind, kind)}", model_config_pb2.TYPE_INVALID)
    dims = value.type.tensor_type.shape.dim
    return Tensor(dtype, tuple(d.dim_value if d.HasField("dim_value") else FREE for d in dims))


def type_name(dtype: int) -> str:
    """Triton's name of a data type."""
    name: str = model_config_pb2.DataType.Name(dtype)
    return name
