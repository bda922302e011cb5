"""A trained model on disk: safetensors weights in an artifact, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import nn

from zoo.artifact import Artifact, ArtifactError, staging, versions
from zoo.recipes import Recipe, from_table
from zoo.registry import get_spec

WEIGHTS = "weights.safetensors"
CONFIG = "config.json"


def save(
    path: Path,
    model: nn.Module,
    config: Any,
    recipe: Recipe,
    metrics: dict[str, Any],
    attachments: Mapping[str, bytes],
    parents: dict[str, str],
) -> Artifact:
    """Write a checkpoint artifact at ``path``, all of it or nothing."""
    artifact = Artifact(
        path=path,
        kind="checkpoint",
        model=recipe.name,
        signature=None,
        recipe=asdict(recipe),
        metrics=metrics,
        parents=parents,
        made_with=versions("torch", "numpy", "scipy"),
    )
    with staging(path) as folder:
        state = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
        save_file(state, folder / WEIGHTS)
        (folder / CONFIG).write_text(json.dumps(asdict(config), indent=1) + "\n")
        for name, content in attachments.items():
            (folder / name).write_bytes(content)
        return artifact.write(folder)


def load(path: Path | str) -> tuple[Artifact, nn.Module, Any]:
    """Read a checkpoint.

    Returns:
        The artifact, the module in eval mode, and its config.

    Raises:
        ArtifactError: not a checkpoint, half-written or changed.
    """
    artifact = Artifact.load(path)
    if artifact.kind != "checkpoint":
        raise ArtifactError(f"{path} is a {artifact.kind} artifact: expected a checkpoint")
    spec = get_spec(artifact.recipe["model"])
    raw = json.loads((artifact.path / CONFIG).read_text())
    config = from_table(spec.config, raw, str(artifact.path / CONFIG))
    model = spec.build(config)
    try:
        model.load_state_dict(load_file(artifact.path / WEIGHTS))
    except RuntimeError:
        raise ArtifactError(
            f"{path} holds weights of another architecture; remove it and train again"
        ) from None
    return artifact, model.eval(), config


def attachments_of(artifact: Artifact) -> dict[str, bytes]:
    """What the data gave its models to carry: class names, vocabularies, …"""
    names = sorted(set(artifact.files) - {WEIGHTS, CONFIG})
    return {name: (artifact.path / name).read_bytes() for name in names}


def recipe_of(artifact: Artifact) -> Recipe:
    """The recipe a checkpoint was made by."""
    raw = dict(artifact.recipe)
    teacher = raw.pop("teacher")
    return Recipe(**raw, teacher=Recipe(**teacher) if teacher else None)
