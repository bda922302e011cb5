"""Columns of a log as canonical strings, lists of them, numbers, and clicks.

Strings follow ``zoo.values.canonical``. They are made once per distinct value of a batch: a column
becomes the values it holds and, per row, which of them stands there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from zoo.families.ctr.log import Place
from zoo.families.ctr.schema import SEPARATOR
from zoo.values import FALSE, LARGEST, MISSING, SPACES, TRUE, WHOLE, ZERO, canonical

LARGEST_NUMBER = float(np.finfo(np.float32).max)
CLICKS = {"0": 0.0, "1": 1.0, "false": 0.0, "true": 1.0}


@dataclass(frozen=True)
class Coded:
    """Strings of many rows.

    Attributes:
        values: canonical strings; one may repeat, and the empty one is a missing value.
        codes: position in ``values``, by row.
    """

    values: pa.StringArray
    codes: np.ndarray

    @property
    def present(self) -> np.ndarray:
        """Which rows have a value. Shapes: (rows,)."""
        return pc.not_equal(self.values, "").to_numpy(zero_copy_only=False)[self.codes]

    def take(self, rows: np.ndarray) -> Coded:
        """Some rows, by position or mask."""
        return Coded(self.values, self.codes[rows])


def plain(column: pa.Array, place: Place) -> pa.Array:
    """A column without a dictionary, its text as ordinary strings.

    Raises:
        DataError: bytes that are not UTF-8.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    binary = pa.types.is_fixed_size_binary(kind)
    texts = (pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view())
    try:
        return column.cast(pa.string()) if binary or kind in texts else column
    except pa.ArrowInvalid:
        raise place.unfit(kind, "UTF-8 text") from None


def strings(column: pa.Array, place: Place) -> Coded:
    """A categorical column's canonical strings.

    Raises:
        DataError: a column of lists.
    """
    if pa.types.is_nested(column.type):
        raise place.unfit(column.type, "one value per row; of a list the kind is multi")
    return coded(column)


def coded(column: pa.Array) -> Coded:
    """The canonical strings of values."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    values = _canonical(column.dictionary)
    codes = pc.fill_null(column.indices.cast(pa.int32()), len(values)).to_numpy()
    return Coded(pa.concat_arrays([values, pa.array([""])]), codes)


def _canonical(values: pa.Array) -> pa.StringArray:
    """``canonical`` of distinct values, by Arrow where there may be many."""
    kind = values.type
    if pa.types.is_integer(kind):
        return pc.fill_null(values.cast(pa.string()), "")
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _canonical_text(pc.fill_null(values.cast(pa.string()), ""))
    if pa.types.is_floating(kind):
        numbers = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
        whole = np.equal(numbers, np.trunc(numbers)) & (np.abs(numbers) < LARGEST)
        texts = pa.array(np.where(whole, numbers, 0).astype(np.int64)).cast(pa.string())
        if whole.all():
            return texts
        scalars = values.to_numpy(zero_copy_only=False)  # of their own width: 0.1 stays 0.1
        others = pa.array([canonical(v) for v in scalars[~whole]], pa.string())
        return pc.replace_with_mask(texts, pa.array(~whole), others)
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        values = values.cast(pa.timestamp("us", kind.tz), safe=False)
    return pa.array([canonical(value) for value in values.to_pylist()], pa.string())


def _canonical_text(texts: pa.StringArray) -> pa.StringArray:
    texts = pc.utf8_trim(texts, characters=SPACES)
    texts = pc.replace_substring_regex(texts, rf"^{WHOLE}$", r"\1")
    texts = pc.replace_substring_regex(texts, rf"^{ZERO}$", "0")
    for words, word in ((TRUE, "true"), (FALSE, "false")):
        texts = pc.if_else(pc.is_in(texts, pa.array(words)), word, texts)
    return texts


def listed(column: pa.Array, separator: str, place: Place) -> tuple[Coded, np.ndarray]:
    """A column of lists: all its values in a row, and how many each row has.

    Missing values are left out.

    Args:
        column: of lists, or of text.
        separator: between the values of a text; empty for the default.
        place: where the column stands.

    Raises:
        DataError: a separator is given for what is no text, or the type is no list.
    """
    column = plain(column, place)
    if pa.types.is_string(column.type):
        column = pc.split_pattern(column, separator or SEPARATOR)
    elif separator:
        raise place.unfit(column.type, "text where a separator is given")
    elif pa.types.is_struct(column.type) or pa.types.is_map(column.type):
        raise place.unfit(column.type, "a list")
    elif not pa.types.is_nested(column.type):
        column = pa.ListArray.from_arrays(np.arange(len(column) + 1, dtype=np.int32), column)
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy().astype(np.int64)
    flat = strings(pc.list_flatten(column), place)
    present = flat.present
    row = np.repeat(np.arange(len(lengths)), lengths)
    return flat.take(present), np.bincount(row[present], minlength=len(lengths))


def numbers(column: pa.Array, place: Place) -> np.ndarray:
    """A column's numbers; NaN where one is missing. Shapes: (rows,) float64.

    Raises:
        DataError: text, a date or an infinite number, naming row and column.
    """
    column = plain(column, place)
    kind = column.type
    if pa.types.is_string(kind):
        column = _numbers_of_text(column, place)
    elif not (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_null(kind)
    ):
        raise place.unfit(kind, "numbers")
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    found = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    too_large = np.abs(found) > LARGEST_NUMBER
    if too_large.any():
        row = int(too_large.argmax())
        raise place.error(row, float(found[row]), "a finite number")
    return found


def _numbers_of_text(texts: pa.Array, place: Place) -> pa.Array:
    texts = pc.utf8_trim(texts, characters=SPACES)
    missing = pc.is_in(pc.utf8_lower(texts), pa.array(MISSING))
    texts = pc.if_else(missing, None, texts)
    try:
        return texts.cast(pa.float64())
    except pa.ArrowInvalid:
        for row, text in enumerate(texts.to_pylist()):
            if text is not None and not _is_number(text):
                raise place.error(row, text, "a number; or let the field be categorical") from None
        raise


def _is_number(text: str) -> bool:
    try:
        pa.array([text]).cast(pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def clicks(column: pa.Array, place: Place) -> np.ndarray:
    """A column's labels. Shapes: (rows,) float32, 0 or 1.

    Raises:
        DataError: another value, naming row and column.
    """
    labels = strings(column, place)
    known = [CLICKS.get(value, np.nan) for value in labels.values.to_pylist()]
    found = np.array(known, dtype=np.float32)[labels.codes]
    wrong = np.isnan(found)
    if wrong.any():
        row = int(wrong.argmax())
        raise place.error(row, column[row].as_py(), "0 or 1")
    return found
