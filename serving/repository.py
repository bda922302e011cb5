"""Reads a model repository, as published by ``export.repository`` and served by Triton.

<root>/<model>/
  config.pbtxt     Triton's configuration
  labels.txt       class names, one per line
  warmup/<file>    real rows, little-endian and row-major
  <version>/       a positive number; other folders are ignored, as by Triton
    artifact.json  its absence means half-written
    model.onnx
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2
from tritonclient.utils import deserialize_bytes_tensor, triton_to_np_dtype

from serving.errors import ModelUnavailable, ModelUnknown, one_line
from zoo.artifact import Artifact, ArtifactError
from zoo.contract import Signature, near

CONFIG_FILE = "config.pbtxt"
MODEL_FILE = "model.onnx"


def list_models(root: Path) -> list[str]:
    """Names of the models in a repository that have a version.

    Raises:
        ModelUnknown: there is no such folder.
    """
    return [model for model in _configured(root) if list_versions(root, model)]


def _configured(root: Path) -> list[str]:
    """Names of the models that have a config; a clone of a project may hold no more than that."""
    if not root.is_dir():
        raise ModelUnknown(f"no model repository at {root}: publish a model into it first")
    return sorted(p.parent.name for p in root.glob(f"*/{CONFIG_FILE}") if p.name[0] != ".")


def model_folder(root: Path, model: str) -> Path:
    """A model's folder.

    Raises:
        ModelUnknown: naming the models that look like it.
    """
    known = _configured(root)
    if model not in known:
        raise ModelUnknown(f"no model '{model}' in {root}: {near(model, known)}")
    return root / model


def list_versions(root: Path, model: str) -> list[int]:
    """A model's version numbers, ascending, half-written ones included."""
    names = (p.name for p in model_folder(root, model).iterdir() if p.is_dir())
    return sorted(int(n) for n in names if n.isascii() and n.isdigit() and n[0] != "0")


def load_artifact(root: Path, model: str, version: str = "") -> Artifact:
    """One version's artifact, its files checked against the manifest.

    Args:
        version: a number; empty for the latest.

    Raises:
        ModelUnknown: no such model or version.
        ModelUnavailable: half-written, or changed since it was published.
    """
    known = list_versions(root, model)
    if not known:
        raise ModelUnavailable(f"model '{model}' has no versions in {root}: publish it")
    if version and version not in map(str, known):
        raise ModelUnknown(f"model '{model}' has no version '{version}': it has {known}")
    folder = root / model / (version or str(known[-1]))
    try:
        return Artifact.load(folder)
    except ArtifactError as error:
        raise ModelUnavailable(f"model '{model}' version {folder.name}: {error}") from None


def load_signature(artifact: Artifact) -> Signature:
    """A published model's signature.

    Raises:
        ModelUnavailable: it was published without one.
    """
    if artifact.signature is None:
        raise ModelUnavailable(f"model '{artifact.model}' has no signature: publish it again")
    return artifact.signature


def load_config(root: Path, model: str) -> Any:
    """A model's ``config.pbtxt`` as Triton's ModelConfig message.

    Raises:
        ModelUnavailable: it does not follow Triton's schema.
    """
    file = model_folder(root, model) / CONFIG_FILE
    try:
        return text_format.Parse(file.read_text(), model_config_pb2.ModelConfig())
    except text_format.ParseError as error:
        raise ModelUnavailable(
            f"{file} cannot be read ({one_line(error)}): publish it again"
        ) from None


def load_labels(root: Path, model: str) -> tuple[str, list[str]]:
    """The labelled output's name and its class names; an empty name when none has labels.

    Raises:
        ModelUnavailable: the file is missing.
    """
    for output in load_config(root, model).output:
        if output.label_filename:
            file = root / model / output.label_filename
            if not file.is_file():
                raise ModelUnavailable(f"{file} is missing: publish model '{model}' again")
            return output.name, file.read_text(encoding="utf-8").splitlines()
    return "", []


def canary_rows(root: Path, model: str) -> dict[str, np.ndarray]:
    """A request the model must answer: its first warm-up rows, else random ones.

    Raises:
        ModelUnavailable: a warm-up file is missing or has the wrong size.
    """
    config = load_config(root, model)
    if not config.model_warmup:
        return load_signature(load_artifact(root, model)).sample(1)
    warmup = config.model_warmup[0]
    lead = (max(warmup.batch_size, 1),) if config.max_batch_size else ()
    return {
        name: _warmup_rows(root / model / "warmup", tensor, lead)
        for name, tensor in warmup.inputs.items()
    }


def _warmup_rows(folder: Path, tensor: Any, lead: tuple[int, ...]) -> np.ndarray:
    """One input of a warm-up request."""
    kind = model_config_pb2.DataType.Name(tensor.data_type).removeprefix("TYPE_")
    dtype = np.dtype(triton_to_np_dtype("BYTES" if kind == "STRING" else kind))
    shape = (*lead, *tensor.dims)
    if not tensor.input_data_file:
        return np.zeros(shape, dtype)
    file = folder / tensor.input_data_file
    try:
        if dtype != np.dtype(object):
            return np.frombuffer(file.read_bytes(), dtype).reshape(shape)
        words = [word.decode() for word in deserialize_bytes_tensor(file.read_bytes())]
        return np.array(words, object).reshape(shape)
    except (OSError, ValueError) as error:
        raise ModelUnavailable(
            f"{file} cannot be read ({one_line(error)}): publish the model again"
        ) from None
