"""A scratch model repository: both sides of every course, and an identity beside each student.

Models go in as they are published, but teachers that are exported for benchmarks alone too: nobody
else asks this repository.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx

from benchmarks.floor.identity import identity
from benchmarks.sides import IDENTITY, Course, Side
from benchmarks.subjects import MODEL_FILE, open_session
from export.staged import Staged, stage
from export.targets import ANY, config_for
from zoo.artifact import Artifact
from zoo.golden import GOLDEN_FILE, Golden

FIRST = "1"


def with_identities(courses: Sequence[Course], scratch: Path) -> list[tuple[Course, Side]]:
    """Every course with the identity that is asked beside it.

    Args:
        courses: of a pair.
        scratch: folder that receives the identities' artifacts.
    """
    return [(course, _stand_in(course.student, scratch)) for course in courses]


def lay_out(sides: Sequence[Side], repository: Path) -> None:
    """Write a model repository of all that some sides ask.

    Args:
        sides: whose graphs lie in artifacts.
        repository: an empty folder.
    """
    for folder in sorted({side.subject.file.parent for side in sides}):
        artifact = Artifact.load(folder)
        config = config_for(artifact, (), ANY, None)
        stage(Staged(artifact, (), config, ANY, None, None), repository / artifact.model, FIRST)


def _stand_in(student: Side, scratch: Path) -> Side:
    """An artifact like the student's whose graph computes nothing, as a side."""
    artifact = Artifact.load(student.subject.file.parent)
    assert artifact.signature is not None
    name = f"{IDENTITY}-{artifact.model}"
    folder = scratch / name
    shutil.copytree(artifact.path, folder)
    onnx.save(identity(artifact.signature), folder / MODEL_FILE)
    _answer_anew(artifact, folder)
    recipe = {**artifact.recipe, "name": f"{IDENTITY}-{artifact.recipe['name']}"}
    made = replace(artifact, path=folder, model=name, recipe=recipe).write(folder)
    subject = replace(
        student.subject,
        model=name,
        role=IDENTITY,
        file=folder / MODEL_FILE,
        sha256=made.files[MODEL_FILE],
    )
    return replace(student, role=IDENTITY, subject=subject)


def _answer_anew(artifact: Artifact, folder: Path) -> None:
    """Golden rows with the answers of the graph that now lies in a folder."""
    assert artifact.signature is not None
    golden = Golden.load(artifact.path, artifact.signature)
    session = open_session(folder / MODEL_FILE, threads=1)
    names = [spec.name for spec in artifact.signature.outputs]
    answers = session.run(names, {name: np.asarray(one) for name, one in golden.inputs.items()})
    outputs = dict(zip(names, answers, strict=True))
    text = replace(golden, outputs=outputs, labels=()).to_text()
    (folder / GOLDEN_FILE).write_text(text)


def scratch_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder that goes with its block."""
    return tempfile.TemporaryDirectory(prefix="leanzoo-bench-")
