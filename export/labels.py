"""Class names: their file must hold them in the order in which the model was exported with them."""

from __future__ import annotations

from export.artifacts import LABELS_FILE
from export.errors import ExportError
from zoo.artifact import Artifact
from zoo.golden import Golden


def check_labels(artifact: Artifact, golden: Golden) -> None:
    """Hold the class names beside a model against those of its golden rows.

    Args:
        artifact: of the model; where it is published, its class names are beside the version.
        golden: its golden rows; without class names nothing is checked.

    Raises:
        ExportError: no class names, other ones, or another order.
    """
    if not golden.labels:
        return
    folder = artifact.path.parent if artifact.kind == "published" else artifact.path
    file = folder / LABELS_FILE
    try:
        names = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ExportError(f"{file} cannot be read ({error}): export the model again") from None
    if wrong := golden.mislabelled(names):
        raise ExportError(f"{file} has {wrong} in {artifact.model}'s golden rows: export it again")
