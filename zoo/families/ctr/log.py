"""Click logs on disk, read in batches of rows: CSV, gzipped CSV and Parquet.

CSV is UTF-8 with a header and commas; its cells are read as text and no cell is taken for missing
but an empty one. Parquet keeps its types. Rows are counted from 1 and the header is not counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from zoo.contract import near
from zoo.sources import DataError

BATCH_ROWS = 1 << 18  # of Parquet; a column's strings of one batch take some megabytes
BLOCK_BYTES = 1 << 24  # of CSV
BUFFER_BYTES = 1 << 20  # per column, so that a large row group is not read at once
CSV, PARQUET = (".csv", ".csv.gz"), (".parquet", ".pq")


@dataclass(frozen=True)
class Place:
    """Where cells stand, for messages.

    Attributes:
        path: of the log.
        column: its name.
        start: rows before the first of the cells.
    """

    path: Path
    column: str
    start: int = 0

    def error(self, row: int, found: object, expected: str) -> DataError:
        """What is wrong with the cell ``row`` rows after the first."""
        text = repr(found)
        return DataError(
            f"{self.path} row {self.start + row + 1}, column '{self.column}' is "
            f"{text if len(text) < 50 else text[:46] + '…' + text[-1]}: expected {expected}; "
            "mend or remove the row (rows count from 1, without the header)"
        )

    def unfit(self, kind: object, expected: str) -> DataError:
        """What is wrong with the type of the column."""
        return DataError(
            f"{self.path}: column '{self.column}' is of type {kind}: expected {expected}; convert "
            "it, or change its kind in the schema"
        )


@dataclass(frozen=True)
class Log:
    """A log that can be read.

    Attributes:
        path: the file.
        columns: their names, in order.
        rows: how many; None where only reading tells.
    """

    path: Path
    columns: tuple[str, ...]
    rows: int | None = None

    def batches(self, columns: Sequence[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Batches of rows, each with the number of rows before it.

        Raises:
            DataError: a column that the log lacks, a broken row or file.
        """
        for name in columns:
            if name not in self.columns:
                raise DataError(
                    f"{self.path} has no column '{name}', which the schema names: "
                    f"{near(name, self.columns)} Mend the log or the schema"
                )
        start = 0
        read = _parquet if _ends(self.path, PARQUET) else _csv
        for batch in read(self.path, list(columns)):
            if batch.num_rows:
                yield start, batch
            start += batch.num_rows
        if not start:
            raise DataError(f"{self.path} has no rows: expected clicks; write the log again")


def open_log(path: Path) -> Log:
    """Look at a log's columns.

    Raises:
        DataError: no such file, of another kind, empty, or broken.
    """
    if not path.is_file():
        raise DataError(f"no file {path}: expected a click log; check the path")
    if _ends(path, PARQUET):
        log = _open_parquet(path)
    elif _ends(path, CSV):
        log = Log(path, tuple(_open_csv(path, None, []).schema.names))
    else:
        raise DataError(
            f"{path} is of an unknown kind: expected a name ending in {', '.join(CSV + PARQUET)}"
        )
    for name in log.columns:
        if not name or log.columns.count(name) > 1:
            raise DataError(
                f"{path} has a column {name!r} without a name of its own; rename it"
                if not name
                else f"{path} has two columns '{name}'; rename one of them"
            )
    return log


def _ends(path: Path, suffixes: tuple[str, ...]) -> bool:
    return path.name.lower().endswith(suffixes)


def _open_csv(
    path: Path, columns: list[str] | None, broken: list[pyarrow.csv.InvalidRow]
) -> pyarrow.csv.CSVStreamingReader:
    """A reader of text columns; ``broken`` receives the row whose number of cells is wrong."""

    def refuse(row: pyarrow.csv.InvalidRow) -> str:
        broken.append(row)
        return "error"

    names = columns or []
    try:
        return pyarrow.csv.open_csv(
            pa.input_stream(path, compression="gzip" if _ends(path, (".gz",)) else None),
            pyarrow.csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
            pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=refuse),
            pyarrow.csv.ConvertOptions(
                include_columns=columns,
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=False,
            ),
        )
    except (pa.ArrowException, OSError) as error:
        raise _broken(path, error, broken) from None


def _csv(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    broken: list[pyarrow.csv.InvalidRow] = []
    try:
        with _open_csv(path, columns, broken) as reader:
            yield from reader
    except (pa.ArrowException, OSError) as error:
        raise _broken(path, error, broken) from None


def _open_parquet(path: Path) -> Log:
    try:
        with pq.ParquetFile(path) as file:
            return Log(path, tuple(file.schema_arrow.names), file.metadata.num_rows)
    except (pa.ArrowException, OSError) as error:
        raise _broken(path, error, []) from None


def _parquet(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Batches; text stays in the dictionary form that Parquet stores it in."""
    try:
        with pq.ParquetFile(path) as file:
            text = [f.name for f in file.schema_arrow if f.type in (pa.string(), pa.binary())]
        options = {"buffer_size": BUFFER_BYTES, "pre_buffer": False}
        with pq.ParquetFile(path, read_dictionary=text, **options) as file:
            yield from file.iter_batches(BATCH_ROWS, columns=columns, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise _broken(path, error, []) from None


def _broken(path: Path, error: Exception, broken: Sequence[pyarrow.csv.InvalidRow]) -> DataError:
    """What pyarrow could not read, in one line."""
    if broken:
        row = broken[0]
        return DataError(
            f"{path} row {row.number - 1} has {row.actual_columns} cells: expected "
            f"{row.expected_columns}, as in the header; mend or remove the row (rows count from "
            "1, without the header)"
        )
    why = str(error).split("\n")[0].removeprefix("CSV parse error: ").rstrip(". ")
    if cell := re.match(r"In CSV column #(\d+): Row #(\d+): .*invalid UTF8", why):
        why = f"row {int(cell[2]) - 1}, column {int(cell[1]) + 1} is not UTF-8"
    return DataError(f"{path} cannot be read ({why}): expected UTF-8 CSV or Parquet; mend the file")
