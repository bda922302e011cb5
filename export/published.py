"""What is published, and what is asked of an artifact before it is: its steps, its golden rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from export.candidate import Arrays, ask, open_session
from export.errors import ExportError
from export.labels import check_labels
from export.onnx_file import load_graph
from export.triton_config import CONFIG_FILE, read_config
from zoo.artifact import ARTIFACT_FILE, Artifact, ArtifactError, check_file
from zoo.golden import Golden
from zoo.kept import served_by, versions_of
from zoo.rollout import ROLLOUT_FILE, read_rollout
from zoo.steps import Step, read_steps, run_steps

SHARED = "shared"  # of a published artifact's metrics: the sha256 of files beside its version


def check_published(target: Path) -> Artifact:
    """Check the latest version of a published model and the files it shares with others.

    Raises:
        ArtifactError: no version, or the first file that is missing or was changed.
    """
    numbers = versions_of(target)
    if not numbers:
        raise ArtifactError(f"{target} has no version: publish the model")
    artifact = Artifact.load(target / str(numbers[-1]))
    for name, digest in artifact.metrics.get(SHARED, {}).items():
        check_file(target, name, digest)
    return artifact


def served_versions(repository: Path) -> list[Path]:
    """Folders of all versions that may be asked of a server, and nothing else is in the repository.

    Of an ensemble these are the latest version and those that its rollout names.

    Raises:
        ArtifactError: a folder that is no published model, a file that no version knows, or a
            version that is half-written or changed; a rollout of a version that is not served.
    """
    folders = []
    for target in sorted(repository.iterdir()):
        if not target.is_dir() or target.name[0] == ".":
            continue
        numbers = versions_of(target)
        if not numbers and [path.name for path in target.iterdir()] == [CONFIG_FILE]:
            continue  # as in a fresh clone: nothing of it is served
        latest = check_published(target)
        known = {name.partition("/")[0] for name in latest.metrics.get(SHARED, {})}
        known |= {str(number) for number in numbers} | {f"{number}.sig" for number in numbers}
        known.add(ROLLOUT_FILE)
        for path in sorted(target.iterdir()):
            if path.name not in known:
                raise ArtifactError(f"{path} is of no published version: remove it")
        folders += [target / str(number) for number in _asked_of(latest, numbers)]
    return folders


def _asked_of(latest: Artifact, numbers: Sequence[int]) -> list[int]:
    """Versions of a published model that may be asked, ascending."""
    target = latest.path.parent
    named = set(read_rollout(target).versions)
    if read_steps(latest.path):
        served = [number for number in numbers if number in {numbers[-1], *named}]
    else:
        served = served_by(read_config(target).version_policy, numbers)
    if missing := sorted(named - set(served)):
        raise ArtifactError(
            f"{target / ROLLOUT_FILE} names version {missing[0]}: served are "
            f"{', '.join(map(str, served))}; set it again with 'leanzoo rollout'"
        )
    return served


@dataclass(frozen=True)
class Asked:
    """A step of an ensemble, and the artifact that answers it."""

    step: Step
    artifact: Artifact


def published_steps(artifact: Artifact, repository: Path) -> tuple[Asked, ...]:
    """The steps of an ensemble with the versions that are published; none for another artifact.

    Raises:
        ExportError: a step is not published, or not the one that the ensemble was made with.
    """
    steps = []
    for step in read_steps(artifact.path):
        folder = repository / step.model
        latest = step.version or max(versions_of(folder), default=0)
        versioned = replace(step, version=latest)
        steps.append(_asked(artifact, versioned, folder / str(latest)))
    return tuple(steps)


def _asked(ensemble: Artifact, step: Step, folder: Path) -> Asked:
    if not (folder / ARTIFACT_FILE).is_file():
        raise ExportError(
            f"{ensemble.model} asks {step.model}, which is not published: publish it first"
        )
    found = Artifact.load(folder)
    if not {found.digest, found.parents.get("onnx")} & set(ensemble.parents.values()):
        raise ExportError(
            f"{ensemble.model} asks {step.model}, which is of another export in {folder}: publish "
            "it first"
        )
    return Asked(step, found)


def exported_steps(artifact: Artifact) -> tuple[Asked, ...]:
    """The steps of an ensemble as they lie beside it; none for another artifact.

    Raises:
        ExportError: a step is not there, or not the one that the ensemble was made with.
    """
    return tuple(
        _asked(artifact, step, artifact.path.parent / step.model)
        for step in read_steps(artifact.path)
    )


def check_golden(artifact: Artifact, steps: Sequence[Asked]) -> None:
    """Ask an artifact its golden rows, in this process.

    Args:
        artifact: of a model, or of an ensemble.
        steps: of the ensemble.

    Raises:
        ArtifactError: it has none.
        ExportError: a graph that is not as exported, or another answer than the trained model's.
    """
    assert artifact.signature is not None
    golden = Golden.load(artifact.path, artifact.signature)
    check_labels(artifact, golden)

    def ask_step(step: Step, arrays: Mapping[str, np.ndarray]) -> Arrays:
        return _answer(next(one.artifact for one in steps if one.step == step), arrays)

    if steps:
        answers = run_steps([one.step for one in steps], golden.inputs, ask_step)
    else:
        answers = _answer(artifact, golden.inputs)
    if wrong := golden.mismatch(answers):
        raise ExportError(
            f"{artifact.model} answers its golden rows wrongly ({wrong}): export it again"
        )


def _answer(artifact: Artifact, arrays: Mapping[str, np.ndarray]) -> Arrays:
    session = open_session(load_graph(artifact))
    return ask(session, dict(arrays), f"{artifact.model}: golden rows")
