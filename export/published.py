"""What is asked of an artifact before it is published: its steps, and its golden rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from export.candidate import Arrays, ask, open_session
from export.errors import ExportError
from export.labels import check_labels
from export.onnx_file import load_graph
from zoo.artifact import Artifact
from zoo.golden import Golden
from zoo.steps import Step, read_steps, run_steps


def versions_of(target: Path) -> list[int]:
    """Version numbers of a published model, ascending."""
    names = [path.name for path in target.glob("*") if path.is_dir()]
    return sorted(int(n) for n in names if n.isascii() and n.isdigit() and n[0] != "0")


def published_steps(artifact: Artifact, repository: Path) -> tuple[Step, ...]:
    """The steps of an ensemble with the versions that are published; none for another artifact.

    Raises:
        ExportError: a step is not published, or not the one that the ensemble was made with.
    """
    steps = []
    for step in read_steps(artifact.path):
        folder = repository / step.model
        latest = max(versions_of(folder), default=0)
        made_from = Artifact.load(folder / str(latest)).parents["onnx"] if latest else ""
        if made_from not in artifact.parents.values():
            found = "is not published" if not latest else f"is of another export in {folder}"
            raise ExportError(
                f"{artifact.model} asks {step.model}, which {found}: publish it first"
            )
        steps.append(replace(step, version=latest))
    return tuple(steps)


def check_golden(artifact: Artifact, steps: Sequence[Step], repository: Path) -> None:
    """Ask an artifact its golden rows, in this process.

    Args:
        artifact: of a model, or of an ensemble.
        steps: of the ensemble.
        repository: where its steps are published.

    Raises:
        ArtifactError: it has none.
        ExportError: a graph that is not as exported, or another answer than the trained model's.
    """
    assert artifact.signature is not None
    golden = Golden.load(artifact.path, artifact.signature)
    check_labels(artifact, golden)

    def ask_step(step: Step, arrays: Mapping[str, np.ndarray]) -> Arrays:
        return _answer(Artifact.load(repository / step.model / str(step.version)), arrays)

    if steps:
        answers = run_steps(steps, golden.inputs, ask_step)
    else:
        answers = _answer(artifact, golden.inputs)
    if wrong := golden.mismatch(answers):
        raise ExportError(
            f"{artifact.model} answers its golden rows wrongly ({wrong}): export it again"
        )


def _answer(artifact: Artifact, arrays: Mapping[str, np.ndarray]) -> Arrays:
    session = open_session(load_graph(artifact))
    return ask(session, dict(arrays), f"{artifact.model}: golden rows")
