"""Classifying the nodes of a graph: ``POST /v1/graph/{model}/classify``.

    {"features": [[…], …], "top": 3}                             rows, dense
    {"sparse": [{"ids": [3, 17], "values": [1, 2]}, …]}          of each row what is not zero

Sparse rows go to the model's sparse form while they fit it, else to the dense one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from serving.endpoint import likeliest
from serving.gateway.backends import Arrays
from serving.gateway.body import few, floats, integers, required, rows_of_floats, whole
from serving.gateway.catalogue import Served
from serving.gateway.problems import Problem
from zoo.golden import LABELLED

FIELDS = ("features", "sparse", "top")
TOP = 3
IDS, VALUES, DENSE = "feature_ids", "feature_values", "x"
MAX_ROWS = 10_000  # that are looked at before it is known which form takes them
SPARSE_FIELDS = {"ids", "values"}


def form_of(body: dict[str, Any]) -> str:
    """The form that a body asks.

    Raises:
        Problem: neither or both of its kinds of rows.
    """
    if ("features" in body) == ("sparse" in body):
        raise Problem(422, "expected either 'features' or 'sparse'")
    return "sparse" if "sparse" in body else "dense"


def dense(body: dict[str, Any], served: Served, raw: bytes) -> Arrays:
    """Dense rows of a body, ``raw`` as it came, as the model's input.

    Shapes: → (batch, features) float32.
    """
    rows = required(body, "features", list, "a list of rows")
    few(rows, served.signature.max_batch, "features", "rows")
    return {DENSE: rows_of_floats(rows, "features", raw)}


def sparse(
    body: dict[str, Any], served: Served, wide: Callable[[], Served] | None
) -> tuple[Served, Arrays]:
    """Sparse rows as the input of the sparse form, or of the dense one where they do not fit it.

    Args:
        served: the sparse form; the dense one where there is no other.
        wide: gives the dense form, where it is needed; None where there is none.

    Raises:
        Problem: naming the row at fault.
    """
    rows = required(body, "sparse", list, "a list of rows")
    few(rows, MAX_ROWS, "sparse", "rows")
    read = [_row(index, row) for index, row in enumerate(rows)]
    longest = max(len(ids) for ids, _ in read)
    width, most = int(served.signature.inputs[0].shape[0]), served.signature.max_batch
    if served.form == "sparse" and longest <= width and len(rows) <= most:
        return served, _padded(read, served)
    if wide is None:
        few(rows, most, "sparse", "rows")
        raise Problem(422, f"field 'sparse' has a row of {longest} ids: expected up to {width}")
    dense_form = wide()
    few(rows, dense_form.signature.max_batch, "sparse", "rows")
    return dense_form, _spread(read, dense_form)


def answer(outputs: Arrays, served: Served, body: dict[str, Any]) -> Mapping[str, Any]:
    """For each row the likeliest labels with their probabilities."""
    top = whole(body, "top", TOP) or TOP
    return {
        "rows": [
            [{"label": label, "probability": probability} for label, probability in row]
            for row in likeliest(outputs[LABELLED], served.labels, top)
        ]
    }


def _row(index: int, row: Any) -> tuple[np.ndarray, np.ndarray]:
    name = f"sparse[{index}]"
    if not isinstance(row, dict) or "ids" not in row or not SPARSE_FIELDS.issuperset(row):
        raise Problem(422, f"field '{name}': expected an object of 'ids' and 'values'")
    ids = integers(row["ids"], f"{name}.ids", 1)
    if row.get("values") is None:
        return ids, np.ones(len(ids), np.float32)
    values = floats(row["values"], f"{name}.values", 1)
    if len(values) != len(ids):
        raise Problem(422, f"field '{name}' has {len(ids)} ids and {len(values)} values")
    return ids, values


def _padded(rows: list[tuple[np.ndarray, np.ndarray]], served: Served) -> Arrays:
    """Shapes: → (batch, width) int64 and float32, filled up with the id that pads."""
    spec = served.signature.inputs[0]
    pad = int(spec.high) - 1 if isinstance(spec.high, int) else 0
    ids = np.full((len(rows), int(spec.shape[0])), pad, np.int64)
    values = np.zeros(ids.shape, np.float32)
    for at, (own, given) in enumerate(rows):
        _check_ids(at, own, pad)
        ids[at, : len(own)], values[at, : len(own)] = own, given
    return {IDS: ids, VALUES: values}


def _spread(rows: list[tuple[np.ndarray, np.ndarray]], wide: Served) -> Arrays:
    """Shapes: → (batch, features) float32."""
    array = np.zeros((len(rows), int(wide.signature.inputs[0].shape[0])), np.float32)
    for at, (own, given) in enumerate(rows):
        _check_ids(at, own, array.shape[1])
        np.add.at(array[at], own, given)
    return {DENSE: array}


def _check_ids(at: int, ids: np.ndarray, high: int) -> None:
    wrong = ids[(ids < 0) | (ids >= high)]
    if len(wrong):
        raise Problem(422, f"field 'sparse[{at}].ids' holds {wrong[0]}: expected 0 to {high - 1}")
