"""The gate: an exported graph answers as the trained model does, on real rows."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np

from export.candidate import (
    CLOSER,
    Arrays,
    Candidate,
    answer_in,
    ask,
    compare,
    joined,
    largest,
    open_session,
    slices,
    some_ids,
    torch_answer,
)
from export.edges import check_edges
from export.errors import ExportError
from export.precision import FP32, Precision
from export.report import Parity, farthest
from zoo.contract import Signature

ROWS = 1000
BATCHES = (1, 2, 3, 7)
QUERIES = (1, 2, 3, 7, 64)
CANDIDATES = (1, 2, 3, 7, 1000)
CLASSES = ("probabilities", "logits")  # outputs of which one entry is the answer
TIE = 1e-6  # rows whose two largest values are nearer may swap them by rounding


def check(candidate: Candidate, by_row: Candidate | None = None) -> Parity:
    """Hold a graph against its model.

    Args:
        candidate: the graph.
        by_row: for a graph that ranks, the one that answers row by row.

    Raises:
        ExportError: what differs, by how much, and what was expected.
    """
    _check_eval(candidate)
    session = open_session(candidate.graph)
    if candidate.signature.max_batch:
        return _check_batches(candidate, session)
    if candidate.ranks and by_row is not None:
        return _check_ranking(candidate, session, by_row)
    return _check_queries(candidate, session)


def check_same(
    name: str,
    answers: dict[str, Arrays],
    unit: np.ndarray | None = None,
    precision: Precision = FP32,
) -> None:
    """Check that forms of one model give the same answers to the same rows.

    Args:
        name: of the model.
        answers: by form.
        unit: of differences.
        precision: of the forms.

    Raises:
        ExportError: naming the two forms that differ.
    """
    for (one, a), (other, b) in itertools.pairwise(answers.items()):
        of = 1 if precision is FP32 else 2  # each may be off, and in another direction
        compare(f"{name}: forms '{one}' and '{other}'", a, b, of, unit, precision)


def _check_eval(candidate: Candidate) -> None:
    """The reference must be in eval mode, and must answer twice the same."""
    for path, module in candidate.module.named_modules():
        if module.training:
            raise ExportError(f"{candidate.name}: module '{path}' is in training mode: call eval()")
    arrays = candidate.rows(np.arange(min(2, candidate.n_rows)))
    first, second = (torch_answer(candidate, arrays) for _ in range(2))
    what = f"{candidate.name}: torch asked twice"
    compare(what, first, second, of=0, unit=candidate.unit_of(arrays))


def _check_batches(candidate: Candidate, session: Any) -> Parity:
    """Real rows at several batch sizes, and rows at the edges of what is accepted."""
    name, most = candidate.name, candidate.signature.max_batch
    ids = some_ids(candidate.n_rows, max(ROWS, most))
    arrays = candidate.rows(ids)
    unit = candidate.unit_of(arrays)
    reference = joined([torch_answer(candidate, part) for part in slices(arrays, most)])
    if candidate.expected is not None:
        expected = {key: array[ids] for key, array in candidate.expected.items()}
        compare(f"{name}: torch and the model", reference, expected, unit=unit)
    differences, precision = [], candidate.precision
    first: Arrays = {}
    for batch in (*BATCHES, most):
        what = f"{name}: ONNX and torch at batch {batch}"
        answers = answer_in(session, arrays, batch, what)
        differences.append(compare(what, answers, reference, 1, unit, precision))
        first = first or answers  # of rows alone; all the others would fill the memory
    what = f"{name}: rows alone and in a batch of {most}"
    alone = compare(what, first, answers, CLOSER, unit, precision)
    check_edges(candidate, session, {key: array[:2] for key, array in arrays.items()})
    parity = _parity(candidate, ids, (*BATCHES, most), differences, alone)
    return replace(
        parity,
        top1_agreement=_top1(candidate, answers, reference),
        worst=farthest(answers, reference, ids, unit),
    )


def _parity(
    candidate: Candidate,
    ids: np.ndarray,
    batches: tuple[int, ...],
    differences: list[dict[str, float]],
    alone: dict[str, float] | None = None,
) -> Parity:
    first, outputs = candidate.signature.outputs[0].name, largest(differences)
    return Parity(
        rows=len(np.unique(ids)),
        batches=batches,
        max_abs_diff=outputs[first],
        outputs=outputs,
        atol=candidate.precision.atol if candidate.precision.near else None,
        rtol=candidate.precision.rtol if candidate.precision.near else None,
        alone_max_abs_diff=alone[first] if alone else None,
    )


def _top1(candidate: Candidate, answer: Arrays, reference: Arrays) -> float | None:
    """Fraction of rows with the same largest value; ties may differ."""
    agreements = []
    for key, expected in reference.items():
        if key not in CLASSES:
            continue
        same = answer[key].argmax(axis=-1) == expected.argmax(axis=-1)
        ahead = np.diff(np.sort(expected, axis=-1)[:, -2:])[:, 0]
        if (same | (ahead <= TIE)).mean() < candidate.precision.top1:
            raise ExportError(
                f"{candidate.name}: expected the same top class in "
                f"{candidate.precision.top1:.1%} of rows, measured {same.mean():.2%}"
            )
        agreements.append(float(same.mean()))
    return min(agreements, default=None)


def _check_ranking(candidate: Candidate, session: Any, by_row: Candidate) -> Parity:
    """Candidates of real requests against torch, and against the same rows asked one by one."""
    name, row_session = candidate.name, open_session(by_row.graph)
    differences, alone, asked, precision = [], [], [], candidate.precision
    for number in CANDIDATES:
        ids = some_ids(candidate.n_rows, number, seed=number)
        arrays = candidate.rows(ids)
        what = f"{name}: ONNX and torch for {number} candidates"
        answer = ask(session, arrays, what)
        reference = torch_answer(candidate, arrays)
        differences.append(compare(what, answer, reference, precision=precision))
        rows = tiled(arrays, candidate.signature, by_row.signature)
        what = f"{name}: {number} candidates and their rows in {by_row.name}"
        each = answer_in(row_session, rows, by_row.signature.max_batch, what)
        flat = {key: array.reshape(answer[key].shape) for key, array in each.items()}
        of = CLOSER if precision is FP32 else 1  # less precise ones round in another order
        alone.append(compare(what, answer, flat, of, precision=precision))
        asked.append(ids)
    check_edges(candidate, session, candidate.rows(some_ids(candidate.n_rows, 2)))
    worst = farthest(answer, reference, asked[-1])
    ids = np.concatenate(asked)
    return replace(_parity(candidate, ids, CANDIDATES, differences, largest(alone)), worst=worst)


def tiled(arrays: Arrays, ranked: Signature, by_row: Signature) -> Arrays:
    """The rows that a ranking request stands for, matched by the names of columns.

    Args:
        arrays: of one request.
        ranked: signature of the graph that ranks.
        by_row: signature of the graph that answers row by row.
    """
    n_rows = max(len(arrays[s.name]) for s in ranked.inputs if isinstance(s.shape[0], str))
    columns: dict[tuple[str, str], list[np.ndarray]] = {}
    for spec in ranked.inputs:
        array = np.broadcast_to(arrays[spec.name], (n_rows, len(spec.columns)))
        for column, values in zip(spec.columns, array.T, strict=True):
            columns.setdefault((spec.dtype, column), []).append(values)
    return {
        spec.name: np.stack([columns[spec.dtype, c].pop(0) for c in spec.columns], axis=1)
        for spec in by_row.inputs
    }


def _check_queries(candidate: Candidate, session: Any) -> Parity:
    """Random graphs, then real neighbourhoods of several sizes."""
    name = candidate.name
    for size in QUERIES:
        arrays = candidate.signature.sample(size)
        what = f"{name}: ONNX and torch on a random graph of {size}"
        compare(what, ask(session, arrays, what), torch_answer(candidate, arrays))
    asked: list[np.ndarray] = []
    differences, agreements = [], []
    for size in (size for size in QUERIES if size <= candidate.n_rows):
        ids = np.random.default_rng(size).choice(candidate.n_rows, size, replace=False)
        arrays = candidate.rows(ids)
        reference = torch_answer(candidate, arrays)
        answered = len(next(iter(reference.values())))
        answers_all = answered == candidate.n_rows  # whichever nodes are asked for
        asked.append(np.arange(candidate.n_rows) if answers_all else ids)
        what = f"{name}: ONNX and torch for {len(asked[-1])} nodes"
        answer = ask(session, arrays, what)
        differences.append(compare(what, answer, reference))
        agreements.append(_top1(candidate, answer, reference))
        if candidate.expected is not None:
            what = f"{name}: ONNX and the model for {len(asked[-1])} nodes"
            compare(what, answer, {k: a[asked[-1]] for k, a in candidate.expected.items()})
        if answers_all:
            break
    sizes = tuple(len(ids) for ids in asked)
    return replace(
        _parity(candidate, np.concatenate(asked), sizes, differences),
        top1_agreement=min((a for a in agreements if a is not None), default=None),
        worst=farthest(answer, reference, asked[-1]),
    )
