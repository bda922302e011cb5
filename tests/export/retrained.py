"""Exports as another training would have left them, and what publishes them for a target."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from export.repository import publish_all
from export.targets import Target, note_of
from zoo.artifact import Artifact


def retrained(exports: Iterable[Artifact], out: Path, letter: str) -> list[Path]:
    """Copies of an export, of another checkpoint and with other bytes.

    Args:
        exports: all artifacts of one checkpoint.
        out: folder that receives the copies.
        letter: by which trainings differ.

    Returns:
        Their folders.
    """
    digests: dict[str, str] = {}
    folders = []
    for artifact in sorted(exports, key=lambda one: (one.kind == "ensemble", "net" in one.parents)):
        folder = out / artifact.model
        shutil.copytree(artifact.path, folder)
        if (folder / "model.onnx").is_file():
            with (folder / "model.onnx").open("ab") as stream:
                stream.write(b"\x72\x06\x0a\x01k\x12\x01" + letter.encode())  # metadata: k = letter
        parents = {role: digests.get(one, one) for role, one in artifact.parents.items()}
        made = replace(artifact, path=folder, parents={**parents, "checkpoint": letter})
        digests[artifact.digest] = made.write(folder).digest
        folders.append(folder)
    return folders


def publish_for(
    artifacts: Iterable[Artifact], root: Path, target: Target, engines: Path | None = None
) -> None:
    """Publish them, each with a card."""

    def card_of(artifact: Artifact) -> str:
        return f"# {artifact.model}\n" + note_of(artifact, target)

    publish_all([one.path for one in artifacts], root, card_of, target, engines)
