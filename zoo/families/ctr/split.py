"""Which rows of a log are for training, validation and test."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from zoo.families.ctr.cells import strings
from zoo.families.ctr.log import Log, Place
from zoo.families.ctr.schema import Schema
from zoo.families.ctr.times import times
from zoo.sources import DataError

PARTS = ("train", "val", "test")
NAMES = {"train": 0, "val": 1, "valid": 1, "validation": 1, "test": 2}
SEED = 20230213  # of the random split: the same rows whatever the seed of a training

Assign = Callable[[pa.RecordBatch, int], np.ndarray]


def assigner(log: Log, schema: Schema) -> Callable[[], Assign]:
    """How to tell, batch by batch from the first, which part of ``PARTS`` each row belongs to.

    Returns:
        A function that begins a pass over the log.

    Raises:
        DataError: a time is missing or is none.
    """
    split = schema.split
    ends = np.cumsum(split.fractions)[:2]
    if split.by == "column":
        return lambda: (
            lambda batch, start: _named(
                batch.column(split.column), Place(log.path, split.column, start)
            )
        )
    if split.by == "time":
        parts = _in_order(times(log, split.column), ends)
        return lambda: lambda batch, start: parts[start : start + batch.num_rows]

    def begin() -> Assign:
        rng = np.random.default_rng(SEED)
        return lambda batch, start: np.searchsorted(ends, rng.random(batch.num_rows), "right")

    return begin


def _in_order(when: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Parts by time; rows of the same time in the log's order. Shapes: (rows,) int8."""
    order = np.argsort(when, kind="stable")
    parts = np.zeros(len(when), dtype=np.int8)
    first, second = np.round(ends * len(when)).astype(int)
    parts[order[first:second]] = 1
    parts[order[second:]] = 2
    return parts


def _named(column: pa.Array, place: Place) -> np.ndarray:
    """Parts by the names in a column. Shapes: (rows,) int8."""
    names = strings(column, place)
    known = [NAMES.get(name.lower(), -1) for name in names.values.to_pylist()]
    parts = np.array(known, dtype=np.int8)[names.codes]
    if (parts < 0).any():
        row = int((parts < 0).argmax())
        raise place.error(row, column[row].as_py(), "train, val or test")
    return parts


def check_parts(path: object, rows: np.ndarray, clicks: np.ndarray) -> None:
    """Refuse parts that nothing can be learnt or told from.

    Args:
        path: of the log.
        rows: how many each of ``PARTS`` has.
        clicks: how many of them are clicks.

    Raises:
        DataError: a part without rows, without a click or without another row.
    """
    for part, total, clicked in zip(PARTS, rows, clicks, strict=True):
        for found, what in ((total, "row"), (clicked, "click"), (total - clicked, "non-click")):
            if not found:
                raise DataError(
                    f"{path}: the {part} part has {int(total)} rows and no {what}: expected clicks "
                    "and non-clicks in train, val and test; give more rows or another [split]"
                )
