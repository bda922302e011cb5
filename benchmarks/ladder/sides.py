"""Who is compared on the rungs of the ladder, and what a query sends to each.

A  nodes       the student in its sparse form where it has one; the teacher on the whole
               neighbourhood, which is gathered anew for every query
R  rows        ids of click models
K  candidates  the student's ranking graph; the teacher on the request repeated for every candidate
F  windows     a teacher that draws is asked for PATHS of every channel

What a graph does not take in one call is sent as several, one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from benchmarks.click_protocols import RANK, ROWS, tiled
from benchmarks.forecast_protocols import DRAWING, PATHS
from benchmarks.subjects import Arrays, Pair, Subject

Infer = Callable[[Arrays], Any]  # one call
Calls = Callable[[np.ndarray], list[Arrays]]  # row ids → what is sent for them, a call each

BATCHES = (1, 10, 100, 1000)
TEACHER, STUDENT, IDENTITY = "teacher", "student", "identity"


@dataclass(frozen=True)
class Side:
    """One of those that are compared.

    Attributes:
        role: ``teacher``, ``student`` or ``identity``.
        subject: what is asked.
        calls: what is sent for some rows.
    """

    role: str
    subject: Subject
    calls: Calls

    def about(self, protocol: str, batch: int, rung: str) -> dict[str, Any]:
        """Fields that its measurements have."""
        return {
            "model": self.subject.model,
            "role": self.role,
            "form": self.subject.form,
            "protocol": protocol,
            "batch": batch,
            "rung": rung,
            "model_sha256": self.subject.sha256,
        }

    def prepare(self, queries: Sequence[np.ndarray]) -> Side:
        """The same with the inputs of these queries made now."""
        made = {ids.tobytes(): self.calls(ids) for ids in queries}
        return replace(self, calls=lambda ids: made[ids.tobytes()])

    def asking(self, infer: Infer) -> Callable[[np.ndarray], list[Any]]:
        """Asks for rows, call by call."""
        return lambda ids: [infer(arrays) for arrays in self.calls(ids)]


@dataclass(frozen=True)
class Course:
    """What is compared under one protocol.

    Attributes:
        protocol: its letter.
        teacher, student: the two.
        n_rows: that queries are drawn from.
        gathers: inputs are made within the time, as nobody has them at hand.
    """

    protocol: str
    teacher: Side
    student: Side
    n_rows: int
    gathers: bool = False

    @property
    def sides(self) -> tuple[Side, Side]:
        """Both, the teacher first."""
        return self.teacher, self.student


def courses(pair: Pair, seed: int = 0) -> list[Course]:
    """What is compared of a pair, by protocol; the first is its headline."""
    return COURSES[pair.task](pair, seed)


def _nodes(pair: Pair, seed: int) -> list[Course]:
    form = "sparse" if "sparse" in pair.students else next(iter(pair.students))
    teacher, student = pair.teacher("blocks"), pair.students[form]
    sides = (Side(TEACHER, teacher, calls_of(teacher)), Side(STUDENT, student, calls_of(student)))
    return [Course("A", *sides, pair.data.n_rows, gathers=True)]


def _clicks(pair: Pair, seed: int) -> list[Course]:
    teacher, student = pair.teacher(ROWS), pair.students[ROWS]
    found = []
    if rank := pair.students.get(RANK):
        candidates = replace(teacher, rows=partial(tiled, rank, teacher.signature))
        sides = (Side(TEACHER, teacher, calls_of(candidates)), Side(STUDENT, rank, calls_of(rank)))
        found.append(Course("K", *sides, pair.data.n_rows))
    sides = (Side(TEACHER, teacher, calls_of(teacher)), Side(STUDENT, student, calls_of(student)))
    return [*found, Course("R", *sides, pair.data.n_rows)]


def _windows(pair: Pair, seed: int) -> list[Course]:
    student = next(iter(pair.students.values()))
    draws = DRAWING in pair.teacher_forms
    teacher = pair.teacher(DRAWING if draws else pair.teacher_forms[0])
    calls = path_calls(teacher, pair.data, seed) if draws else calls_of(teacher)
    sides = (Side(TEACHER, teacher, calls), Side(STUDENT, student, calls_of(student)))
    return [Course("F", *sides, pair.data.n_rows)]


def calls_of(subject: Subject) -> Calls:
    """As many rows a call as the graph takes."""

    def calls(ids: np.ndarray) -> list[Arrays]:
        step = subject.max_batch or len(ids)
        return [subject.rows(ids[start : start + step]) for start in range(0, len(ids), step)]

    return calls


def path_calls(teacher: Subject, data: Any, seed: int, fresh: bool = False) -> Calls:
    """What a teacher that draws is sent: PATHS of every channel of some windows.

    Args:
        teacher: takes ``history`` and ``noise``.
        data: whose windows are asked about.
        seed: of the noise.
        fresh: every call gets noise of its own; else all get the same, which takes no time.
    """
    shapes = {spec.name: [int(n) for n in spec.shape] for spec in teacher.signature.inputs}
    (prompt,), step = shapes["history"], teacher.max_batch
    random = np.random.default_rng(seed)
    noise = random.standard_normal((step, *shapes["noise"]), np.float32)

    def calls(ids: np.ndarray) -> list[Arrays]:
        history = data.parts["test"].history(data.asked[ids])[..., -prompt:]
        rows = history.reshape(-1, prompt).repeat(PATHS, axis=0)
        parts = [rows[start : start + step] for start in range(0, len(rows), step)]
        if fresh:
            drawn = (random.standard_normal(noise.shape, np.float32) for _ in parts)
            return [_with_noise(part, one) for part, one in zip(parts, drawn, strict=True)]
        return [_with_noise(part, noise) for part in parts]

    return calls


def _with_noise(history: np.ndarray, noise: np.ndarray) -> Arrays:
    return {"history": history, "noise": noise[: len(history)]}


COURSES: dict[str, Callable[[Pair, int], list[Course]]] = {
    "node-classification": _nodes,
    "click-prediction": _clicks,
    "forecasting": _windows,
}
