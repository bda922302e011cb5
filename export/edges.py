"""Edges of what a graph accepts: nothing known, axes of one entry, ids outside the vocabulary."""

from __future__ import annotations

from typing import Any

import numpy as np

from export.candidate import CLOSER, Arrays, Candidate, ask, compare, torch_answer
from zoo.contract import TensorSpec

LARGER, AWAY = np.float32(100), 1e6
BELOW, ABOVE = -1, 4  # ids out of range: -1, and this much above the last one


def check_edges(candidate: Candidate, session: Any, arrays: Arrays) -> None:
    """An empty row is answered as in torch and harms no mate; ids out of range read as the last id.

    Large values, and values far from zero, are answered as in torch.

    The last id of a column stands for whatever is not in its vocabulary. Axes of free size are
    cut to one entry besides.

    Args:
        candidate: the graph.
        session: that runs it.
        arrays: a request of two real rows, or candidates.

    Raises:
        ExportError: what was asked, expected and measured.
    """
    inputs = candidate.signature.inputs
    by_row = [spec for spec in inputs if candidate.signature.max_batch or _is_ranked(spec)]
    _check_empty(candidate, session, arrays, by_row)
    _check_far(candidate, session, arrays)
    for axis in sorted({axis for spec in inputs for axis in spec.shape if isinstance(axis, str)}):
        _check_one(candidate, session, arrays, axis)
    for spec in inputs:
        if spec not in by_row:
            what = f"{candidate.name}: an empty {spec.name}"
            empty = {**arrays, spec.name: _empty(spec, arrays[spec.name])}
            _hold(candidate, ask(session, empty, what), empty, what)
        if isinstance(spec.high, int | tuple):
            _check_range(candidate, session, arrays, spec)


def _is_ranked(spec: TensorSpec) -> bool:
    return bool(spec.shape) and isinstance(spec.shape[0], str)


def _check_empty(
    candidate: Candidate, session: Any, arrays: Arrays, by_row: list[TensorSpec]
) -> None:
    """The first row emptied: as in torch; and the second as it was."""
    name, emptied = candidate.name, dict(arrays)
    for spec in by_row:
        emptied[spec.name] = arrays[spec.name].copy()
        emptied[spec.name][:1] = _empty(spec, arrays[spec.name][:1])
    answer = ask(session, emptied, what := f"{name}: an empty row")
    _hold(candidate, answer, emptied, what)
    whole = ask(session, arrays, what := f"{name}: a row beside an empty one")
    first, second = ({k: a[1:] for k, a in found.items()} for found in (answer, whole))
    unit = candidate.unit_of(emptied)
    others = None if unit is None else unit[1:]
    compare(what, first, second, CLOSER, others, candidate.precision)


def _hold(candidate: Candidate, answer: Arrays, arrays: Arrays, what: str) -> None:
    """Hold an answer against torch's."""
    expected, unit = torch_answer(candidate, arrays), candidate.unit_of(arrays)
    compare(what, answer, expected, 1, unit, candidate.precision)


def _check_far(candidate: Candidate, session: Any, arrays: Arrays) -> None:
    """Values in the caller's own unit far larger than real ones, series far away from zero too."""
    own = [spec.name for spec in candidate.signature.inputs if spec.missing]
    numbers = [name for name in own if np.issubdtype(arrays[name].dtype, np.floating)]
    if not numbers:
        return
    away = np.float32(AWAY if candidate.unit else 0)
    far = {**arrays, **{name: LARGER * arrays[name] + away for name in numbers}}
    answer = ask(session, far, what := f"{candidate.name}: values {LARGER:g} times as large")
    _hold(candidate, answer, far, what)


def _check_one(candidate: Candidate, session: Any, arrays: Arrays, axis: str) -> None:
    """All inputs cut to the first entry of an axis: as in torch."""
    lead = ("batch",) if candidate.signature.max_batch else ()
    cut = dict(arrays)
    for spec in candidate.signature.inputs:
        if axis in spec.shape:
            cut[spec.name] = arrays[spec.name].take([0], (*lead, *spec.shape).index(axis))
    answer = ask(session, cut, what := f"{candidate.name}: {axis} = 1")
    _hold(candidate, answer, cut, what)


def _check_range(candidate: Candidate, session: Any, arrays: Arrays, spec: TensorSpec) -> None:
    """Ids out of range, in all columns at once, against the columns' last ids."""
    given, last = arrays[spec.name], _last(spec)
    what = f"{candidate.name}: {spec.name} = last id"
    padding = ask(session, {**arrays, spec.name: _like(given, last)}, what)
    for wrong, said in ((np.full_like(last, BELOW), "-1"), (last + 1 + ABOVE, f"size + {ABOVE}")):
        what = f"{candidate.name}: {spec.name} = {said} and the last id"
        beyond = {**arrays, spec.name: _like(given, wrong)}
        compare(what, ask(session, beyond, what), padding, CLOSER, None, candidate.precision)


def _last(spec: TensorSpec) -> np.ndarray:
    """The last id of each column."""
    return np.asarray(spec.high, spec.dtype) - 1


def _empty(spec: TensorSpec, like: np.ndarray) -> np.ndarray:
    """A row of which nothing is known."""
    if isinstance(spec.high, int | tuple):
        return _like(like, _last(spec))
    return np.full_like(like, np.nan if spec.missing else 0)


def _like(given: np.ndarray, row: np.ndarray) -> np.ndarray:
    """An array like ``given`` of which every row is ``row``."""
    return np.broadcast_to(row, given.shape).copy()
