"""Times of a log's rows: numbers, dates, or text that is either."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from zoo.families.ctr.cells import numbers, plain
from zoo.families.ctr.log import Log, Place
from zoo.sources import DataError
from zoo.values import SPACES

EXPECTED = "a number or a time such as 2024-05-31 18:30:00, in every row alike"


def times(log: Log, column: str) -> np.ndarray:
    """When each row of a log was written, to sort by. Shapes: (rows,) float64.

    Raises:
        DataError: a row has no time, or one of another form than the rows before it.
    """
    found = []
    dated: bool | None = None
    for start, batch in log.batches([column]):
        place = Place(log.path, column, start)
        cells = plain(batch.column(0), place)
        if dated is None:
            dated = _are_dated(cells, place)
        when = _dates(cells, place) if dated else numbers(cells, place)
        if np.isnan(when).any():
            row = int(np.isnan(when).argmax())
            raise place.error(row, cells[row].as_py(), EXPECTED)
        found.append(when)
    return np.concatenate(found)


def is_dated(kind: pa.DataType) -> bool:
    """Whether values of a type are dates, with or without a time of day."""
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def _are_dated(cells: pa.Array, place: Place) -> bool:
    """Whether cells are dates rather than numbers; the first that is not empty tells.

    Raises:
        DataError: times of day, or durations.
    """
    if is_dated(cells.type):
        return True
    if pa.types.is_temporal(cells.type):
        raise place.unfit(cells.type, "dates or timestamps")
    if not pa.types.is_string(cells.type):
        return False
    texts = pc.utf8_trim(cells, characters=SPACES)
    texts = texts.filter(pc.not_equal(texts, ""))
    return len(texts) > 0 and to_time(texts[:1]) is not None


def to_time(texts: pa.Array) -> pa.Array | None:
    """Times of ISO 8601 texts, with or without a zone; None where one of them is no time."""
    for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        try:
            return texts.cast(kind)
        except pa.ArrowInvalid:
            continue
    return None


def _dates(cells: pa.Array, place: Place) -> np.ndarray:
    """Microseconds since 1970; NaN where there is none."""
    if pa.types.is_string(cells.type):
        texts = pc.utf8_trim(cells, characters=SPACES)
        texts = pc.if_else(pc.equal(texts, ""), None, texts)
        parsed = to_time(texts)
        if parsed is None:
            raise _first_wrong(texts, place)
        cells = parsed
    else:
        cells = cells.cast(pa.timestamp("us", getattr(cells.type, "tz", None)), safe=False)
    micros = pc.cast(cells, pa.int64(), safe=False).cast(pa.float64(), safe=False)
    return micros.to_numpy(zero_copy_only=False)


def _first_wrong(texts: pa.Array, place: Place) -> DataError:
    """The first text that is no time like the one before it."""
    zoned = None
    for row, text in enumerate(texts):
        parsed = to_time(pa.array([text.as_py()])) if text.is_valid else None
        if parsed is None and text.is_valid:
            return place.error(row, text.as_py(), EXPECTED)
        if parsed is not None:
            tz = parsed.type.tz
            if zoned not in (None, tz or ""):
                return place.error(row, text.as_py(), EXPECTED)
            zoned = tz or ""
    raise AssertionError("every text is a time")
