"""The user's own file as a table of columns: CSV, gzipped CSV or Parquet.

CSV has a header and commas, and its cells are read as text; Parquet keeps its types. Rows are
counted from 1, and neither the header nor empty lines are counted.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from zoo.families.forecast.cells import is_number, read_column
from zoo.sources import DataError

CSV, PARQUET = (".csv", ".csv.gz"), (".parquet", ".pq")
UNNAMED = "index"  # the name of a first column without one, such as pandas and R write
BLOCK_BYTES = 2**31 - 1  # pyarrow's most; no row may lie in more than two blocks
COUNTED = "(rows count from 1, without the header)"


def read_table(path: Path) -> tuple[pa.Table, list[str]]:
    """All columns of a file, each with a name of its own, and what was mended.

    Raises:
        DataError: no such file, of another kind, empty, or broken.
    """
    if not path.is_file():
        raise DataError(f"no file {path}: expected series in CSV or Parquet; check the path")
    name = path.name.lower()
    if name.endswith(PARQUET):
        table = _read_parquet(path)
        notes: list[str] = []
    elif name.endswith(CSV):
        table, notes = _read_csv(path)
    else:
        raise DataError(
            f"{path} is of an unknown kind: expected a name ending in {', '.join(CSV + PARQUET)}"
        )
    if not table.num_rows:
        raise DataError(f"{path} has no rows: expected a row for every time; write the file again")
    return table, notes


def _read_parquet(path: Path) -> pa.Table:
    try:
        table = pq.read_table(path, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise _broken(path, str(error)) from None
    _check_names(path, table.column_names)
    return table


def _read_csv(path: Path) -> tuple[pa.Table, list[str]]:
    data = _unpacked(path)
    notes = []
    try:
        data.decode()
        encoding = "utf-8"
    except UnicodeDecodeError:
        encoding = "latin-1"
        notes.append("the file is not UTF-8: read as Latin-1")
    text = io.TextIOWrapper(io.BytesIO(data), "utf-8-sig" if encoding == "utf-8" else encoding)
    names = next(csv.reader(text), [])
    if not names or b"\0" in data:
        raise _broken(path, "it is binary" if names else "it is empty")
    _check_header(path, [names[0] or UNNAMED, *names[1:]])
    if names[0]:
        return _parse(path, data, names, encoding), notes
    table = _parse(path, data, [UNNAMED, *names[1:]], encoding)
    if read_column(table[UNNAMED]).odd.any():
        return table, notes
    note = "the first column has no name: taken for row numbers and left out"
    return table.drop_columns([UNNAMED]), [*notes, note]


def _unpacked(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if path.name.lower().endswith(".gz") else data
    except (OSError, EOFError, zlib.error) as error:
        raise _broken(path, str(error)) from None


def _check_header(path: Path, names: Sequence[str]) -> None:
    """Refuse a first row that is no header of a CSV."""
    _check_names(path, names)
    if len(names) == 1:
        for mark, word in ((";", "semicolons"), ("\t", "tabs")):
            if mark in names[0]:
                raise DataError(
                    f"{path} has {word} between its cells: expected commas, and points in "
                    "numbers; write it again as such a CSV"
                )
    if all(is_number(name) or name[:4].isdigit() for name in names):
        raise DataError(
            f"{path} begins with the row {', '.join(names)[:40]!r}: expected a header with the "
            "columns' names; put one first"
        )


def _check_names(path: Path, names: Sequence[str]) -> None:
    for name in names:
        if not name.strip():
            raise DataError(f"{path} has a column {name!r} without a name; name it")
        if names.count(name) > 1:
            raise DataError(f"{path} has two columns '{name}'; rename one of them")


def _parse(path: Path, data: bytes, names: list[str], encoding: str) -> pa.Table:
    """The rows behind the header, all cells as text."""
    broken: list[pyarrow.csv.InvalidRow] = []

    def refuse(row: pyarrow.csv.InvalidRow) -> str:
        broken.append(row)
        return "error"

    reading = pyarrow.csv.ReadOptions(
        use_threads=False,
        block_size=min(len(data) + 2, BLOCK_BYTES),
        column_names=names,
        skip_rows_after_names=1,  # the header
        encoding=encoding,
    )
    try:
        return pyarrow.csv.read_csv(
            pa.BufferReader(data + b"\n"),
            reading,
            pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=refuse),
            pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowException as error:
        if not broken:
            raise _broken(path, str(error)) from None
        row = broken[0]
        raise DataError(
            f"{path} row {row.number - 1} has {row.actual_columns} cell(s): expected "
            f"{row.expected_columns}, as in the header; mend or remove the row {COUNTED}"
        ) from None


def _broken(path: Path, why: str) -> DataError:
    why = why.split("\n")[0].rstrip(". ")
    return DataError(f"{path} cannot be read ({why}): expected CSV or Parquet; mend the file")


def cell_error(path: Path, column: str, row: int, found: object, expected: str) -> DataError:
    """What is wrong with a cell; ``row`` counts from 0."""
    text = repr(found)
    text = text if len(text) < 50 else f"{text[:46]}…{text[-1]}"
    return DataError(
        f"{path} row {row + 1}, column '{column}' is {text}: expected {expected}; mend or remove "
        f"the row {COUNTED}"
    )
