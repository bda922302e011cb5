"""Logs that are refused: one line with the file, the row, the column and the remedy."""

from __future__ import annotations

import datetime
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from zoo.families.ctr import log as log_module
from zoo.families.ctr.encode import encode
from zoo.families.ctr.schema import parse
from zoo.families.ctr.survey import Source
from zoo.sources import DataError

FIELDS: dict[str, Any] = {"user": {}, "price": {"kind": "numeric"}}
ROWS = [[k % 2, f"u{k % 7}", k / 4, k] for k in range(60)]
HEADER = ["click", "user", "price", "when"]


def write(path: Path, rows: list[list[Any]], header: list[str] = HEADER) -> Path:
    lines = [",".join(str(cell) for cell in row) for row in [header, *rows]]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def refusal(*paths: Path, fields: dict[str, Any] = FIELDS, **split: Any) -> str:
    """What is said about a log."""
    schema = parse({"label": "click", "fields": fields, "split": split}, "s")
    target = paths[0].parent / "encoded"
    with pytest.raises(DataError) as refused:
        encode(Source(paths, schema), target)
    assert not target.exists()
    message = str(refused.value)
    assert "\n" not in message
    return message


def changed(row: int, column: int, value: Any) -> list[list[Any]]:
    """The good rows with one other cell; rows from 1."""
    rows = [list(cells) for cells in ROWS]
    rows[row - 1][column] = value
    return rows


def test_the_good_rows_are_good(tmp_path: Path) -> None:
    schema = parse({"label": "click", "fields": FIELDS}, "s")
    encode(Source((write(tmp_path / "log.csv", ROWS),), schema), tmp_path / "encoded")


CELLS: list[tuple[int, Any, str]] = [
    (0, "yes", "column 'click' is 'yes': expected 0 or 1"),
    (0, "", "column 'click' is '': expected 0 or 1"),
    (0, 2, "column 'click' is '2': expected 0 or 1"),
    (2, "cheap", "column 'price' is 'cheap': expected a number"),
    (2, "inf", "column 'price' is inf: expected a finite number"),
    (2, "1e39", "column 'price' is 1e+39: expected a finite number"),
]


@pytest.mark.parametrize(("column", "value", "words"), CELLS, ids=[w for *_, w in CELLS])
def test_a_wrong_cell_is_named(
    column: int, value: Any, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "BLOCK_BYTES", 200)  # the 57th row is not in the first block
    path = write(tmp_path / "log.csv", changed(57, column, value))
    message = refusal(path)
    assert message.startswith(f"{path} row 57, {words}")
    assert "mend or remove the row (rows count from 1, without the header)" in message


@pytest.mark.parametrize(
    "cells", [["1", "u1", "2"], ["1", "u1", "2", "3", "4"]], ids=["few", "many"]
)
def test_a_broken_row_is_named(
    cells: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "BLOCK_BYTES", 200)
    rows = [*ROWS[:40], cells, *ROWS[40:]]
    path = write(tmp_path / "log.csv", rows)
    assert f"{path} row 41 has {len(cells)} cells: expected 4" in refusal(path)


def parquet(path: Path, **columns: Any) -> Path:
    good: dict[str, Any] = dict(zip(HEADER, map(list, zip(*ROWS, strict=True)), strict=True))
    pq.write_table(pa.table({**good, **columns}), path)
    return path


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"click": [k % 3 for k in range(60)]}, "row 3, column 'click' is 2: expected 0 or 1"),
        ({"click": [0.5] * 60}, "row 1, column 'click' is 0.5: expected 0 or 1"),
        ({"price": [datetime.date(2024, 1, 1)] * 60}, "'price' is of type date32[day]: expected"),
        ({"price": [[1.0]] * 60}, "column 'price' is of type list<element: double>: expected numb"),
        ({"user": [["a"]] * 60}, "one value per row; of a list the kind is multi; convert it, or"),
        ({"click": [[1]] * 60}, "column 'click' is of type list<element: int64>: expected one"),
        ({"price": ["1"] * 9 + ["x"] * 51}, "row 10, column 'price' is 'x': expected a number"),
    ],
    ids=["label", "float label", "dates", "numeric lists", "lists", "label lists", "text"],
)
def test_a_wrong_column_of_parquet_is_named(
    columns: dict[str, Any], words: str, tmp_path: Path
) -> None:
    message = refusal(parquet(tmp_path / "log.parquet", **columns))
    assert message.startswith(str(tmp_path / "log.parquet"))
    assert words in message


def test_lists_have_no_separator(tmp_path: Path) -> None:
    path = parquet(tmp_path / "log.parquet", user=[["a", "b"]] * 60)
    fields = {"user": {"kind": "multi", "separator": ";"}}
    assert "expected text where a separator is given" in refusal(path, fields=fields)


def test_bytes_are_text_where_they_are_utf8(tmp_path: Path) -> None:
    path = parquet(tmp_path / "log.parquet", price=[b"12"] * 60)
    schema = parse({"label": "click", "fields": FIELDS}, "s")
    encode(Source((path,), schema), tmp_path / "good")
    path = parquet(tmp_path / "log.parquet", price=[b"12"] * 59 + [b"\xff"])
    assert "column 'price' is of type binary: expected UTF-8 text" in refusal(path)


def test_a_struct_is_no_list(tmp_path: Path) -> None:
    path = parquet(tmp_path / "log.parquet", user=[{"id": 1}] * 60)
    assert "expected a list" in refusal(path, fields={"user": {"kind": "multi"}})


def test_missing_columns_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", ROWS, ["clicked", "user", "price", "when"])
    assert f"{path} has no column 'click', which the schema names: did you mean clicked" in (
        refusal(path)
    )
    path = write(tmp_path / "log.csv", ROWS, ["click", "users", "price", "when"])
    assert "has no column 'user', which the schema names: did you mean users" in refusal(path)
    path = write(tmp_path / "log.csv", ROWS)
    assert "has no column 'day'" in refusal(path, by="time", column="day")


def test_a_column_that_the_test_file_lacks_is_named(tmp_path: Path) -> None:
    train, val = write(tmp_path / "log.csv", ROWS), write(tmp_path / "v.csv", ROWS)
    test = write(tmp_path / "t.csv", [row[:2] + row[3:] for row in ROWS], ["click", "user", "when"])
    message = refusal(train, val, test, by="files", val="v.csv", test="t.csv")
    assert message.startswith(f"{test} has no column 'price'")


def test_a_column_without_a_value_is_named(tmp_path: Path) -> None:
    rows = [[click, user, "", when] for click, user, _, when in ROWS]
    path = write(tmp_path / "log.csv", rows)
    assert "column 'price' is empty in all 48 rows of the train part" in (
        refusal(path, by="time", column="when")
    )
    half = [[c, u, p if k < 54 else "NaN", w] for k, (c, u, p, w) in enumerate(ROWS)]
    path = write(tmp_path / "log.csv", half)
    assert "column 'price' is empty in all 6 rows of the test part" in (
        refusal(path, by="time", column="when")
    )


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            [[int(row[3] >= 48), *row[1:]] for row in ROWS],
            "the train part has 48 rows and no click",
        ),
        ([[int(row[3] < 48), *row[1:]] for row in ROWS], "train part has 48 rows and no non-click"),
        ([[int(row[3] == 1), *row[1:]] for row in ROWS], "the val part has 6 rows and no click"),
        (ROWS[:2], "the val part has 0 rows and no row"),
    ],
    ids=["train clicks", "train others", "val clicks", "val empty"],
)
def test_parts_that_teach_or_tell_nothing_are_refused(
    rows: list[list[Any]], words: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "log.csv", rows)
    assert words in refusal(path, by="time", column="when")


@pytest.mark.parametrize("value", ["", "soon", "2024-01-01"])
def test_a_wrong_time_is_named(value: str, tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", changed(31, 3, value))
    message = refusal(path, by="time", column="when")
    assert message.startswith(f"{path} row 31, column 'when' is '{value}': expected a number")


@pytest.mark.parametrize("value", ["", "31/05/2024", "2024-01-01T10:00:00Z", "7"])
def test_a_wrong_date_is_named(value: str, tmp_path: Path) -> None:
    rows = [[*row[:3], f"2024-01-01 00:00:{row[3]:02d}"] for row in ROWS]
    rows[30][3] = value
    message = refusal(write(tmp_path / "log.csv", rows), by="time", column="when")
    assert f"row 31, column 'when' is '{value}': expected a number or a time" in message


def test_a_wrong_part_is_named(tmp_path: Path) -> None:
    rows = [[*row[:3], ("train", "val", "test")[k % 3]] for k, row in enumerate(ROWS)]
    rows[12][3] = "holdout"
    path = write(tmp_path / "log.csv", rows)
    assert f"{path} row 13, column 'when' is 'holdout': expected train, val or test" in (
        refusal(path, by="column", column="when")
    )


def cut(data: bytes) -> bytes:
    return gzip.compress(data * 50)[:-30]


FILES: list[tuple[str, bytes | None, str]] = [
    ("log.csv", b"", "cannot be read (Empty CSV file)"),
    ("log.csv", b"click,user,price\n", "has no rows: expected clicks"),
    ("log.csv", b"click,user,user\n1,2,3\n", "has two columns 'user'; rename one"),
    ("log.csv", b"click,user,\n1,2,3\n", "has a column '' without a name of its own"),
    ("log.csv", b"click,user,price\n1,\xe9,3\n", "row 1, column 2 is not UTF-8"),
    ("log.csv.gz", b"not gzip", "cannot be read ("),
    ("log.csv.gz", cut(b"click,user,price\n1,2,3\n"), "cannot be read (Truncated compressed"),
    ("log.parquet", b"click,user\n", "cannot be read ("),
    ("log.xlsx", b"PK", "is of an unknown kind: expected a name ending in .csv, .csv.gz"),
    ("log.csv", None, "no file"),
]


@pytest.mark.parametrize(("name", "data", "words"), FILES)
def test_files_that_are_no_logs_are_refused(
    name: str, data: bytes | None, words: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    message = refusal(path)
    assert str(path) in message
    assert words in message


def test_a_folder_is_no_log(tmp_path: Path) -> None:
    (tmp_path / "log.csv").mkdir()
    assert "no file" in refusal(tmp_path / "log.csv")


def test_an_empty_parquet_log_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    empty: dict[str, np.ndarray] = {name: np.zeros(0) for name in HEADER}
    pq.write_table(pa.table(empty), path)
    assert "has no rows" in refusal(path)
