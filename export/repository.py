"""Publishes exported artifacts into a Triton model repository.

<repository>/<model>/
  config.pbtxt     what Triton is told
  labels.txt       class names, one per line
  card.md          the model card, where given
  warmup/          <input>-1: a real row
  rollout.json     which version is asked, where that is not the latest (zoo.rollout)
  <version>/       1, 2, …: what else the artifact holds, and artifact.json, whose
                   metrics["shared"] has the sha256 of the files above as published with it

A version is prepared in a hidden folder, then moved into place by renames, which are undone if
one fails. The latest version's artifact tells whether anything was changed since. A version of an
ensemble names the versions of its steps, which are therefore published before it. Versions that
are rolled out stay served; a rollout itself is nothing that publishing changes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from export.artifacts import WARMUP
from export.errors import ExportError
from export.keeping import keep_versions
from export.lint.repository import lint_model
from export.lint.rule import ERROR
from export.lint.served import this_machine
from export.plans import Plans, find_plans
from export.published import SHARED, check_published, published_steps
from export.staged import Staged, shared_names, stage
from export.targets import ANY, Target, config_for
from export.triton_config import CONFIG_FILE, ENSEMBLE, read_config
from export.verify import verify
from zoo.artifact import Artifact, ArtifactError
from zoo.kept import changing, versions_of


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
    folders: Iterable[Path],
    repository: Path,
    card_of: Callable[[Artifact], str | None],
    target: Target = ANY,
    engines: Path | None = None,
) -> list[PublishedVersion]:
    """Publish the artifacts of an export, ensembles after the models that they ask.

    Args:
        folders: of the artifacts.
        repository: made if missing.
        card_of: artifact → text of its model card.
        target: what they are published for.
        engines: folder of engines, which a target of plans takes them from.

    Raises:
        ExportError: they come from different checkpoints, or a graph lacks the plan that its
            target needs; nothing is published.
        ArtifactError, ExportError: as ``publish``; what came before is published.
    """
    artifacts = sorted(map(Artifact.load, folders), key=lambda a: (a.kind == ENSEMBLE, a.model))
    for artifact in artifacts:
        if artifact.parents.get("checkpoint") != artifacts[0].parents.get("checkpoint"):
            raise ExportError(
                f"{artifact.model} comes from another checkpoint than {artifacts[0].model}: "
                f"export it again, or remove {artifact.path}"
            )
    plans = find_plans(artifacts, target, engines)
    return [
        publish(one.path, repository, card_of(one), target, plans.get(one.model))
        for one in artifacts
    ]


def publish(
    folder: Path,
    repository: Path,
    card: str | None = None,
    target: Target = ANY,
    plans: Plans | None = None,
) -> PublishedVersion:
    """Publish an exported artifact as the next version of its model.

    Args:
        folder: the artifact.
        repository: made if missing.
        card: text of the model card.
        target: what it is published for.
        plans: of a graph on a target of plans.

    Raises:
        ArtifactError: not an artifact, half-written or changed.
        ExportError: not meant to be served, a gate fails when it is repeated, a step of an
            ensemble is not published, a version that is rolled out could not be served beside it,
            or the repository cannot be written; the repository is then as it was.
    """
    artifact = Artifact.load(folder)
    _check_servable(artifact)
    asked = published_steps(artifact, repository)
    verify(folder, asked)
    steps = tuple(one.step for one in asked)
    goal = repository / artifact.model
    with _scratch(repository, artifact.model) as scratch, changing(repository):
        config = config_for(artifact, steps, target, plans.files if plans else None)
        if not steps:
            keep_versions(config, artifact, repository, plans.names if plans else ())
        latest = max(versions_of(goal), default=0)
        staged = scratch / artifact.model
        what = Staged(artifact, steps, config, target, plans, card)
        published = stage(what, staged, str(latest + 1))
        _check_lint(staged, repository, target)
        if latest and _same(published, staged, goal / str(latest)):
            return PublishedVersion(artifact.model, latest, goal / str(latest), False)
        if goal.exists():
            _replace(staged, goal, scratch / "old", str(latest + 1))
        else:
            os.rename(staged, goal)
    return PublishedVersion(artifact.model, latest + 1, goal / str(latest + 1), True)


def _check_lint(staged: Path, repository: Path, target: Target) -> None:
    """Refuse what a server would refuse, before any server can see it."""
    here = this_machine()
    machine = replace(here, gpu=here.gpu or target.gpu)  # which need not be the one that serves
    for finding in lint_model(staged, repository, machine):
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


def _same(published: Artifact, staged: Path, latest: Path) -> bool:
    """Whether the latest version is intact and equal to what is staged.

    Which versions are kept beside it makes no other version.
    """
    try:
        present = check_published(latest.parent)
        configs = [read_config(folder) for folder in (staged, latest.parent)]
    except ArtifactError:
        return False
    for config in configs:
        config.ClearField("version_policy")
    shared = [{**one.metrics[SHARED], CONFIG_FILE: ""} for one in (published, present)]
    return present.files == published.files and shared[0] == shared[1] and configs[0] == configs[1]


def _replace(staged: Path, target: Path, backup: Path, version: str) -> None:
    """Move the version, then the shared files, into place; undo all of it if one move fails."""
    stale = sorted(set(shared_names(target)) - set(shared_names(staged)))
    names = shared_names(staged)
    for name in shared_names(target):
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
