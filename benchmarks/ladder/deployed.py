"""A scratch model repository: both sides of every course, and an identity beside each student.

Exports go in as they are published, teachers that are exported for benchmarks alone too: nobody
else asks this repository.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import plain_model
from benchmarks.floor.identity import identity
from benchmarks.ladder.sides import IDENTITY, Course, Side
from benchmarks.subjects import MODEL_FILE
from export.staged import Staged, stage
from export.targets import ANY, config_for
from export.triton_config import CONFIG_FILE, read_config, to_text
from zoo.artifact import Artifact
from zoo.golden import GOLDEN_FILE

FIRST = "1"
THREADS = "intra_op_thread_count"


def lay_out(
    courses: Sequence[Course], repository: Path, threads: int = 1
) -> list[tuple[Course, Side]]:
    """Write a model repository of all that some courses ask.

    Args:
        courses: whose graphs lie in exported artifacts.
        repository: an empty folder.
        threads: of each model's session.

    Returns:
        Every course with the identity that is asked beside it.
    """
    for folder in sorted({side.subject.file.parent for one in courses for side in one.sides}):
        artifact = Artifact.load(folder)
        assert artifact.signature is not None
        if GOLDEN_FILE in artifact.files:
            what = Staged(artifact, (), config_for(artifact), ANY, None, None)
            stage(what, repository / artifact.model, FIRST)
        else:
            file, base = folder / MODEL_FILE, artifact.recipe["name"]
            signature = artifact.signature
            plain_model.lay_out(repository, artifact.model, file, signature, artifact, base)
    lot = [(course, _stand_in(course.student, repository)) for course in courses]
    for folder in repository.iterdir():
        config = read_config(folder)
        config.parameters[THREADS].string_value = str(threads)
        (folder / CONFIG_FILE).write_text(to_text(config))
    return lot


def _stand_in(student: Side, repository: Path) -> Side:
    """A model like the student's whose graph computes nothing, as a side."""
    artifact, signature = Artifact.load(student.subject.file.parent), student.subject.signature
    name, base = (f"{IDENTITY}-{one}" for one in (artifact.model, artifact.recipe["name"]))
    folder = plain_model.lay_out(repository, name, identity(signature), signature, artifact, base)
    file = folder / FIRST / MODEL_FILE
    sha256 = Artifact.load(file.parent, verify=False).files[MODEL_FILE]
    subject = replace(student.subject, model=name, role=IDENTITY, file=file, sha256=sha256)
    return replace(student, role=IDENTITY, subject=subject)
