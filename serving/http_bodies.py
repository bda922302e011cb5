"""Arrays and records as the gateway's JSON bodies, and its answers as the results of clients.

JSON has no NaN: a number that is missing is null in both directions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from serving.endpoint import Arrays, Labels
from serving.errors import RequestRefused
from serving.forecasts import Forecast, History, window_of
from serving.records import Record, Records
from zoo.contract import Signature, SignatureError, TensorSpec

FEATURES, IDS, VALUES = "x", "feature_ids", "feature_values"
NUMBERS = "numbers"  # the gateway's word for the input "numeric"

Body = dict[str, Any]


def encoded(body: Body) -> bytes:
    """A body as bytes.

    Raises:
        RequestRefused: it holds what JSON cannot.
    """
    try:
        return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError as error:
        raise RequestRefused(
            f"the request cannot be sent as JSON ({error}): expected texts, numbers, true, false, "
            "None and lists of them, by field name"
        ) from None


def features_body(arrays: Arrays) -> Body:
    """Rows of a graph's nodes: dense, or the non-zero features of each.

    Raises:
        SignatureError: they are neither.
    """
    if set(arrays) == {FEATURES}:
        return {"features": _finite(FEATURES, arrays[FEATURES])}
    if set(arrays) != {IDS, VALUES}:
        raise SignatureError(
            f"inputs are {', '.join(arrays) or 'none'}: expected '{FEATURES}', or '{IDS}' and "
            f"'{VALUES}'"
        )
    ids, values = np.asarray(arrays[IDS]), _finite(VALUES, arrays[VALUES])
    if ids.ndim != 2 or ids.shape != values.shape:
        raise SignatureError(
            f"'{IDS}' has shape {ids.shape} and '{VALUES}' {values.shape}: expected the same, "
            "(rows, features)"
        )
    rows = zip(ids, values, values != 0, strict=True)  # padding has the value 0
    return {"sparse": [{"ids": i[used], "values": v[used]} for i, v, used in rows]}


def records_body(records: Records) -> Body:
    """Records of raw values; see ``serving.records``."""
    return {"rows": list(_finite_records(records))}


def ranking_body(request: Record, candidates: Records) -> Body:
    """Candidates for one request, in raw values."""
    (shared,) = _finite_records([request])
    return {"request": shared, "candidates": list(_finite_records(candidates))}


def scoring_body(signature: Signature, arrays: Arrays) -> Body:
    """Arrays of a click model: ids as they are, raw values as records.

    Raises:
        SignatureError: ids of a model that ranks, which the gateway takes in raw values alone.
    """
    raw = all(spec.dtype != "int64" for spec in signature.inputs)
    if signature.max_batch:
        if not raw:
            return {NUMBERS if n == "numeric" else n: _finite(n, a) for n, a in arrays.items()}
        return records_body(_records(signature.inputs, arrays))
    if not raw:
        raise SignatureError(
            "the gateway ranks raw values, not ids: ask the model with '-raw' behind its name"
        )
    items = [spec for spec in signature.inputs if isinstance(spec.shape[0], str)]
    shared = [spec for spec in signature.inputs if spec not in items]
    (request,) = _records(shared, {spec.name: arrays[spec.name][None] for spec in shared}) or [{}]
    return ranking_body(request, _records(items, arrays))


def history_body(signature: Signature, history: History, horizon: int | None) -> Body:
    """The end of a history, as long as the model looks back.

    Raises:
        SignatureError: the model does not forecast, or the history is none.
    """
    lookback = lookback_of(signature)
    if not lookback:
        raise SignatureError("it does not forecast: use classify, predict or rank")
    window, batched = window_of(history, lookback)
    ahead = {} if horizon is None else {"horizon": horizon}
    return {"history": _finite("history", window if batched else window[0]), **ahead}


def lookback_of(signature: Signature) -> int:
    """How many values a model looks back; 0 where it does not forecast."""
    return next((int(s.shape[-1]) for s in signature.inputs if s.name == "history"), 0)


def labels_of(answer: Body) -> list[Labels]:
    """For each row (label, probability), likeliest first."""
    return [[(one["label"], float(one["probability"])) for one in row] for row in answer["rows"]]


def table_of(rows: list[Labels], labels: Sequence[str]) -> np.ndarray:
    """Probabilities in the order of the labels. Shapes: → (rows, classes) float32."""
    found = [dict(row) for row in rows]
    return np.array([[row[label] for label in labels] for row in found], np.float32)


def scores_of(answer: Body) -> list[float]:
    """The score of each row or candidate."""
    return [float(score) for score in answer["scores"]]


def forecast_of(answer: Body) -> Forecast:
    """A forecast, as in process."""
    quantiles, median, mean = (
        np.array(answer[name], np.float32) for name in ("quantiles", "median", "mean")
    )
    status = np.array(answer["status"], np.int64)
    levels = tuple(map(float, answer["levels"]))
    return Forecast(quantiles, median, mean, levels, status, answer["passes"], answer["note"])


def _finite(name: str, array: np.ndarray) -> np.ndarray:
    """An array as JSON can hold it; infinite numbers would silently become missing ones."""
    array = np.ascontiguousarray(array)
    if array.dtype.kind == "f" and np.isinf(array).any():
        raise SignatureError(f"input '{name}' holds infinite values: expected finite numbers")
    return array


def _finite_records(records: Records) -> Iterable[Record]:
    if isinstance(records, Mapping | str) or not isinstance(records, Sequence):
        raise SignatureError(f"expected a list of records, got a {type(records).__name__}")
    for index, record in enumerate(records):
        if not isinstance(record, Mapping):
            raise SignatureError(f"row {index} is {record!r:.40}: expected a dict of fields")
        for name, value in record.items():
            if isinstance(value, float | np.floating) and math.isinf(value):
                raise SignatureError(f"row {index}: field '{name}' is {value}: expected a number")
        yield dict(record)


def _records(specs: Sequence[TensorSpec], arrays: Arrays) -> list[dict[str, Any]]:
    """Rows of raw values as records, without what is missing."""
    found: list[dict[str, Any]] = [{} for _ in arrays[specs[0].name]] if specs else []
    for spec in specs:
        for row, record in zip(np.asarray(arrays[spec.name]).tolist(), found, strict=True):
            for name, value in zip(spec.columns, row, strict=True):
                if value == "" or value != value:
                    continue
                if spec.columns.count(name) > 1:
                    record.setdefault(name, []).append(value)
                else:
                    record[name] = value
    return found
