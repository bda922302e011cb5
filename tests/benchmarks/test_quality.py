"""What answers through an endpoint are worth: equal, worse, too few, not those of training."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.ladder.quality import Exam, exam_of, marked
from benchmarks.ladder.sides import Arrays, courses
from benchmarks.subjects import Pair

ROWS = 50


@pytest.fixture(scope="module")
def exam(pair: Pair) -> Exam:
    return exam_of(pair, courses(pair)[-1])


def answers(exam: Exam, wrong: int, output: str) -> list[list[Arrays]]:
    """Answers that are right, but for some rows."""
    found, left = [], wrong
    for ids in exam.questions(ROWS):
        label = exam.judge.targets(exam.data, ids)["label"]
        off = np.arange(len(ids)) < left
        left -= int(off.sum())
        found.append([{output: np.eye(label.max() + 2)[np.where(off, label + 1, label)]}])
    return found


def sat(exam: Exam, teacher: int, student: int) -> dict[str, Any]:
    given = {
        "teacher": answers(exam, teacher, "logits"),
        "student": answers(exam, student, "probabilities"),
    }
    return marked(replace(exam, recorded={"teacher": None, "student": None}), given, ROWS)


def test_a_student_that_answers_alike_is_equal(exam: Exam) -> None:
    found = sat(exam, 10, 10)
    assert (found["equal"], found["change"], found["low"]) == (True, 0.0, 0.0)
    assert found["rows"] == len(exam.ids)


def test_a_student_that_is_worse_is_not(exam: Exam) -> None:
    found = sat(exam, 0, len(exam.ids) // 4)
    assert not found["equal"]
    assert found["low"] < found["change"] == pytest.approx(-0.25, abs=0.01)


def test_few_rows_say_nothing(exam: Exam) -> None:
    some = exam.some(20)
    assert len(some.ids) == 20
    assert "20 test rows were asked: at least 200" in sat(some, 0, 0)["reasons"][0]


def test_answers_that_are_not_those_of_training_fail_the_gate(exam: Exam) -> None:
    given = {
        role: answers(exam, 0, name)
        for role, name in (("teacher", "logits"), ("student", "probabilities"))
    }
    found = marked(replace(exam, recorded={"teacher": 1.0, "student": 0.9}), given, ROWS)
    (reason,) = [said for said in found["reasons"] if "endpoint" in said]
    assert reason.startswith("accuracy gate: the student has accuracy 1.0000 through the endpoint")


def test_both_sides_are_asked_about_the_same_rows(exam: Exam, pair: Pair) -> None:
    ids = exam.ids[:3]
    (teacher,), (student,) = (exam.calls[role](ids) for role in ("teacher", "student"))
    assert len(next(iter(student.values()))) == 3
    assert len(teacher["self_weight_2"]) == 3  # its targets, of which the rest are neighbours
