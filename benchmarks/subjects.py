"""The models of one recipe, exported and opened: a student, its teacher, and their data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from export.precision import FP32
from export.to_onnx import MODEL_FILE, export_checkpoint, model_id
from zoo import checkpoint
from zoo.artifact import Artifact, ArtifactError
from zoo.contract import Signature
from zoo.registry import get_spec
from zoo.results import result_of
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
        signature: what goes in and out.
        threads: of the session.
        rows: row ids → inputs.
        run: inputs → outputs.
        prepared: the inputs of all queries are at hand, so that what is timed starts with them.
    """

    model: str
    role: str
    form: str
    file: Path
    sha256: str
    signature: Signature
    threads: int
    rows: Callable[[np.ndarray], Arrays]
    run: Callable[[Arrays], list[np.ndarray]]
    prepared: bool = False

    @property
    def max_batch(self) -> int:
        """Rows per call; 0 for graphs without a batch axis."""
        return self.signature.max_batch

    def ask(self, ids: np.ndarray) -> np.ndarray:
        """The first output for rows: what is timed."""
        return self.run(self.rows(ids))[0]

    def ask_all(self, ids: np.ndarray) -> list[np.ndarray]:
        """The answers for any number of rows, as many at a time as the graph takes."""
        step = self.max_batch or len(ids)
        return [self.ask(ids[start : start + step]) for start in range(0, len(ids), step)]

    def answer(self, ids: np.ndarray, output: str) -> np.ndarray:
        """One output, by name, for rows."""
        names = [spec.name for spec in self.signature.outputs]
        return self.run(self.rows(ids))[names.index(output)]

    def prepare(self, queries: Sequence[np.ndarray]) -> Subject:
        """The same subject with the inputs of these queries made now."""
        inputs = {ids.tobytes(): self.rows(ids) for ids in queries}
        return replace(self, rows=lambda ids: inputs[ids.tobytes()], prepared=True)


@dataclass(frozen=True)
class Pair:
    """A student, its teacher, and what both are asked about.

    Attributes:
        task: of both models.
        students: form → the student in it; the served forms.
        teacher: opens a form of the teacher. A session keeps the memory of its largest query, so
            each is opened where needed and then let go.
        teacher_forms: of the teacher.
        logits: the teacher's own logits by row id, computed by torch; none where it gives none.
        data: the recipe's data.
        taught: the teacher's data; the same where both read it alike.
        runs: role → checkpoint.
        out: folder of the exported graphs.
    """

    task: str
    students: Mapping[str, Subject]
    teacher: Callable[[str], Subject]
    teacher_forms: tuple[str, ...]
    logits: np.ndarray
    data: Any
    taught: Any
    runs: Mapping[str, Path]
    out: Path


def open_pair(name: str, runs: Path, threads: int) -> Pair:
    """The trained student of a recipe and its teacher, exported where they are not yet.

    Raises:
        ArtifactError: not trained, without a teacher, or trained on a part of the data.
        ExportError: a graph that fails its gate.
    """
    result = result_of(runs, name)
    if result["teacher"] is None:
        raise ArtifactError(f"'{name}' has no teacher to compare with: train a distilled recipe")
    run, teacher_run = runs / result["run"], runs / result["teacher"]
    student, teacher = Artifact.load(run), Artifact.load(teacher_run)
    recipe = checkpoint.recipe_of(student)
    # with folds the student was taught by copies that each left out a part of the data
    taught = recipe.teacher is not None and recipe.folds == 1
    if taught and teacher.digest not in student.parents.values():
        raise ArtifactError(f"{teacher_run} did not teach {run}: run 'leanzoo train {name}' again")
    spec = get_spec(recipe.model)
    data = spec.data(recipe)
    if not data.complete:
        raise ArtifactError(
            f"'{name}' saw a part of its data only (inductive): only recipes that train on all of "
            "it are benchmarked"
        )
    out = runs / name / "bench"
    students = ready_forms(run, "student", out, data, threads)
    taught_by = checkpoint.recipe_of(teacher)
    same = taught_by.shares_data(recipe)
    seen = data if same else get_spec(taught_by.model).data(taught_by)
    teachers = ready_forms(teacher_run, "teacher", out, seen, threads)
    return Pair(
        task=spec.task,
        students={form: ready() for form, ready in students.items()},
        teacher=lambda form: teachers[form](),
        teacher_forms=tuple(teachers),
        logits=_logits(teacher_run, seen),
        data=data,
        taught=seen,
        runs={"student": run, "teacher": teacher_run},
        out=out,
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
        signature=artifact.signature,
        threads=threads,
        rows=rows,
        run=partial(session.run, [spec.name for spec in artifact.signature.outputs]),
    )


def _logits(run: Path, data: Any) -> np.ndarray:
    """A model's own logits by row id, by torch; none where its family gives none."""
    artifact, model, _ = checkpoint.load(run)
    answers = get_spec(artifact.recipe["model"]).answers
    return answers(model, data).numpy() if answers else np.empty(0)


def exported(
    trained: Artifact, spec: ModelSpec, forms: Sequence[str], out: Path, data: Any
) -> dict[str, Artifact]:
    """A checkpoint's ONNX artifacts by form: those at hand, or new ones."""
    paths = {form: out / FP32.name / model_id(trained.model, form, spec) for form in forms}
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
