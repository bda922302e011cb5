"""A column of the user's own file as numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from zoo.values import MISSING, SPACES

NUMBER = r"[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[iI][nN][fF]([iI][nN][iI][tT][yY])?)"
WORDS = (
    *MISSING,
    "#n/a",
    "<na>",
    "-",
    "?",
)  # in lower case, of cells that stand for a missing value
SENTINELS = (-999.0, -9999.0, -99999.0)  # what instruments write where they gave nothing
LARGEST = 1e17  # the float32 squares of larger values, which every model sums, overflow


@dataclass(frozen=True)
class Column:
    """A column and the numbers in it.

    Attributes:
        cells: as they stand; None where missing.
        values: (rows,) float64; NaN where a cell is missing or no number.
        odd: (rows,) which cells are neither a number nor missing.
    """

    cells: pa.Array
    values: np.ndarray
    odd: np.ndarray

    @property
    def is_text(self) -> bool:
        """Most of what is there is no number."""
        return bool(2 * self.odd.sum() > len(self.cells) - self.cells.null_count)


def is_number(text: str) -> bool:
    """Whether a text is written as a number."""
    return re.fullmatch(NUMBER, text.strip(SPACES)) is not None


def read_column(column: pa.ChunkedArray) -> Column:
    """The numbers in a column of text, numbers or anything else."""
    cells = column.combine_chunks()
    kind = cells.type
    if pa.types.is_dictionary(kind):
        cells = cells.dictionary_decode()
        kind = cells.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _read_text(cells)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        values = cells.cast(pa.float64(), safe=False)
        return Column(cells, _numpy(values), np.zeros(len(cells), dtype=bool))
    known = pc.is_valid(cells).to_numpy(zero_copy_only=False)
    return Column(cells, np.full(len(cells), np.nan), known)


def _read_text(cells: pa.Array) -> Column:
    cells = pc.utf8_trim(cells.cast(pa.string()), characters=SPACES)
    gone = pc.is_in(pc.utf8_lower(cells), value_set=pa.array(WORDS))
    cells = pc.if_else(gone, None, cells)
    fits = pc.fill_null(pc.match_substring_regex(cells, f"^({NUMBER})$"), True)
    values = pc.if_else(fits, cells, None).cast(pa.float64())
    return Column(cells, _numpy(values), ~fits.to_numpy(zero_copy_only=False))


def _numpy(values: pa.Array) -> np.ndarray:
    return np.array(pc.fill_null(values, np.nan).to_numpy(zero_copy_only=False))


def mend(name: str, values: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Numbers, NaN for infinite, fill and sentinel values; and what was mended."""
    notes = []
    large = np.abs(values) > LARGEST
    if large.any():
        few = f"{large.sum()} infinite value(s), or beyond {LARGEST:g},"
        notes.append(f"column '{name}': {few} taken as missing")
    values = np.where(large, np.nan, values)
    for sentinel in SENTINELS:
        found = values == sentinel
        # only where it stands far below all else, and so can be no value of this column
        if found.any() and not (values[~found] <= sentinel / 10).any():
            notes.append(f"column '{name}': {sentinel:.0f} taken as missing, {found.sum()} time(s)")
            values = np.where(found, np.nan, values)
    return values, notes
