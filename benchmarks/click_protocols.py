"""How a click model and its teacher are compared, from ids to scores.

    R  rows        1, 100 or 1,000 real rows at a time, student against teacher
    K  candidates  one request with 1, 100 or 1,000 candidates: the student's ranking graph, which
                   takes the request once, against its row-wise graph and the teacher, both on the
                   request repeated for every candidate

All run in ONNX Runtime with the same number of threads; the inputs are made beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from benchmarks.comparison import Outcome, Plan, compare, few_queries, repeated
from benchmarks.subjects import Pair, Subject
from zoo.contract import Signature

ROWS, RANK = "rows", "rank"
PREFIXES = ("request_", "item_")  # of a ranking graph's inputs
BATCHES = (1, 100, 1000)
TOLERANCE = 1e-4  # of logits
CHECKED = 20  # queries whose answers are compared before anything is timed

Arrays = dict[str, np.ndarray]


def protocols(pair: Pair, plan: Plan) -> dict[str, Callable[[], Outcome]]:
    """Every protocol by name, ready to run; ranking where the student has a graph for it."""
    ready: dict[str, Callable[[], Outcome]] = {}
    for batch in BATCHES:
        ready[f"R_b{batch}"] = partial(rows, pair, batch, plan)
    for batch in BATCHES if RANK in pair.students else ():
        ready[f"K_b{batch}"] = partial(ranking, pair, batch, plan)
    return ready


def rows(pair: Pair, batch: int, plan: Plan) -> Outcome:
    """Protocol R; the teacher is not timed where its graph does not give its own answers."""
    few = few_queries(pair.data.n_rows, batch, plan)
    subjects = [of.prepare(few) for of in (pair.teacher(ROWS), pair.students[ROWS])]
    ids = few[:CHECKED]
    off = _largest([subjects[0].answer(i, "logit")[:, 0] - pair.logits[i] for i in ids])
    found = [_checked(off, "the trained teacher"), {}]
    return compare("R", subjects, repeated(few, plan), plan, found)


def ranking(pair: Pair, batch: int, plan: Plan) -> Outcome:
    """Protocol K; the ranking graph is not timed where it does not give the row-wise answers."""
    few = few_queries(pair.data.n_rows, batch, plan)
    rank = pair.students[RANK]
    row_wise = [
        replace(of, rows=partial(tiled, rank, of.signature)).prepare(few)
        for of in (pair.teacher(ROWS), pair.students[ROWS])
    ]
    subjects = [*row_wise, rank.prepare(few)]
    one, all_at_once = ([s.answer(i, "logit").ravel() for i in few[:CHECKED]] for s in subjects[1:])
    off = _largest([a - b for a, b in zip(one, all_at_once, strict=True)])
    found = [{}, {}, _checked(off, "its row-wise answers")]
    return compare("K", subjects, repeated(few, plan), plan, found)


def tiled(rank: Subject, signature: Signature, ids: np.ndarray) -> Arrays:
    """A ranking request as rows: its part that all candidates share, repeated for each.

    Args:
        rank: makes the request of some row ids.
        signature: of the row-wise model; its columns are the request's and the candidate's.
        ids: of rows whose items are the candidates.
    """
    request, arrays = rank.rows(ids), {}
    for spec in signature.inputs:
        array = np.zeros((len(ids), len(spec.columns)), spec.dtype)
        columns = np.array(spec.columns)
        for part in rank.signature.inputs:
            if part.name in [f"{prefix}{spec.name}" for prefix in PREFIXES]:
                array[:, np.isin(columns, part.columns)] = request[part.name]
        arrays[spec.name] = array
    return arrays


def _largest(differences: Sequence[np.ndarray]) -> float:
    return max(float(np.abs(difference).max()) for difference in differences)


def _checked(off: float, than: str) -> dict[str, Any]:
    """Fields of a measurement whose answers were compared with others."""
    wrong = f"differs from {than} by {off:.3g}: at most {TOLERANCE:g}"
    return {"max_abs_diff": off, "reasons": () if off <= TOLERANCE else (wrong,)}
