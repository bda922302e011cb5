"""Which versions of a published model a server keeps loaded, and which must be when another comes.

A graph's latest versions are served, and every one that somebody may still ask for: its rollout,
or an ensemble whose steps are pinned. An ensemble is loaded in its latest version alone, since all
of its versions share one configuration; an older one is answered by asking its steps.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from zoo.artifact import ArtifactError
from zoo.rollout import read_rollout
from zoo.steps import read_steps

VERSIONS_SERVED = 2  # the latest, where nobody asks for others


def versions_of(folder: Path) -> list[int]:
    """Version numbers of a published model, ascending, half-written ones included."""
    names = [path.name for path in folder.glob("*") if path.is_dir()]
    return sorted(int(n) for n in names if n.isascii() and n.isdigit() and n[0] != "0")


def served_by(policy: Any, numbers: Sequence[int]) -> list[int]:
    """Those of a model's versions that Triton loads.

    Args:
        policy: the ``version_policy`` of its configuration, a message of Triton's schema.
        numbers: that there are, ascending.
    """
    if policy.HasField("specific"):
        return [number for number in numbers if number in policy.specific.versions]
    if policy.HasField("all"):
        return list(numbers)
    return list(numbers[-(policy.latest.num_versions or 1) :])


def asked_versions(repository: Path, model: str) -> set[int]:
    """Versions of a model that are rolled out: by itself, or as steps of an ensemble's.

    Raises:
        ArtifactError: a rollout cannot be read.
    """
    asked = set(read_rollout(repository / model).versions)
    for ensemble in _folders(repository):
        for number in read_rollout(ensemble).versions:
            asked |= _pinned(ensemble / str(number), model)
    return asked


def kept_versions(repository: Path, model: str, new: int) -> list[int]:
    """Versions of a graph to be served once another is published, ascending.

    They are the latest, those that are rolled out, and the steps of ensembles as they are now.

    Args:
        repository: that receives it.
        model: its name.
        new: the number that it will have.

    Raises:
        ArtifactError: a rollout cannot be read.
    """
    numbers = sorted({*versions_of(repository / model), new})
    kept = {*numbers[-VERSIONS_SERVED:], *asked_versions(repository, model)}
    for ensemble in _folders(repository):
        for number in versions_of(ensemble)[-1:]:
            kept |= _pinned(ensemble / str(number), model)
    return [number for number in numbers if number in kept]


@contextlib.contextmanager
def changing(repository: Path) -> Iterator[None]:
    """Nobody else publishes into a repository, or rolls out in it, while the block runs.

    Publishing reads what is rolled out, and rolling out reads what is served: either waits for
    the other.

    Raises:
        ArtifactError: the folder is not there, or its file system has no locks.
    """
    try:
        folder = os.open(repository, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
        except BaseException:
            os.close(folder)
            raise
    except OSError as error:
        raise ArtifactError(
            f"{repository} cannot be locked ({error.strerror or error}): expected a folder on a "
            "file system with locks; choose another"
        ) from None
    try:
        yield
    finally:
        os.close(folder)  # which unlocks it


def _folders(repository: Path) -> list[Path]:
    """Of all models; none where there is no repository."""
    return [path for path in repository.glob("*") if path.is_dir() and path.name[0] != "."]


def _pinned(version: Path, model: str) -> set[int]:
    """Versions of a model that a version asks; none where it is of no ensemble."""
    try:
        return {step.version for step in read_steps(version) if step.model == model}
    except ArtifactError:  # nobody can ask it: it is mended by being published after its steps
        return set()
