"""TensorRT engines as an artifact, which says of each what it was built from and for.

<out>/<model>/
  model.onnx            the graph, which also runs where no engine does
  config.pbtxt          of plans: for Triton's TensorRT backend, which picks the GPU's own
  sm89.rtx.engine       an engine of TensorRT-RTX for one architecture; a plan: sm89.plan
  engines.json          {"flavour", "version", "onnx": sha256, "profile": input → least, usual and
                        most, "engines": [{"sm", "file", "size_bytes", "build_s"}]}
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from export.artifacts import MODEL_FILE
from export.errors import ExportError
from export.onnx_file import load_graph
from export.to_tensorrt import PLAN, SMS, Engine, build_engine, load_tensorrt, profile_of
from export.triton_config import CONFIG_FILE, plan_config, to_text
from zoo.artifact import Artifact, ArtifactError, sha256_file, staging, versions
from zoo.contract import near

ENGINES_FILE = "engines.json"
KIND = "tensorrt"
SUFFIXES = {"rtx": "rtx.engine", PLAN: "plan"}


def parse_sms(text: str) -> list[int]:
    """GPU architectures named in a list with commas.

    Raises:
        ExportError: one that TensorRT-RTX does not build for.
    """
    names = [name.strip().lower().removeprefix("sm") for name in text.split(",") if name.strip()]
    known = [*map(str, SMS)]
    for name in names:
        if name not in known:
            raise ExportError(f"unknown GPU architecture '{name}': {near(name, known)}")
    if not names:
        raise ExportError(f"no GPU architecture is named: expected some of {', '.join(known)}")
    return [int(name) for name in dict.fromkeys(names)]


def export_engines(
    artifact: Artifact, out: Path, flavour: str, sms: Sequence[int], any_version: bool = False
) -> Artifact:
    """Build engines of an exported graph, all of them or none.

    Args:
        artifact: of kind ``onnx``.
        out: folder that receives ``<model>``.
        flavour: ``rtx``, or ``plan`` for this machine's GPU.
        sms: architectures; a plan has that of its GPU.
        any_version: of plans, see ``to_tensorrt.build_engine``.

    Raises:
        ArtifactError: ``out`` cannot be written.
        ExportError: TensorRT is not installed, has no GPU where it needs one, or does not build
            an operator.
    """
    tensorrt = load_tensorrt(flavour)
    graph, signature = load_graph(artifact), artifact.signature
    assert signature is not None
    profile = profile_of(signature)
    built = [
        build_engine(tensorrt, graph, profile, sm, artifact.model, any_version)
        for sm in (sms if flavour != PLAN else [None])
    ]
    said = {
        "flavour": flavour,
        "version": tensorrt.__version__,
        "onnx": artifact.files[MODEL_FILE],
        "profile": profile,
        "engines": [_about(engine, flavour) for engine in built],
    }
    made = Artifact(
        path=out / artifact.model,
        kind=KIND,
        model=artifact.model,
        signature=signature,
        recipe=artifact.recipe,
        metrics={"precision": artifact.metrics["precision"], **said},
        parents={"onnx": artifact.digest},
        made_with=versions("onnx"),
    )
    with staging(made.path) as folder:
        (folder / MODEL_FILE).write_bytes((artifact.path / MODEL_FILE).read_bytes())
        for engine in built:
            (folder / _file(engine, flavour)).write_bytes(engine.content)
        if flavour == PLAN:
            files = {engine.sm: _file(engine, flavour) for engine in built}
            (folder / CONFIG_FILE).write_text(to_text(plan_config(made, files)))
        (folder / ENGINES_FILE).write_text(json.dumps(said, indent=1) + "\n")
        return made.write(folder)


def _file(engine: Engine, flavour: str) -> str:
    return f"sm{engine.sm}.{SUFFIXES[flavour]}"


def _about(engine: Engine, flavour: str) -> dict[str, Any]:
    size = len(engine.content)
    file = _file(engine, flavour)
    return {"sm": engine.sm, "file": file, "size_bytes": size, "build_s": engine.build_s}


def check_engines(folder: Path) -> dict[str, Any]:
    """Check that engines belong to the graph beside them.

    Returns:
        The manifest.

    Raises:
        ArtifactError: files that are not as they were written.
        ExportError: another graph, or an engine that is not there.
    """
    artifact = Artifact.load(folder)
    file = folder / ENGINES_FILE
    try:
        said: dict[str, Any] = json.loads(file.read_text())
        names = {int(one["sm"]): one["file"] for one in said["engines"]}.values()
        onnx, *_ = (said[key] for key in ("onnx", "flavour", "version"))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ArtifactError(f"{file} cannot be read ({error}): build the engines again") from None
    if sha256_file(folder / MODEL_FILE) != onnx:
        raise ExportError(
            f"the engines in {folder} were built from another {MODEL_FILE}: build them again"
        )
    if missing := [name for name in names if name not in artifact.files]:
        raise ExportError(f"{folder} has no {missing[0]}: build the engines again")
    return said


def load_engine(folder: Path, flavour: str, sm: int, version: str) -> bytes:
    """An engine's bytes, for a runtime that can run it.

    Args:
        folder: of the artifact.
        flavour, sm: of the engine.
        version: of the runtime, which must be that of the builder.

    Raises:
        ArtifactError: files that are not as they were written.
        ExportError: a stale engine, or none of that flavour and for that architecture.
    """
    said = check_engines(folder)
    if said["flavour"] != flavour:
        raise ExportError(f"{folder} holds engines of '{said['flavour']}': expected '{flavour}'")
    if said["version"] != version:
        raise ExportError(
            f"the engines in {folder} were built by version {said['version']}, the runtime is "
            f"{version}: expected the same; build them again"
        )
    files = {one["sm"]: one["file"] for one in said["engines"]}
    if sm not in files:
        built = ", ".join(map(str, sorted(files)))
        raise ExportError(f"{folder} has no engine for SM {sm}: it has {built}; build it with --sm")
    return (folder / files[sm]).read_bytes()
