"""How a graph neural network and its student are compared, from node ids to answers.

    A  online, exact    few random nodes; the teacher fetches their whole neighbourhood
    B  online, sampled  the same with a sample of the neighbours, at the accuracy this leaves
    C  offline          all nodes; the teacher in one pass, the student batch after batch

In all three the student gathers features as the teacher does, both run in ONNX Runtime with the
same number of threads, and their turns are interleaved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from benchmarks.comparison import (
    ALL_AT_ONCE,
    Outcome,
    Plan,
    ask_of,
    block_of,
    compare,
    draw_queries,
)
from benchmarks.conditions import available_bytes
from benchmarks.memory import peak_bytes
from benchmarks.subjects import Pair, Subject
from benchmarks.timing import interleave

BATCHES = (1, 10)
TOLERANCE = 1e-4  # of logits, between ONNX on a neighbourhood and torch on the whole graph
CHECKED = 20  # queries whose answers are compared before anything is timed
TEST_QUERY = 10  # test nodes per query, where accuracy is measured
PILOT = {"A": 20, "B": 20, "C": 2}  # queries by which the student's fastest form is chosen
FEW_PASSES = {"least": 6, "most": 50}  # in C, where one sample answers for all nodes


def protocols(pair: Pair, plan: Plan) -> dict[str, Callable[[], Outcome]]:
    """Every protocol by name, ready to run."""
    ready: dict[str, Callable[[], Outcome]] = {}
    for batch in BATCHES:
        ready[f"A_b{batch}"] = partial(online_exact, pair, batch, plan)
    for batch in BATCHES:
        ready[f"B_b{batch}"] = partial(online_sampled, pair, batch, plan)
    ready["C"] = partial(offline, pair, replace(plan, **FEW_PASSES))
    return ready


def online_exact(pair: Pair, batch: int, plan: Plan) -> Outcome:
    """Protocol A; the teacher is not timed where its answers are not those of the full graph."""
    teacher, queries = pair.teacher("blocks"), draw_queries(pair.data.n_rows, batch, plan)
    asked = queries[:CHECKED]
    difference = max(float(np.abs(teacher.ask(ids) - pair.logits[ids]).max()) for ids in asked)
    reasons: tuple[str, ...] = ()
    if not difference <= TOLERANCE:
        reasons = (f"differs from the full graph by {difference:.3g}: at most {TOLERANCE:g}",)
    found = {"max_abs_diff": difference, "reasons": reasons}
    return _against("A", pair, teacher, queries, plan, found)


def online_sampled(pair: Pair, batch: int, plan: Plan) -> Outcome:
    """Protocol B."""
    teacher, queries = pair.teacher("sampled"), draw_queries(pair.data.n_rows, batch, plan)
    test, y = pair.data.split["test"], pair.data.full.y
    parts = np.array_split(test, max(1, len(test) // TEST_QUERY))
    sampled = np.concatenate([teacher.ask(ids) for ids in parts])
    found = {
        "accuracy": _accuracy(sampled, y[test]),
        "exact_accuracy": _accuracy(pair.logits[test], y[test]),
    }
    return _against("B", pair, teacher, queries, plan, found)


def offline(pair: Pair, plan: Plan) -> Outcome:
    """Protocol C; the teacher is not timed where its pass does not fit into memory."""
    teacher, ids = pair.teacher("whole"), np.arange(pair.data.n_rows)
    shapes = {name: array.shape for name, array in teacher.rows(ids).items()}
    needed, available = peak_bytes(teacher.file, shapes), available_bytes()
    reasons: tuple[str, ...] = ()
    if needed > available:
        reasons = (f"needs {needed / 2**30:.1f} GiB: {available / 2**30:.1f} GiB are available",)
    queries = [ids] * plan.most
    return _against(ALL_AT_ONCE, pair, teacher, queries, plan, {"reasons": reasons})


def _against(
    protocol: str,
    pair: Pair,
    teacher: Subject,
    queries: Sequence[np.ndarray],
    plan: Plan,
    found: Mapping[str, Any],
) -> Outcome:
    """Measure a form of the teacher against the student's fastest form.

    Args:
        found: fields of the teacher's measurement; with ``reasons`` it is not timed.
    """
    students = tuple(pair.students.values())
    student, forms_p50_ms = _fastest(students, queries[: PILOT[protocol]], block_of(protocol))
    of_student = {"forms_p50_ms": forms_p50_ms}
    return compare(protocol, [teacher, student], queries, plan, [found, of_student])


def _fastest(
    students: Sequence[Subject], queries: Sequence[np.ndarray], block: int
) -> tuple[Subject, dict[str, float]]:
    """The form with the smallest median, and the medians of all."""
    asks = [ask_of(student, queries[0]) for student in students]
    interleave(asks, queries, block)
    medians = np.median(interleave(asks, queries, block), axis=1)
    by_form = {student.form: float(p50) for student, p50 in zip(students, medians, strict=True)}
    return students[int(medians.argmin())], by_form


def _accuracy(logits: np.ndarray, y: Sequence[int] | np.ndarray) -> float:
    return float((logits.argmax(axis=-1) == y).mean())
