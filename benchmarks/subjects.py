"""The models of one recipe, exported and opened: a student, its teacher, and their data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from export.to_onnx import MODEL_FILE, export_checkpoint, model_id
from zoo import checkpoint
from zoo.artifact import Artifact, ArtifactError
from zoo.registry import get_spec
from zoo.results import checkpoint_path, result_of
from zoo.spec import ModelSpec, forms_of

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Subject:
    """One form of a model, ready to be asked.

    Attributes:
        model: id of the graph.
        role: ``teacher`` or ``student``.
        form: name of the form.
        file: the graph.
        sha256: of the graph's file.
        max_batch: rows per call; 0 for graphs without a batch axis.
        rows: node ids → inputs.
        run: inputs → outputs.
    """

    model: str
    role: str
    form: str
    file: Path
    sha256: str
    max_batch: int
    rows: Callable[[np.ndarray], Arrays]
    run: Callable[[Arrays], list[np.ndarray]]

    def ask(self, ids: np.ndarray) -> np.ndarray:
        """The answer for nodes: what is timed."""
        return self.run(self.rows(ids))[0]

    def ask_all(self, ids: np.ndarray) -> list[np.ndarray]:
        """The answers for any number of nodes, as many at a time as the graph takes."""
        step = self.max_batch or len(ids)
        return [self.ask(ids[start : start + step]) for start in range(0, len(ids), step)]


@dataclass(frozen=True)
class Pair:
    """A student, its teacher, and what both are asked about.

    Attributes:
        students: the served forms of the student.
        teacher: opens a form of the teacher: ``blocks``, the whole neighbourhood of the asked
            nodes; ``sampled``, a part of it; ``whole``, the whole graph. A session keeps the
            memory of its largest query, so each is opened where needed and then let go.
        logits: the teacher's own logits, computed by torch over the whole graph.
        y: classes of all nodes.
        test: ids of the test nodes.
        threads: of each session.
    """

    students: tuple[Subject, ...]
    teacher: Callable[[str], Subject]
    logits: np.ndarray
    y: np.ndarray
    test: np.ndarray
    threads: int


def open_pair(name: str, runs: Path, threads: int) -> Pair:
    """The trained student of a recipe and its teacher, exported where they are not yet.

    Raises:
        ArtifactError: not trained, without a teacher, or trained on a part of the graph.
        ExportError: a graph that fails its gate.
    """
    run = runs / result_of(runs, name)["run"]
    student = Artifact.load(run)
    recipe = checkpoint.recipe_of(student)
    if recipe.teacher is None:
        raise ArtifactError(f"'{name}' has no teacher to compare with: train a distilled recipe")
    teacher_run = checkpoint_path(recipe.teacher, runs)
    teacher = Artifact.load(teacher_run)
    if teacher.digest not in student.parents.values():
        raise ArtifactError(f"{teacher_run} did not teach {run}: run 'leanzoo train {name}' again")
    data = get_spec(recipe.model).data(recipe)
    if not data.complete:
        raise ArtifactError(f"'{name}' is inductive: only transductive recipes are benchmarked")
    out = runs / name / "bench"
    students = ready_forms(run, "student", out, data, threads)
    teachers = ready_forms(teacher_run, "teacher", out, data, threads)
    return Pair(
        students=tuple(ready() for ready in students.values()),
        teacher=lambda form: teachers[form](),
        logits=_logits(teacher_run, data),
        y=data.full.y,
        test=data.split["test"],
        threads=threads,
    )


def ready_forms(
    run: Path, role: str, out: Path, data: Any, threads: int
) -> dict[str, Callable[[], Subject]]:
    """What opens each form of a checkpoint, exported where it is not yet.

    Args:
        run: the checkpoint.
        role: ``teacher`` or ``student``.
        out: folder of the exported graphs.
        data: the recipe's data.
        threads: of each session.
    """
    trained, _, config = checkpoint.load(run)
    spec = get_spec(trained.recipe["model"])
    artifacts = exported(trained, spec, list(forms_of(spec, config)), out, data)
    if "blocks" in artifacts:
        artifacts["sampled"] = artifacts["blocks"]  # the same graph, fed with fewer neighbours
    rows = {form: partial(spec.exports[form].rows, data, config) for form in artifacts}
    return {
        form: partial(_open, artifact, role, form, rows[form], threads)
        for form, artifact in artifacts.items()
    }


def _open(
    artifact: Artifact,
    role: str,
    form: str,
    rows: Callable[[np.ndarray], Arrays],
    threads: int,
) -> Subject:
    assert artifact.signature is not None
    session = open_session(artifact.path / MODEL_FILE, threads)
    return Subject(
        model=artifact.model,
        role=role,
        form=form,
        file=artifact.path / MODEL_FILE,
        sha256=artifact.files[MODEL_FILE],
        max_batch=artifact.signature.max_batch,
        rows=rows,
        run=partial(session.run, [spec.name for spec in artifact.signature.outputs]),
    )


def _logits(run: Path, data: Any) -> np.ndarray:
    """A model's own answers for all nodes. Shapes: (nodes, classes)."""
    artifact, model, _ = checkpoint.load(run)
    logits: np.ndarray = get_spec(artifact.recipe["model"]).answers(model, data).numpy()
    return logits


def exported(
    trained: Artifact, spec: ModelSpec, forms: Sequence[str], out: Path, data: Any
) -> dict[str, Artifact]:
    """A checkpoint's ONNX artifacts by form: those at hand, or new ones."""
    paths = {form: out / model_id(trained.model, form, spec) for form in forms}
    try:
        found = {form: Artifact.load(path) for form, path in paths.items()}
    except ArtifactError:
        found = {}
    if any(trained.digest not in artifact.parents.values() for artifact in found.values()):
        found = {}
    if not found:
        export_checkpoint(trained.path, forms, out, data)
        found = {form: Artifact.load(path) for form, path in paths.items()}
    return found


def open_session(file: Path, threads: int) -> onnxruntime.InferenceSession:
    """A graph in ONNX Runtime with all graph optimisations.

    Memory patterns are off: they double the memory of a graph whose shapes change, for no speed.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.enable_mem_pattern = False
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
