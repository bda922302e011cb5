"""Publishes exported artifacts into a Triton model repository.

<repository>/<model>/
  config.pbtxt     what Triton is told
  labels.txt       class names, one per line
  card.md          the model card, where given
  warmup/          <input>-1: a real row
  <version>/       1, 2, …: what else the artifact holds, and artifact.json, whose
                   metrics["shared"] has the sha256 of the files above as published with it

A version is prepared in a hidden folder, then moved into place by renames, which are undone if
one fails. The latest version's artifact tells whether anything was changed since. A version of an
ensemble names the versions of its steps, which are therefore published before it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from export.artifacts import LABELS_FILE, WARMUP
from export.errors import ExportError
from export.lint.repository import lint_model
from export.lint.rule import ERROR
from export.published import SHARED, check_published, published_steps, versions_of
from export.triton_config import CONFIG_FILE, ENSEMBLE, config_of, to_text
from export.verify import verify
from zoo.artifact import Artifact, ArtifactError, sha256_file
from zoo.steps import STEPS_FILE, Step, steps_text

CARD_FILE = "card.md"


@dataclass(frozen=True)
class PublishedVersion:
    """Where a model is published.

    Attributes:
        model: its name in the repository.
        version: its number.
        path: folder of the version.
        changed: False when the very same content was there already.
    """

    model: str
    version: int
    path: Path
    changed: bool


def publish_all(
    folders: Iterable[Path], repository: Path, card_of: Callable[[Artifact], str | None]
) -> list[PublishedVersion]:
    """Publish the artifacts of an export, ensembles after the models that they ask.

    Args:
        folders: of the artifacts.
        repository: made if missing.
        card_of: artifact → text of its model card.

    Raises:
        ExportError: they come from different checkpoints; nothing is published.
        ArtifactError, ExportError: as ``publish``; what came before is published.
    """
    artifacts = sorted(map(Artifact.load, folders), key=lambda a: (a.kind == ENSEMBLE, a.model))
    for artifact in artifacts:
        if artifact.parents.get("checkpoint") != artifacts[0].parents.get("checkpoint"):
            raise ExportError(
                f"{artifact.model} comes from another checkpoint than {artifacts[0].model}: "
                f"export it again, or remove {artifact.path}"
            )
    return [publish(artifact.path, repository, card_of(artifact)) for artifact in artifacts]


def publish(folder: Path, repository: Path, card: str | None = None) -> PublishedVersion:
    """Publish an exported artifact as the next version of its model.

    Args:
        folder: the artifact.
        repository: made if missing.
        card: text of the model card.

    Raises:
        ArtifactError: not an artifact, half-written or changed.
        ExportError: not meant to be served, a gate fails when it is repeated, a step of an
            ensemble is not published, or the repository cannot be written; the repository is
            then as it was.
    """
    artifact = Artifact.load(folder)
    _check_servable(artifact)
    asked = published_steps(artifact, repository)
    verify(folder, asked)
    steps = [one.step for one in asked]
    target = repository / artifact.model
    with _scratch(repository, artifact.model) as scratch:
        latest = max(versions_of(target), default=0)
        staged = scratch / artifact.model
        published = _stage(artifact, steps, staged, str(latest + 1), card)
        _check_lint(staged, repository)
        if latest and _same(published, target / str(latest)):
            return PublishedVersion(artifact.model, latest, target / str(latest), False)
        if target.exists():
            _replace(staged, target, scratch / "old", str(latest + 1))
        else:
            os.rename(staged, target)
    return PublishedVersion(artifact.model, latest + 1, target / str(latest + 1), True)


def _check_lint(staged: Path, repository: Path) -> None:
    """Refuse what a server would refuse, before any server can see it."""
    for finding in lint_model(staged, repository):
        if finding.severity == ERROR:
            raise ExportError(f"{finding.model}: {finding.message}; {finding.remedy}")


def _check_servable(artifact: Artifact) -> None:
    if artifact.kind not in ("onnx", ENSEMBLE):
        raise ExportError(
            f"{artifact.path} is a {artifact.kind} artifact: expected onnx or {ENSEMBLE}"
        )
    if not artifact.metrics["served"]:
        raise ExportError(f"{artifact.model} is exported for benchmarks: it cannot be published")


@contextlib.contextmanager
def _scratch(repository: Path, model: str) -> Iterator[Path]:
    """A hidden folder inside the repository, on its file system; gone in the end."""
    scratch: Path | None = None
    try:
        repository.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{model}-", dir=repository))
        yield scratch
    except OSError as error:
        raise ExportError(
            f"cannot publish {model} into {repository}: {error.strerror or error}; "
            "free space or choose another folder"
        ) from error
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)


def _stage(
    artifact: Artifact, steps: Sequence[Step], staged: Path, version: str, card: str | None
) -> Artifact:
    """Write a complete model folder with one version; the version's artifact."""
    (staged / version).mkdir(parents=True)
    for name in artifact.files:
        shared = name == LABELS_FILE or name.startswith(f"{WARMUP}/")
        goal = staged / ("" if shared else version) / name
        goal.parent.mkdir(exist_ok=True)
        shutil.copyfile(artifact.path / name, goal)
    if steps:
        (staged / version / STEPS_FILE).write_text(steps_text(steps))
    (staged / CONFIG_FILE).write_text(to_text(config_of(artifact, steps)))
    if card is not None:
        (staged / CARD_FILE).write_text(card)
    hashes = {name: sha256_file(staged / name) for name in _shared_names(staged)}
    published = replace(
        artifact,
        kind="published",
        metrics={**artifact.metrics, SHARED: hashes},
        parents={**artifact.parents, "onnx": artifact.digest},
    )
    return published.write(staged / version)


def _shared_names(folder: Path) -> list[str]:
    """Files that all versions of a model share; the configuration last."""
    names = [name for name in (LABELS_FILE, CARD_FILE) if (folder / name).is_file()]
    warmup = sorted(f"{WARMUP}/{path.name}" for path in (folder / WARMUP).glob("*"))
    return [*names, *warmup, *([CONFIG_FILE] if (folder / CONFIG_FILE).is_file() else [])]


def _same(published: Artifact, latest: Path) -> bool:
    """Whether the latest version is intact and equal to ``published``."""
    try:
        present = check_published(latest.parent)
    except ArtifactError:
        return False
    return (present.files, present.metrics[SHARED]) == (published.files, published.metrics[SHARED])


def _replace(staged: Path, target: Path, backup: Path, version: str) -> None:
    """Move the version, then the shared files, into place; undo all of it if one move fails."""
    stale = sorted(set(_shared_names(target)) - set(_shared_names(staged)))
    names = _shared_names(staged)
    for name in _shared_names(target):
        (backup / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(target / name, backup / name)
    if any(name.startswith(f"{WARMUP}/") for name in names):
        (target / WARMUP).mkdir(exist_ok=True)
    os.rename(staged / version, target / version)
    try:
        for name in names:
            os.replace(staged / name, target / name)
        for name in stale:
            (target / name).unlink()
    except BaseException:
        os.rename(target / version, staged / version)
        for name in {*names, *stale}:
            if (backup / name).exists():
                os.replace(backup / name, target / name)
            else:
                (target / name).unlink(missing_ok=True)
        raise
