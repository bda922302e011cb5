"""Arrays of raw values as the records that applications send: the way back of serving.records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from zoo.contract import Signature, TensorSpec

Record = dict[str, Any]


def records(signature: Signature, arrays: Mapping[str, np.ndarray]) -> list[Record]:
    """One record per row of a model that answers row by row."""
    rows = len(next(iter(arrays.values())))
    return [_record(signature.inputs, arrays, row) for row in range(rows)]


def ranking(signature: Signature, arrays: Mapping[str, np.ndarray]) -> tuple[Record, list[Record]]:
    """The request, and its candidates, of a model that ranks."""
    items = tuple(spec for spec in signature.inputs if isinstance(spec.shape[0], str))
    shared = tuple(spec for spec in signature.inputs if spec not in items)
    once = {spec.name: arrays[spec.name][None] for spec in shared}
    candidates = len(arrays[items[0].name])
    return _record(shared, once, 0), [_record(items, arrays, n) for n in range(candidates)]


def _record(specs: tuple[TensorSpec, ...], arrays: Mapping[str, np.ndarray], row: int) -> Record:
    """The values of one row by field; a field of several columns is a list of what it holds."""
    record: Record = {}
    for spec in specs:
        values = arrays[spec.name][row]
        for field in dict.fromkeys(spec.columns):
            held = [_value(v) for v, c in zip(values, spec.columns, strict=True) if c == field]
            present = [value for value in held if value is not None]
            record[field] = present if len(held) > 1 else held[0]
    return record


def _value(value: Any) -> str | float | None:
    """Text, a number with the digits of float32, or None for a missing one."""
    if isinstance(value, str):
        return value or None
    return None if np.isnan(value) else float(str(np.float32(value)))
