"""TensorRT plans that are published beside the graph that they were built from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from export.artifacts import MODEL_FILE
from export.engines import ENGINES_FILE, check_engines
from export.errors import ExportError
from export.targets import Target, on_gpu
from export.to_tensorrt import PLAN
from zoo.artifact import ARTIFACT_FILE, Artifact

BUILD = "run 'leanzoo export --tensorrt plan' on a machine with a GPU"


@dataclass(frozen=True)
class Plans:
    """A model's plans.

    Attributes:
        folder: that holds them, and ``engines.json``.
        files: architecture, such as 89 → file.
    """

    folder: Path
    files: dict[int, str]

    @property
    def names(self) -> tuple[str, ...]:
        """All files that are published with the graph."""
        return (ENGINES_FILE, *self.files.values())


def find_plans(
    artifacts: Iterable[Artifact], target: Target, root: Path | None
) -> dict[str, Plans]:
    """The plans of every graph that a target runs as one; none for another target.

    Args:
        artifacts: that are published.
        target: what for.
        root: folder of engines, ``<precision>/<model>``; None where there are none.

    Returns:
        Model → its plans.

    Raises:
        ArtifactError: files that are not as they were written.
        ExportError: a graph without plans, with plans of another graph, or with engines of
            TensorRT-RTX.
    """
    if target.engines != PLAN:
        return {}
    return {one.model: _plans(one, root) for one in artifacts if on_gpu(one, target)}


def _plans(artifact: Artifact, root: Path | None) -> Plans:
    model, precision = artifact.model, artifact.metrics["precision"]
    folder = (root or artifact.path) / precision / model
    if not (folder / ARTIFACT_FILE).is_file():
        raise ExportError(f"{model} in {precision} has no plan: {BUILD}")
    said = check_engines(folder)
    if said["flavour"] != PLAN:
        raise ExportError(
            f"{folder} holds engines of TensorRT-RTX, which Triton does not load: {BUILD}"
        )
    if said["onnx"] != artifact.files[MODEL_FILE]:
        raise ExportError(f"the plans in {folder} were built from another export: {BUILD}")
    return Plans(folder, {int(one["sm"]): one["file"] for one in said["engines"]})
