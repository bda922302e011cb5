"""What answers that come through a server are worth: student against teacher, row by row.

The same test rows go to both through the endpoint that is timed; the difference of the task's
metric is resampled over rows that both answered (a paired bootstrap). A student counts as equal
where the lower end of that interval is not below -EPSILON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.forecast_protocols import DRAWING, PATHS
from benchmarks.ladder.sides import STUDENT, TEACHER, Arrays, Calls, Course, calls_of, path_calls
from benchmarks.subjects import Pair
from export.candidate import joined
from export.precision import FP32
from export.trial import compared
from zoo import checkpoint
from zoo.contract import Signature
from zoo.registry import get_spec, list_recipes
from zoo.results import RESULT, result_of
from zoo.spec import Judge, ModelSpec

EPSILON = {"accuracy": 0.01, "auc": 0.001, "relative": 0.01}  # by kind of metric
NEAR = {"accuracy": 0.002, "auc": 0.0005, "relative": 0.01}  # answers served to those in training
ENOUGH = {"accuracy": 200, "auc": 1000, "relative": 20}  # rows, without which nothing is said
CHUNK = 256  # rows of a question
LOGREG = "logreg"


@dataclass(frozen=True)
class Exam:
    """Test rows as questions to both sides.

    Attributes:
        judge: of the student's family.
        data: as the judge numbers rows of.
        ids: of all test rows.
        calls: role → what is sent for some of them.
        levels: of the student's quantiles; empty where it has none.
        recorded: role → the metric that training recorded for all of them; None where it did not.
        spec: of the student.
    """

    judge: Judge
    data: Any
    ids: np.ndarray
    calls: Mapping[str, Calls]
    levels: tuple[float, ...]
    recorded: Mapping[str, float | None]
    spec: ModelSpec

    @property
    def metric(self) -> str:
        """By which models are compared."""
        return self.spec.metric

    def some(self, most: int) -> Exam:
        """The same about evenly spaced rows, at most so many."""
        if most >= len(self.ids):
            return self
        at = np.linspace(0, len(self.ids) - 1, max(most, 2)).astype(np.int64)
        return replace(self, ids=self.ids[at], recorded=dict.fromkeys(self.recorded))

    def questions(self, rows: int) -> list[np.ndarray]:
        """The ids, some at a time."""
        return [self.ids[at : at + rows] for at in range(0, len(self.ids), rows)]


def exam_of(pair: Pair, course: Course, seed: int = 0) -> Exam:
    """The test rows of a pair.

    Args:
        pair: the two.
        course: that the timed forms are of; its teacher answers row by row.
        seed: of the noise of a teacher that draws.
    """
    trained, _, config = checkpoint.load(pair.runs[STUDENT])
    spec = get_spec(trained.recipe["model"])
    assert spec.judge is not None
    data, ids = spec.judge.tested(pair.data)
    student, teacher = course.student.subject, course.teacher.subject
    asked = replace(student, rows=partial(spec.exports[student.form].rows, data, config))
    draws = teacher.form == DRAWING
    of_teacher = path_calls(teacher, data, seed, fresh=True) if draws else calls_of(teacher)
    metrics = {
        role: checkpoint.load(run)[0].metrics if role == TEACHER else trained.metrics
        for role, run in pair.runs.items()
    }
    return Exam(
        judge=spec.judge,
        data=data,
        ids=ids,
        calls={STUDENT: calls_of(asked), TEACHER: of_teacher},
        levels=_levels(student.signature),
        recorded={role: found.get(f"test_{spec.metric}") for role, found in metrics.items()},
        spec=spec,
    )


def marked(exam: Exam, answers: Mapping[str, Sequence[list[Arrays]]], rows: int) -> dict[str, Any]:
    """The difference between student and teacher.

    Args:
        exam: that was sat.
        answers: role → of every question, the outputs of each of its calls.
        rows: of a question.

    Returns:
        ``metric``, ``lower``, ``rows``, ``teacher``, ``student``, ``change`` (of the student,
        above 0 where it is better) with ``low`` and ``high``, ``epsilon``, ``equal``, and
        ``reasons`` why it does not count.
    """
    quantities = {role: _quantities(exam, found, rows) for role, found in answers.items()}
    metric = exam.judge.metrics[exam.metric]
    every = max(1, len(exam.judge.tested(exam.data)[1]) // len(exam.ids))
    block = max(1, exam.judge.block(exam.data) // every)
    found = compared(metric, quantities[TEACHER], quantities[STUDENT], block, FP32)
    epsilon = EPSILON[metric.kind]
    values = {TEACHER: found["torch"], STUDENT: found["graph"]}
    return {
        "metric": exam.metric,
        "lower": metric.lower,
        "rows": len(exam.ids),
        **values,
        **{name: found[name] for name in ("change", "low", "high")},
        "epsilon": epsilon,
        "equal": bool(found["low"] >= -epsilon),
        "reasons": [*_few(len(exam.ids), metric.kind), *_unlike(exam, values, metric.kind)],
    }


def qualities(name: str, runs: Path) -> dict[str, dict[str, float]]:
    """Test metrics by role as training found them, trivial baselines included.

    Args:
        name: of a trained recipe.
        runs: folder of checkpoints.

    Raises:
        ArtifactError: a result of training cannot be read.
    """
    recipes, found = list_recipes(), {}
    for role, metrics in result_of(runs, name)["metrics"].items():
        found[role] = _tests(metrics)
    for other, recipe in recipes.items():
        same = recipe.model == LOGREG and recipe.dataset == recipes[name].dataset
        if same and (runs / other / RESULT).exists():
            found["logistic_regression"] = _tests(result_of(runs, other)["metrics"][STUDENT])
    return found


def _tests(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {
        key.removeprefix("test_"): value
        for key, value in metrics.items()
        if key.startswith("test_") and isinstance(value, float)
    }


def _levels(signature: Signature) -> tuple[float, ...]:
    """Of the quantiles that a model gives; empty where it gives none."""
    named = [output.columns for output in signature.outputs if output.columns]
    return tuple(map(float, named[0])) if named else ()


def _few(rows: int, kind: str) -> list[str]:
    """Whether too few rows were answered for an interval that says anything."""
    least = ENOUGH[kind]
    return [f"accuracy gate: {rows} test rows were asked: at least {least}"] if rows < least else []


def _unlike(exam: Exam, values: Mapping[str, float], kind: str) -> list[str]:
    """Where what is served is worth something else than what was trained."""
    reasons = []
    for role, value in values.items():
        recorded = exam.recorded[role]
        if recorded is None:
            continue
        off = abs(value - recorded) / (abs(recorded) if kind == "relative" else 1)
        if off > NEAR[kind]:
            reasons.append(
                f"accuracy gate: the {role} has {exam.metric} {value:.4f} through the endpoint and "
                f"had {recorded:.4f} in training: at most {NEAR[kind]:g} apart"
            )
    return reasons


def _quantities(exam: Exam, answers: Sequence[list[Arrays]], rows: int) -> Arrays:
    parts = []
    for ids, calls in zip(exam.questions(rows), answers, strict=True):
        outputs = _read(exam, joined(calls), len(ids))
        parts.append(exam.judge.quantities(outputs, exam.judge.targets(exam.data, ids)))
    return joined(parts)


def _read(exam: Exam, outputs: Arrays, rows: int) -> Arrays:
    """Outputs as the judge knows them: a graph's teacher gives logits, whose order is that of the
    probabilities, and one that draws gives paths.

    Shapes: path (windows · channels · paths, horizon).
    """
    if "logits" in outputs:
        return {"probabilities": outputs["logits"]}
    if "path" not in outputs:
        return outputs
    path = outputs["path"].reshape(rows, -1, PATHS, outputs["path"].shape[-1])
    quantiles = np.moveaxis(np.quantile(path, exam.levels, axis=2), 0, -1)
    return {"mean": path.mean(axis=2), "quantiles": quantiles.astype(np.float32)}
