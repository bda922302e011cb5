"""Which versions stay served beside one that is published, as its configuration says it.

All versions of a model share one configuration: what is rolled out must fit the next one's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from export.errors import ExportError
from export.triton_config import config_of
from zoo.artifact import Artifact
from zoo.kept import VERSIONS_SERVED, asked_versions, kept_versions, versions_of


def keep_versions(
    config: Any, artifact: Artifact, repository: Path, files: Sequence[str] = ()
) -> None:
    """Make a graph's configuration keep every version that may be asked for.

    Args:
        config: its ModelConfig message, which keeps the latest two.
        artifact: of the version that is published next.
        repository: that receives it.
        files: that every version must hold to be loaded under this configuration.

    Raises:
        ArtifactError: a rollout cannot be read.
        ExportError: a version that is rolled out would not be loaded any more.
    """
    model, folder = artifact.model, repository / artifact.model
    numbers = versions_of(folder)
    new = max(numbers, default=0) + 1
    unfit = {number for number in numbers if not _holds(folder / str(number), files)}
    for number in sorted(asked_versions(repository, model) & set(numbers)):
        if number in unfit:
            raise ExportError(
                f"version {number} of {model}, which is rolled out, holds no plan, and cannot be "
                f"served beside one: {_release(model)}, or publish for another target"
            )
        _check_tensors(config, folder / str(number))
    kept = [n for n in kept_versions(repository, model, new) if n not in unfit]
    if kept != [*numbers, new][-VERSIONS_SERVED:]:
        config.version_policy.specific.versions.extend(kept)


def _holds(folder: Path, files: Sequence[str]) -> bool:
    return all((folder / name).is_file() for name in files)


def _check_tensors(config: Any, folder: Path) -> None:
    """A version that is rolled out must have the tensors that the configuration names."""
    own = config_of(Artifact.load(folder, verify=False))
    for field in ("max_batch_size", "input", "output"):
        if getattr(own, field) != getattr(config, field):
            raise ExportError(
                f"version {folder.name} of {config.name}, which is rolled out, has another {field} "
                f"than what is published: {_release(config.name)}"
            )


def _release(model: str) -> str:
    return f"roll out the latest of {model} first, with 'leanzoo rollout'"
