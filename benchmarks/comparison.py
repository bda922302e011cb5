"""Times a teacher and its student on the same queries in turns, and judges the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.conditions import Watch, git_sha, software
from benchmarks.intervals import Interval, median_ratio
from benchmarks.measurement import Measurement, latencies
from benchmarks.subjects import Pair, Subject
from benchmarks.timing import BLOCK, Ask, affordable, interleave

REQUIRED = {"A": 50, "B": 50, "C": 6}  # samples; of 6 the median has an interval
PILOT = {"A": 20, "B": 20, "C": 2}  # queries by which the student's fastest form is chosen
PROFILED = 50  # queries whose preparation is timed alone


@dataclass(frozen=True)
class Plan:
    """How long to measure.

    Attributes:
        budget_s: seconds for a teacher and a student in one protocol.
        least: samples taken even if they cost more.
        most: samples at most.
        seed: draws the queries.
    """

    budget_s: float
    least: int
    most: int
    seed: int = 0


@dataclass(frozen=True)
class Outcome:
    """A protocol's two measurements, and the teacher's median over the student's."""

    teacher: Measurement
    student: Measurement
    ratio: Interval | None


def compare(
    protocol: str,
    pair: Pair,
    teacher: Subject,
    queries: Sequence[np.ndarray],
    plan: Plan,
    found: Mapping[str, Any],
) -> Outcome:
    """Measure a teacher against the student's fastest form.

    Args:
        protocol: ``A``, ``B`` or ``C``; in C a query is all nodes.
        pair: the student, and the number of threads.
        teacher: one of the pair's forms of the teacher.
        queries: node ids; as many are used as the plan affords.
        plan: how long to measure.
        found: fields of the teacher's measurement; with ``reasons`` it is not timed.
    """
    watch, block = Watch(pair.threads), 1 if protocol == "C" else BLOCK
    student, forms_p50_ms = _fastest(pair.students, queries[: PILOT[protocol]], block)
    subjects = [student] if found.get("reasons") else [teacher, student]
    asks = [_ask_of(subject, queries[0]) for subject in subjects]
    n = affordable(asks, queries[:3], plan.budget_s)
    queries = queries[: min(max(n, plan.least), plan.most)]
    took_ms = interleave(asks, queries, block)
    done = {"protocol": protocol, "versions": software(), "git_sha": git_sha()}
    done["machine"] = watch.machine()
    teacher_ms = took_ms[0] if len(subjects) == 2 else np.array([])
    of_teacher = {**done, **found, **_profile(protocol, teacher, queries, len(teacher_ms))}
    of_student = {**done, "forms_p50_ms": forms_p50_ms, **_profile(protocol, student, queries, 1)}
    return Outcome(
        _measured(teacher, len(queries[0]), teacher_ms, of_teacher),
        _measured(student, len(queries[0]), took_ms[-1], of_student),
        median_ratio(*took_ms) if len(subjects) == 2 else None,
    )


def _ask_of(subject: Subject, query: np.ndarray) -> Ask:
    """Asks in one call where the query fits into one."""
    fits = len(query) <= (subject.max_batch or len(query))
    return subject.ask if fits else subject.ask_all


def _fastest(
    students: Sequence[Subject], queries: Sequence[np.ndarray], block: int
) -> tuple[Subject, dict[str, float]]:
    """The form with the smallest median, and the medians of all."""
    asks = [_ask_of(student, queries[0]) for student in students]
    interleave(asks, queries, block)
    medians = np.median(interleave(asks, queries, block), axis=1)
    by_form = {student.form: float(p50) for student, p50 in zip(students, medians, strict=True)}
    return students[int(medians.argmin())], by_form


def _profile(
    protocol: str, subject: Subject, queries: Sequence[np.ndarray], timed: int
) -> dict[str, Any]:
    """What is fetched for a query, and how long that takes alone; nothing of what was not timed."""
    if not timed or (protocol == "C" and subject.role == "student"):
        return {}
    queries = queries[:PROFILED]
    fetched = [len(next(iter(subject.rows(ids).values()))) for ids in queries]
    p50_ms = float(np.median(interleave([subject.rows], queries)))
    return {"nodes_fetched": float(np.mean(fetched)), "rows_p50_ms": p50_ms}


def _measured(
    subject: Subject, batch: int, samples_ms: np.ndarray, fields: Mapping[str, Any]
) -> Measurement:
    """A measurement with its verdict."""
    measurement = Measurement(
        model=subject.model,
        role=subject.role,
        form=subject.form,
        batch=batch,
        model_sha256=subject.sha256,
        **{**fields, **latencies(samples_ms, batch)},
    )
    required = REQUIRED[measurement.protocol]
    if measurement.reasons or measurement.samples >= required:
        return measurement
    return replace(measurement, reasons=(f"{measurement.samples} samples: at least {required}",))
