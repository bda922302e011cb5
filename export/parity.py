"""The gate: an exported graph answers as the trained model does, on real rows."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from export.candidate import (
    Arrays,
    Candidate,
    answer_in,
    ask,
    compare,
    open_session,
    slices,
    some_ids,
    torch_answer,
)
from export.errors import ExportError

ROWS = 1000
BATCHES = (1, 2, 3, 7)
QUERIES = (1, 2, 3, 7, 64)
ALONE_TOLERANCE = 1e-6
TIE = 1e-6  # rows whose two largest values are nearer may swap them by rounding


@dataclass(frozen=True)
class Parity:
    """What the gate measured.

    Attributes:
        rows: distinct real rows compared.
        batches: batch sizes, or numbers of queried nodes, at which they were.
        max_abs_diff: largest difference from torch.
        tolerance: largest accepted one.
        top1_agreement: fraction of rows with torch's own largest value.
        alone_max_abs_diff: largest difference between a row alone and in a batch; None where
            there is no batch axis.
    """

    rows: int
    batches: tuple[int, ...]
    max_abs_diff: float
    tolerance: float
    top1_agreement: float
    alone_max_abs_diff: float | None = None


def check(candidate: Candidate) -> Parity:
    """Hold a graph against its model.

    Raises:
        ExportError: what differs, by how much, and what was expected.
    """
    _check_eval(candidate)
    session = open_session(candidate.graph)
    if candidate.signature.max_batch:
        return _check_batches(candidate, session)
    return _check_queries(candidate, session)


def check_same(name: str, answers: dict[str, np.ndarray], tolerance: float) -> None:
    """Check that forms of one model give the same answers to the same rows.

    Raises:
        ExportError: naming the two forms that differ.
    """
    for (one, a), (other, b) in itertools.pairwise(answers.items()):
        compare(f"{name}: forms '{one}' and '{other}'", a, b, tolerance)


def _check_eval(candidate: Candidate) -> None:
    """The reference must be in eval mode, and must answer twice the same."""
    for path, module in candidate.module.named_modules():
        if module.training:
            raise ExportError(f"{candidate.name}: module '{path}' is in training mode: call eval()")
    arrays = candidate.rows(np.arange(min(2, candidate.n_rows)))
    first, second = (torch_answer(candidate, arrays) for _ in range(2))
    compare(f"{candidate.name}: torch asked twice", first, second, 0.0)


def _check_batches(candidate: Candidate, session: Any) -> Parity:
    """Real rows at several batch sizes, and rows at the edges of what is accepted."""
    name, tolerance = candidate.name, candidate.tolerance
    largest = candidate.signature.max_batch
    ids = some_ids(candidate.n_rows, max(ROWS, largest))
    arrays = candidate.rows(ids)
    reference = np.concatenate([torch_answer(candidate, part) for part in slices(arrays, largest)])
    if candidate.expected is not None:
        compare(f"{name}: torch and the model", reference, candidate.expected[ids], tolerance)
    answers, differences = {}, []
    for batch in (*BATCHES, largest):
        what = f"{name}: ONNX and torch at batch {batch}"
        answers[batch] = answer_in(session, arrays, batch, what)
        differences.append(compare(what, answers[batch], reference, tolerance))
    what = f"{name}: rows alone and in a batch of {largest}"
    alone = compare(what, answers[1], answers[largest], ALONE_TOLERANCE)
    _check_edges(candidate, session, {k: v[:1] for k, v in arrays.items()})
    return Parity(
        rows=len(np.unique(ids)),
        batches=(*BATCHES, largest),
        max_abs_diff=max(differences),
        tolerance=tolerance,
        top1_agreement=_top1(name, answers[largest], reference),
        alone_max_abs_diff=alone,
    )


def _top1(name: str, answer: np.ndarray, reference: np.ndarray) -> float:
    """Fraction of rows with the same largest value; ties may differ."""
    same = answer.argmax(axis=-1) == reference.argmax(axis=-1)
    largest = np.sort(reference, axis=-1)[:, -2:]
    if not (same | (np.diff(largest)[:, 0] <= TIE)).all():
        raise ExportError(f"{name}: expected one top class in all rows, measured {same.mean():.4f}")
    return float(same.mean())


def _check_edges(candidate: Candidate, session: Any, row: Arrays) -> None:
    """An empty row is finite and harms no mate; ids out of range read as the last id, padding."""
    name, inputs = candidate.name, candidate.signature.inputs
    high = {spec.name: int(spec.high) for spec in inputs if isinstance(spec.high, int)}
    empty = {k: np.full_like(v, high[k] - 1 if k in high else 0) for k, v in row.items()}
    both = {k: np.concatenate([empty[k], row[k]]) for k in row}
    mixed = ask(session, both, what := f"{name}: an empty row")
    compare(what, mixed[:1], torch_answer(candidate, empty), candidate.tolerance)
    alone = ask(session, row, what := f"{name}: a row beside an empty one")
    compare(what, mixed[1:], alone, ALONE_TOLERANCE)
    for key, bound in high.items():
        what = f"{name}: {key} = padding"
        padding = ask(session, {**row, key: np.full_like(row[key], bound - 1)}, what)
        for wrong in (-1, bound + 4):
            what = f"{name}: {key} = {wrong} and padding"
            answer = ask(session, {**row, key: np.full_like(row[key], wrong)}, what)
            compare(what, answer, padding, ALONE_TOLERANCE)


def _check_queries(candidate: Candidate, session: Any) -> Parity:
    """Random graphs, then real neighbourhoods of several sizes."""
    name, tolerance = candidate.name, candidate.tolerance
    for size in QUERIES:
        arrays = candidate.signature.sample(size)
        what = f"{name}: ONNX and torch on a random graph of {size}"
        compare(what, ask(session, arrays, what), torch_answer(candidate, arrays), tolerance)
    asked: list[np.ndarray] = []
    differences, agreements = [], []
    for size in (size for size in QUERIES if size <= candidate.n_rows):
        ids = np.random.default_rng(size).choice(candidate.n_rows, size, replace=False)
        arrays = candidate.rows(ids)
        reference = torch_answer(candidate, arrays)
        answers_all = len(reference) == candidate.n_rows  # whichever nodes are asked for
        asked.append(np.arange(candidate.n_rows) if answers_all else ids)
        what = f"{name}: ONNX and torch for {len(asked[-1])} nodes"
        answer = ask(session, arrays, what)
        differences.append(compare(what, answer, reference, tolerance))
        agreements.append(_top1(name, answer, reference))
        if candidate.expected is not None:
            what = f"{name}: ONNX and the model for {len(asked[-1])} nodes"
            compare(what, answer, candidate.expected[asked[-1]], tolerance)
        if answers_all:
            break
    return Parity(
        rows=len(np.unique(np.concatenate(asked))),
        batches=tuple(len(ids) for ids in asked),
        max_abs_diff=max(differences),
        tolerance=tolerance,
        top1_agreement=min(agreements),
    )
