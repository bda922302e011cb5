"""Protocols A, B and C on the toy: what they check and count; nothing here judges a time."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import node_protocols
from benchmarks.comparison import Plan, draw_queries
from benchmarks.measurement import INVALID, VALID
from benchmarks.node_protocols import offline, online_exact, online_sampled
from benchmarks.subjects import Pair

PLAN = Plan(budget_s=0.1, least=60, most=60)
HASTY = Plan(budget_s=0, least=6, most=6)


def test_exact_answers_are_those_of_the_full_graph(pair: Pair) -> None:
    teacher = pair.teacher("blocks")
    for ids in draw_queries(pair.data.n_rows, 10, PLAN):
        np.testing.assert_allclose(teacher.ask(ids), pair.logits[ids], atol=1e-4)


def test_whole_graph_in_one_pass(pair: Pair) -> None:
    np.testing.assert_allclose(pair.teacher("whole").ask(np.arange(600)), pair.logits, atol=1e-4)


def test_queries_follow_the_seed() -> None:
    one, same = (draw_queries(600, 10, PLAN) for _ in range(2))
    other = draw_queries(600, 10, replace(PLAN, seed=1))
    assert all((a == b).all() for a, b in zip(one, same, strict=True))
    assert any((a != b).any() for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("batch", [1, 10])
def test_online_exact(pair: Pair, batch: int) -> None:
    outcome = online_exact(pair, batch, PLAN)
    teacher, student = outcome.teacher, outcome.student
    assert (teacher.verdict, student.verdict) == (VALID, VALID)
    assert teacher.max_abs_diff is not None
    assert teacher.max_abs_diff <= 1e-4
    assert teacher.nodes_fetched is not None
    assert teacher.nodes_fetched > student.nodes_fetched == batch
    assert set(student.forms_p50_ms) == {"dense", "sparse"}
    assert student.form == min(student.forms_p50_ms, key=student.forms_p50_ms.__getitem__)
    assert outcome.ratio is not None
    assert outcome.ratio.low <= outcome.ratio.value <= outcome.ratio.high


def test_changed_weights_are_found(pair: Pair) -> None:
    """A teacher whose graph answers otherwise than its checkpoint is not timed."""
    outcome = online_exact(replace(pair, logits=pair.logits + 0.01), 10, PLAN)
    assert outcome.teacher.verdict == INVALID
    assert "differs from the full graph by 0.01" in outcome.teacher.reasons[0]
    assert (outcome.teacher.samples, outcome.ratio) == (0, None)
    assert outcome.student.verdict == VALID


def test_too_few_samples_do_not_count(pair: Pair) -> None:
    outcome = online_exact(pair, 1, HASTY)
    assert outcome.teacher.verdict == INVALID
    assert outcome.teacher.reasons == ("6 samples: at least 50",)


def test_sampled_accuracy_stands_beside_the_exact_one(pair: Pair) -> None:
    teacher = online_sampled(pair, 1, PLAN).teacher
    test, y = pair.data.split["test"], pair.data.full.y
    exact = float((pair.logits[test].argmax(1) == y[test]).mean())
    assert teacher.exact_accuracy == exact
    assert teacher.accuracy is not None
    assert abs(teacher.accuracy - exact) < 0.1
    assert teacher.form == "sampled"


def test_sampled_answers_follow_the_query(pair: Pair) -> None:
    teacher, ids = pair.teacher("sampled"), pair.data.split["test"][:10]
    assert (teacher.ask(ids) == teacher.ask(ids)).all()


def test_offline(pair: Pair) -> None:
    outcome = offline(pair, HASTY)
    assert (outcome.teacher.verdict, outcome.student.verdict) == (VALID, VALID)
    assert outcome.teacher.batch == outcome.student.batch == 600
    assert len(np.concatenate(pair.students["sparse"].ask_all(np.arange(600)))) == 600


def test_offline_that_does_not_fit(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_protocols, "available_bytes", lambda: 1000)
    outcome = offline(pair, HASTY)
    assert outcome.teacher.verdict == INVALID
    assert "needs" in outcome.teacher.reasons[0]
    assert outcome.teacher.samples == 0
    assert outcome.student.samples == 6
