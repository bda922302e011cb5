"""Click models: ``POST /v1/ctr/{model}/predict`` and ``/rank``.

predict  {"rows": [{"user": 196, …}, …]}                     raw values; null is missing
         {"ids": [[…], …], "numbers": [[…], …]}              as the model takes them
rank     {"request": {…}, "candidates": [{…}, …]}            raw values
         {"request_ids": […], "item_ids": [[…], …], …}       as the model takes them
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from serving.endpoint import MAX_CANDIDATES
from serving.gateway.backends import Arrays
from serving.gateway.body import few, floats, integers, required
from serving.gateway.catalogue import Served
from serving.gateway.problems import Problem
from serving.records import SCORE, rank_arrays, to_arrays
from zoo.contract import SignatureError, TensorSpec

NUMBERS = {
    "numbers": "numeric",
    "request_numbers": "request_numeric",
    "item_numbers": "item_numeric",
}
ROWS = ("rows", "ids", "numbers")
RANKING = ("request", "candidates", "request_ids", "item_ids", "request_numbers", "item_numbers")


def form_of(body: dict[str, Any], plain: str) -> str:
    """The form that a body asks: with raw values, or with ids.

    Args:
        plain: the form that takes ids, ``rows`` or ``rank``.
    """
    ids = any(name.endswith(("ids", "numbers")) for name in body)
    raw = any(not name.endswith(("ids", "numbers")) for name in body)
    if ids and raw:
        raise Problem(422, "raw values and ids stand beside each other: expected either")
    return plain if ids else f"{plain}-raw"


def predict_arrays(body: dict[str, Any], served: Served) -> Arrays:
    """Inputs of a model that answers row by row.

    Raises:
        Problem: naming row and field at fault.
    """
    most = served.signature.max_batch
    if served.form == "rows":
        return _tensors(body, served, most)
    rows = required(body, "rows", list, "a list of rows, each an object of fields")
    few(rows, most, "rows", "rows")
    return _refusing(lambda: to_arrays(served.signature, rows))


def rank_inputs(body: dict[str, Any], served: Served) -> Arrays:
    """Inputs of a model that scores the candidates of one request.

    Raises:
        Problem: naming candidate and field at fault.
    """
    if served.form == "rank":
        return _tensors(body, served, MAX_CANDIDATES)
    request = required(body, "request", dict, "an object of fields")
    candidates = required(body, "candidates", list, "a list of objects of fields")
    few(candidates, MAX_CANDIDATES, "candidates", "candidates")
    return _refusing(lambda: rank_arrays(served.signature, request, candidates))


def scores(outputs: Arrays) -> Mapping[str, Any]:
    """The score of every row."""
    return {"scores": outputs[SCORE].ravel().tolist()}


def ranking(outputs: Arrays) -> Mapping[str, Any]:
    """The score of every candidate, and their positions, best first."""
    found = outputs[SCORE].ravel()
    return {"scores": found.tolist(), "ranking": np.argsort(-found, kind="stable").tolist()}


def _tensors(body: dict[str, Any], served: Served, most: int) -> Arrays:
    """The model's own tensors, field by field."""
    tensors = {NUMBERS.get(name, name): name for name in body}
    inputs = {spec.name: spec for spec in served.signature.inputs}
    for tensor, field in tensors.items():
        if tensor not in inputs:
            raise Problem(422, f"field '{field}': the model takes no such tensor")
    arrays = {}
    for tensor, spec in inputs.items():
        field = tensors.get(tensor) or next((f for f, t in NUMBERS.items() if t == tensor), tensor)
        values = required(body, field, list, "lists of numbers")
        axes = len(spec.shape) + (1 if served.signature.max_batch else 0)
        if axes > 1:
            few(values, most, field, "rows")
        arrays[tensor] = _array(values, field, spec, axes)
    return arrays


def _array(values: list[Any], field: str, spec: TensorSpec, axes: int) -> np.ndarray:
    if np.issubdtype(np.dtype(spec.dtype), np.integer):
        return integers(values, field, axes)
    return floats(values, field, axes, spec.missing)


def _refusing(make: Any) -> Arrays:
    try:
        arrays: Arrays = make()
    except SignatureError as error:
        raise Problem(422, str(error)) from None
    return arrays
