"""A model folder with one version, as it is written before it is moved into a repository."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from export.artifacts import LABELS_FILE, WARMUP
from export.plans import Plans
from export.published import SHARED
from export.targets import Target
from export.triton_config import CONFIG_FILE, to_text
from zoo.artifact import Artifact, sha256_file
from zoo.steps import STEPS_FILE, Step, steps_text

CARD_FILE = "card.md"


@dataclass(frozen=True)
class Staged:
    """What is written of a version.

    Attributes:
        artifact: as exported.
        steps: of an ensemble, with the versions that they ask.
        config: its ModelConfig message.
        target: what it is for.
        plans: of a graph on a target of plans.
        card: text of the model card.
    """

    artifact: Artifact
    steps: tuple[Step, ...]
    config: Any
    target: Target
    plans: Plans | None
    card: str | None


def stage(what: Staged, staged: Path, version: str) -> Artifact:
    """Write a complete model folder with one version.

    Args:
        what: of the version.
        staged: the folder.
        version: its number.

    Returns:
        The version's artifact.
    """
    artifact = what.artifact
    (staged / version).mkdir(parents=True)
    for name in artifact.files:
        shared = name == LABELS_FILE or name.startswith(f"{WARMUP}/")
        goal = staged / ("" if shared else version) / name
        goal.parent.mkdir(exist_ok=True)
        shutil.copyfile(artifact.path / name, goal)
    if what.plans:
        for name in what.plans.names:
            shutil.copyfile(what.plans.folder / name, staged / version / name)
    if what.steps:
        (staged / version / STEPS_FILE).write_text(steps_text(what.steps))
    (staged / CONFIG_FILE).write_text(to_text(what.config))
    if what.card is not None:
        (staged / CARD_FILE).write_text(what.card)
    hashes = {name: sha256_file(staged / name) for name in shared_names(staged)}
    published = replace(
        artifact,
        kind="published",
        metrics={**artifact.metrics, SHARED: hashes, "target": what.target.name},
        parents={**artifact.parents, "onnx": artifact.digest},
    )
    return published.write(staged / version)


def shared_names(folder: Path) -> list[str]:
    """Files that all versions of a model share; the configuration last."""
    names = [name for name in (LABELS_FILE, CARD_FILE) if (folder / name).is_file()]
    warmup = sorted(f"{WARMUP}/{path.name}" for path in (folder / WARMUP).glob("*"))
    return [*names, *warmup, *([CONFIG_FILE] if (folder / CONFIG_FILE).is_file() else [])]
