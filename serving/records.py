"""Records of raw values, as applications have them, become the arrays that a model takes.

A record is a dict of field → value: text, a number, true or false, a list, or None. Which fields
there are, a model's signature says: they are the ``columns`` of its inputs.

field is         its value becomes
one text column  its canonical text (``zoo.values``): 12, 12.0 and "12" are one value
several          the texts of a list without its missing entries; as in training, those beyond the
                 columns are cut. One value counts as a list of one; a text is never split
a number column  the number; text that is a number counts as one
missing          "" in text columns and NaN in number columns. Missing is what is left out, None,
                 NaN or ""
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any

import numpy as np

from zoo.contract import Signature, SignatureError, TensorSpec, near
from zoo.values import MISSING, SPACES, canonical

Record = Mapping[str, Any]
Records = Sequence[Record]

SCORE = "score"
LISTS = (list, tuple, np.ndarray)
NO_VALUES = (*LISTS, dict, set, bytearray)
LARGEST_NUMBER = float(np.finfo(np.float32).max)
PLAIN = frozenset((str, int, float, bool, type(None)))

UNICODE = "text of valid Unicode"  # JSON can hold half of a surrogate pair, which UTF-8 cannot


@lru_cache(maxsize=1 << 16, typed=True)  # the values of a log repeat
def _text(value: Any) -> str:
    text = canonical(value)
    text.encode()
    return text


def to_arrays(signature: Signature, records: Records) -> dict[str, np.ndarray]:
    """Inputs of a model that answers row by row.

    Raises:
        SignatureError: naming the row and field at fault and the remedy.
    """
    _check_scores(signature)
    if not signature.max_batch:
        raise SignatureError("it ranks candidates for one request: use rank")
    return _filled(signature.inputs, records, "row {}".format, {})


def rank_arrays(
    signature: Signature, request: Record, candidates: Records
) -> dict[str, np.ndarray]:
    """Inputs of a model that scores candidates for one request.

    Raises:
        SignatureError: naming the candidate and field at fault and the remedy.
    """
    _check_scores(signature)
    if signature.max_batch:
        raise SignatureError("it answers row by row: use predict")
    items = [spec for spec in signature.inputs if isinstance(spec.shape[0], str)]
    shared = [spec for spec in signature.inputs if spec not in items]
    of_items = dict.fromkeys((c for spec in items for c in spec.columns), "each candidate")
    of_request = dict.fromkeys((c for spec in shared for c in spec.columns), "the request")
    arrays = _filled(shared, [request], lambda _: "the request", of_items)
    arrays = {name: array[0] for name, array in arrays.items()}
    return arrays | _filled(items, candidates, "candidate {}".format, of_request)


def scores_of(answers: Mapping[str, np.ndarray]) -> list[float]:
    """The score of each row or candidate."""
    scores: list[float] = answers[SCORE].ravel().tolist()
    return scores


def _check_scores(signature: Signature) -> None:
    """Refuse models that give no scores, or that take something else than raw values."""
    if SCORE not in [spec.name for spec in signature.outputs]:
        raise SignatureError(f"it has no output '{SCORE}': use infer")
    for spec in signature.inputs:
        if spec.columns and np.issubdtype(np.dtype(spec.dtype), np.integer):
            raise SignatureError(
                f"input '{spec.name}' takes ids, not raw values: ask the model with '-raw' "
                "behind its name, or use infer"
            )
        if not spec.columns:
            raise SignatureError(f"input '{spec.name}' has no fields to fill: use infer")


def _filled(
    specs: Sequence[TensorSpec],
    records: Records,
    name_of: Callable[[int], str],
    elsewhere: Mapping[str, str],
) -> dict[str, np.ndarray]:
    """One array per input, one row per record.

    Args:
        specs: the inputs.
        records: whose values they get.
        name_of: index of a record → how messages call it.
        elsewhere: fields of other records → whose they are.
    """
    if isinstance(records, Mapping | str) or not isinstance(records, Sequence):
        raise SignatureError(f"expected a list of records, got a {type(records).__name__}")
    known = {column for spec in specs for column in spec.columns}
    for index, record in enumerate(records):
        if not isinstance(record, Mapping):
            raise SignatureError(f"{name_of(index)} is {record!r}: expected a dict of fields")
        if not known.issuperset(record):
            name = next(name for name in record if name not in known)
            whose = elsewhere.get(name)
            hint = f"it belongs to {whose}" if whose else near(str(name), known)
            raise SignatureError(f"{name_of(index)} has unknown field '{name}': {hint}")
    return {spec.name: _array(spec, records, name_of) for spec in specs}


def _array(spec: TensorSpec, records: Records, name_of: Callable[[int], str]) -> np.ndarray:
    """The array of one input, field by field. Shapes: (records, columns)."""
    array = np.empty((len(records), len(spec.columns)), spec.dtype)
    column = 0
    for name, same in groupby(spec.columns):
        columns = len(list(same))
        here = slice(column, column + columns)
        values = [record.get(name) for record in records]
        try:
            if spec.dtype != "object":
                array[:, column] = _numbers(values)
            elif columns == 1:
                array[:, column] = _texts(values)
            elif records:
                array[:, here] = [
                    _list(index, value, columns) for index, value in enumerate(values)
                ]
        except _Culprit as culprit:
            index, expected = culprit.args
            raise SignatureError(
                f"{name_of(index)}: field '{name}' is {_shown(values[index])}: expected {expected}"
            ) from None
        column += columns
    return array


class _Culprit(Exception):
    """Index of a value that does not fit, and what was expected."""


def _texts(values: Sequence[Any]) -> list[str]:
    """Each value's text."""
    if not PLAIN.issuperset(map(type, values)):
        for index, value in enumerate(values):
            if isinstance(value, NO_VALUES):
                raise _Culprit(index, "one value: text, a number, true, false or None")
    try:
        return list(map(_text, values))
    except UnicodeEncodeError as error:
        wrong = next(k for k, value in enumerate(values) if canonical(value) == error.object)
        raise _Culprit(wrong, UNICODE) from None


def _list(index: int, value: Any, columns: int) -> list[str]:
    """The texts of one value's columns."""
    values = value if isinstance(value, LISTS) else (value,)
    for item in values:
        if isinstance(item, NO_VALUES):
            raise _Culprit(index, "a list of texts and numbers")
    try:
        texts = [text for text in map(_text, values) if text][:columns]
    except UnicodeEncodeError:
        raise _Culprit(index, UNICODE) from None
    return texts + [""] * (columns - len(texts))


def _numbers(values: Sequence[Any]) -> list[float]:
    """Each value as a number."""
    numbers = []
    for index, value in enumerate(values):
        try:
            numbers.append(np.nan if _is_missing(value) else float(value))
        except (TypeError, ValueError, OverflowError):
            raise _Culprit(index, "a number") from None
        if abs(numbers[-1]) > LARGEST_NUMBER or (isinstance(value, str) and "_" in value):
            raise _Culprit(index, "a number")
    return numbers


def _is_missing(value: Any) -> bool:
    """Whether a number is missing, in the words that training reads so."""
    return value is None or (isinstance(value, str) and value.strip(SPACES).lower() in MISSING)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:39] + "…"
