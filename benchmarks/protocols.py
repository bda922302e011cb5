"""How a graph neural network and its student are compared, from node ids to answers.

    A  online, exact    few random nodes; the teacher fetches their whole neighbourhood
    B  online, sampled  the same with a sample of the neighbours, at the accuracy this leaves
    C  offline          all nodes; the teacher in one pass, the student batch after batch

In all three the student gathers features as the teacher does, both run in ONNX Runtime with the
same number of threads, and their turns are interleaved.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.comparison import Outcome, Plan, compare
from benchmarks.conditions import available_bytes
from benchmarks.memory import peak_bytes
from benchmarks.subjects import Pair

TOLERANCE = 1e-4  # of logits, between ONNX on a neighbourhood and torch on the whole graph
CHECKED = 20  # queries whose answers are compared before anything is timed
TEST_QUERY = 10  # test nodes per query, where accuracy is measured


def online_exact(pair: Pair, batch: int, plan: Plan) -> Outcome:
    """Protocol A; the teacher is not timed where its answers are not those of the full graph."""
    teacher, queries = pair.teacher("blocks"), draw_queries(len(pair.y), batch, plan)
    asked = queries[:CHECKED]
    difference = max(float(np.abs(teacher.ask(ids) - pair.logits[ids]).max()) for ids in asked)
    reasons: tuple[str, ...] = ()
    if not difference <= TOLERANCE:
        reasons = (f"differs from the full graph by {difference:.3g}: at most {TOLERANCE:g}",)
    found = {"max_abs_diff": difference, "reasons": reasons}
    return compare("A", pair, teacher, queries, plan, found)


def online_sampled(pair: Pair, batch: int, plan: Plan) -> Outcome:
    """Protocol B."""
    teacher, queries = pair.teacher("sampled"), draw_queries(len(pair.y), batch, plan)
    parts = np.array_split(pair.test, max(1, len(pair.test) // TEST_QUERY))
    sampled = np.concatenate([teacher.ask(ids) for ids in parts])
    y = pair.y[pair.test]
    found = {
        "accuracy": _accuracy(sampled, y),
        "exact_accuracy": _accuracy(pair.logits[pair.test], y),
    }
    return compare("B", pair, teacher, queries, plan, found)


def offline(pair: Pair, plan: Plan) -> Outcome:
    """Protocol C; the teacher is not timed where its pass does not fit into memory."""
    teacher, ids = pair.teacher("whole"), np.arange(len(pair.y))
    shapes = {name: array.shape for name, array in teacher.rows(ids).items()}
    needed, available = peak_bytes(teacher.file, shapes), available_bytes()
    reasons: tuple[str, ...] = ()
    if needed > available:
        reasons = (f"needs {needed / 2**30:.1f} GiB: {available / 2**30:.1f} GiB are available",)
    return compare("C", pair, teacher, [ids] * plan.most, plan, {"reasons": reasons})


def draw_queries(n_nodes: int, batch: int, plan: Plan) -> list[np.ndarray]:
    """Distinct random nodes per query, as many queries as a plan may take."""
    random = np.random.default_rng(plan.seed)
    return [random.choice(n_nodes, batch, replace=False) for _ in range(plan.most)]


def _accuracy(logits: np.ndarray, y: Sequence[int] | np.ndarray) -> float:
    return float((logits.argmax(axis=-1) == y).mean())
