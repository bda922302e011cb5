"""Reads a model repository, as published by ``export.repository`` and served by Triton.

<root>/<model>/
  config.pbtxt     Triton's configuration
  labels.txt       class names, one per line
  rollout.json     which version is asked, where that is not the latest (zoo.rollout)
  <version>/       a positive number; other folders are ignored, as by Triton
    artifact.json  its absence means half-written
    model.onnx     or steps.json, which names the models that an ensemble asks
    golden.json    a request and its answer
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from serving.errors import ModelUnavailable, ModelUnknown, one_line
from zoo.artifact import Artifact, ArtifactError, sha256_file
from zoo.contract import Signature, near
from zoo.golden import Golden
from zoo.kept import served_by, versions_of
from zoo.steps import Step, read_steps

CONFIG_FILE = "config.pbtxt"
LABELS_FILE = "labels.txt"
SHARED = "shared"  # of an artifact's metrics: the sha256 of such files
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
    return versions_of(model_folder(root, model))


def served_versions(root: Path, model: str) -> list[int]:
    """Version numbers that can be asked, ascending.

    Of a graph those that Triton keeps loaded. Of an ensemble those whose steps it does: it loads
    the latest, and whoever asks an older one asks its steps.

    Raises:
        ModelUnknown, ModelUnavailable: there is no such model, or its files cannot be read.
    """
    numbers = list_versions(root, model)
    try:
        steps = {number: read_steps(root / model / str(number)) for number in numbers}
        if not any(steps.values()):
            return served_by(load_config(root, model).version_policy, numbers)
        loaded = {step.model for one in steps.values() for step in one}
        served = {name: served_versions(root, name) for name in loaded}
    except ArtifactError as error:
        raise ModelUnavailable(f"model '{model}': {error}") from None
    whole = [number for number in numbers if steps[number]]
    return [n for n in whole if all(one.version in served[one.model] for one in steps[n])]


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


def base_name(artifact: Artifact) -> str:
    """The model that a published one is a form of; itself, where it is of no recipe."""
    return str(artifact.recipe.get("name", artifact.model))


def latest_manifest(root: Path, model: str) -> Artifact | None:
    """What the latest version that can be read says of itself, its files unchecked."""
    for number in reversed(list_versions(root, model)):
        with contextlib.suppress(ArtifactError):  # half-written: an earlier one says it too
            return Artifact.load(root / model / str(number), verify=False)
    return None


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
    except (text_format.ParseError, ValueError, OSError) as error:
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


def check_shared(root: Path, artifact: Artifact) -> None:
    """Check the configuration and the labels, which all versions share, against the latest one's.

    Raises:
        ModelUnavailable: one is missing, or was changed since it was published.
    """
    if artifact.path.name != str(list_versions(root, artifact.model)[-1]):
        return  # of an earlier version they need not be
    digests = artifact.metrics.get(SHARED, {})
    for name in (CONFIG_FILE, LABELS_FILE):
        file = root / artifact.model / name
        if name in digests and not (file.is_file() and sha256_file(file) == digests[name]):
            raise ModelUnavailable(f"{file} is missing or was changed: publish the model again")


def load_golden(root: Path, model: str) -> Golden:
    """The request that the latest version must answer as it did when it was exported.

    Raises:
        ModelUnavailable: it was published without one.
    """
    artifact = load_artifact(root, model)
    try:
        return Golden.load(artifact.path, load_signature(artifact))
    except ArtifactError as error:
        raise ModelUnavailable(f"model '{model}': {error}") from None


def load_steps(artifact: Artifact) -> tuple[Step, ...]:
    """The steps of a published ensemble; none for a model of its own.

    Raises:
        ModelUnavailable: its ``steps.json`` cannot be read.
    """
    try:
        return read_steps(artifact.path)
    except ArtifactError as error:
        raise ModelUnavailable(f"model '{artifact.model}': {error}") from None


def with_steps(root: Path, models: Iterable[str]) -> list[str]:
    """Models, each ensemble after the models it asks; all of them whole and as published.

    Raises:
        ModelUnknown, ModelUnavailable: see ``load_artifact``; or a step's version is not served.
    """
    names: dict[str, None] = {}
    for model in models:
        artifact = load_artifact(root, model)
        for step in load_steps(artifact):
            load_artifact(root, step.model, str(step.version))
            if step.version not in (served := served_versions(root, step.model)):
                raise ModelUnavailable(
                    f"model '{model}' needs version {step.version} of '{step.model}', of which "
                    f"{', '.join(map(str, served))} are served: publish both again"
                )
            names[step.model] = None
        names[model] = None
    return list(names)
