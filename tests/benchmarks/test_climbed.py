"""Measurements and headlines of cells that are made here."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.ladder.cells import Cell
from benchmarks.ladder.climbed import headlines, measurements
from benchmarks.ladder.sides import Course, Side

EQUAL = {"metric": "auc", "low": 0.0, "epsilon": 0.001, "equal": True, "reasons": []}


def side(role: str) -> Side:
    subject: Any = SimpleNamespace(model=f"{role}-toy", form="rows", sha256="0")
    return Side(role, subject, lambda ids: [{}])


COURSE = Course("R", side("teacher"), side("student"), n_rows=10)
LOT = [(COURSE, side("identity"))]


def cell(rounds: int = 5, samples: int = 10, **ms: float) -> Cell:
    return Cell(paired={role: [np.full(samples, at)] * rounds for role, at in ms.items()})


def test_every_role_becomes_a_measurement_of_its_rung() -> None:
    found = measurements(
        LOT, {("R", 100, "grpc"): cell(teacher=8.0, student=2.0, identity=1.0)}, {}
    )
    assert [(m.role, m.rung, m.batch, m.restarts, m.samples) for m in found] == [
        (role, "grpc", 100, 5, 50) for role in ("teacher", "student", "identity")
    ]
    assert found[1].p50_ms is not None
    assert (found[1].p50_ms.value, found[1].rows_per_s, found[1].p99_ms) == (2.0, 50_000, None)
    assert found[1].histogram and not found[1].reasons


def test_what_the_server_says_is_a_rung() -> None:
    told = cell(student=2.0)
    told.spent["student"] = [
        {"queue": 0.1, "input": 0.1, "infer": infer, "output": 0.1} for infer in (0.4, 0.6)
    ]
    grpc, compute = measurements(LOT, {("R", 1, "grpc"): told}, {})
    assert grpc.server_ms == pytest.approx(
        {"queue": 0.1, "input": 0.1, "infer": 0.5, "output": 0.1}
    )
    assert compute.p50_ms is not None
    assert (compute.rung, compute.p50_ms.value, compute.p50_ms.high) == ("compute", 0.5, 0.6)


def test_what_was_not_measured_says_why() -> None:
    few = cell(rounds=1, samples=5, student=1.0)
    few.reasons["teacher"] = "a query takes about 9 s: at most 1 s are asked"
    teacher, student = measurements(LOT, {("R", 1, "ort"): few}, {"reasons": ("a cache is on",)})
    assert teacher.reasons == ("a cache is on", few.reasons["teacher"])
    assert student.reasons == ("a cache is on", "5 samples: at least 6")
    assert {teacher.verdict, student.verdict} == {"INVALID"}


def test_a_headline_is_teacher_over_student() -> None:
    (one,) = headlines(LOT, {("R", 1, "ort"): cell(teacher=8.0, student=2.0)}, EQUAL)
    assert (one["ratio"], one["rung"], one["against"]) == (pytest.approx(4.0), "ort", "ort")
    assert (one["restarts"], one["reasons"]) == (5, [])


def test_a_teacher_without_an_endpoint_stands_there_as_triton_answers() -> None:
    cells = {
        ("R", 1, "grpc"): cell(teacher=6.0, student=2.0),
        ("R", 1, "gateway"): cell(student=3.0),
    }
    found = {one["rung"]: one for one in headlines(LOT, cells, EQUAL)}
    assert found["gateway"]["against"] == "grpc"
    assert found["gateway"]["ratio"] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("measured", "accuracy", "reason"),
    [
        (cell(rounds=4, teacher=8.0, student=2.0), EQUAL, "4 start"),
        (cell(rounds=5, samples=1, teacher=8.0, student=2.0), EQUAL, "5 samples: at least 6"),
        (cell(teacher=8.0, student=2.0), {**EQUAL, "equal": False, "low": -0.01}, "accuracy gate"),
        (cell(teacher=8.0, student=2.0), {**EQUAL, "reasons": ["accuracy gate: x"]}, "gate: x"),
    ],
)
def test_a_headline_that_does_not_count_says_why(
    measured: Cell, accuracy: dict[str, Any], reason: str
) -> None:
    (one,) = headlines(LOT, {("R", 1, "ort"): measured}, accuracy)
    assert any(reason in said for said in one["reasons"])


def test_a_teacher_that_is_too_slow_makes_no_ratio() -> None:
    slow = cell(student=2.0)
    slow.reasons["teacher"] = "a query takes about 9 s: at most 1 s are asked"
    (one,) = headlines(LOT, {("R", 1, "ort"): slow}, EQUAL)
    assert one["ratio"] is None
    assert one["reasons"] == [f"teacher: {slow.reasons['teacher']}"]
