"""Files of series that are refused: one line with the file, the row and the remedy."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.forecast.series_files import TIMES, column_b, long, read, stamps, wide
from zoo.families.forecast.files import read_file
from zoo.families.forecast.series import Series
from zoo.sources import DataError

FAULTS: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "it is empty"),
    "header alone": ("date,a\n", "has no rows: expected a row for every time"),
    "two times": (wide(TIMES[:2]), "has 2 different time(s): expected three or more"),
    "cell": (column_b(1, 2, "oops"), "row 3, column 'b' is 'oops': expected a number"),
    "short row": (wide() + "2024-01-02 00:00:00,1\n", "row 11 has 2 cell(s): expected 3"),
    "long row": (wide() + "2024-01-02 00:00:00,1,2,3\n", "row 11 has 4 cell(s): expected 3"),
    "cut": (wide()[:-12], "row 10 has 1 cell(s)"),
    "open quote": (wide() + '2024-01-02 00:00:00,"1,2\n', "row 11 has 2 cell(s)"),
    "no header": (wide().split("\n", 1)[1], "expected a header with the columns' names"),
    "semicolons": (wide().replace(",", ";"), "has semicolons between its cells: expected commas"),
    "tabs": (wide().replace(",", "\t"), "has tabs between its cells"),
    "text alone": (wide(header="date,a", cells=lambda i: "x"), "no column of numbers: expected"),
    "times alone": ("date\n" + "\n".join(TIMES), "no column of numbers: expected"),
    "missing alone": (wide(cells=lambda i: ","), "columns 'a', 'b' without any value"),
    "twice": (wide(header="date,a,a"), "has two columns 'a'; rename one"),
    "nameless": (wide(header="date,a,"), "has a column '' without a name"),
    "no time": (wide([*TIMES[:5], "", *TIMES[6:]]), "row 6, column 'date' is '': expected a time"),
    "other form": (wide([*TIMES[:5], "5 Jan 2024"]), "row 6, column 'date' is '5 Jan 2024'"),
    "no such hour": (wide([*TIMES[:5], "2024-01-01 24:00:00"]), "row 6, column 'date'"),
    "mixed zones": (
        wide([f"{TIMES[0]}+01:00", *TIMES[1:]]),
        "row 2, column 'date' is '2024-01-01 01:00:00': expected an offset from UTC",
    ),
    "mixed zones, none first": (wide([*TIMES[:3], f"{TIMES[3]}Z"]), "expected no offset from UTC"),
    "unnamed series": (
        long(TIMES, [1, 2, 3], "date,shop,sales"),
        "30 different rows at 10 times: expected one per time, or a column called id",
    ),
    "day and hour": (wide(["2024-01-01"] * 5 + ["2024-01-02"] * 5), "10 different rows at 2 times"),
    "decimal commas": (wide(header="date,a", cells=lambda i: f'"{i},5"'), "'a' (such as '0,5')"),
    "uneven": (
        wide([*stamps(20, step_s=1), "2025-01-01 00:00:00"]),
        "too uneven for a grid: 21 times, most about 1 s apart",
    ),
    "values of long": (
        "time,id,a,b\n" + "".join(f"{time},{name},1,2\n" for time in TIMES for name in "xy"),
        "several columns of values (columns 'a', 'b'): choose one with --columns",
    ),
    "no id": (long(TIMES, ["x", ""]), "row 2, column 'id' is '': expected the name of a series"),
    "binary": (bytes(range(256)), "cannot be read (it is binary)"),
    "utf-16": (wide().encode("utf-16"), "cannot be read (it is binary)"),
}


def refused(read_it: Callable[[], Series]) -> str:
    with pytest.raises(DataError) as caught:
        read_it()
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(("text", "message"), FAULTS.values(), ids=FAULTS)
def test_what_cannot_be_mended_is_refused(tmp_path: Path, text: str | bytes, message: str) -> None:
    assert message in (told := refused(lambda: read(tmp_path, text))), told
    assert "my.csv" in told


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("none.csv", None, "no file"),
        ("my.txt", b"a", "is of an unknown kind: expected a name ending in .csv"),
        ("my.csv.gz", b"hello", "cannot be read (Not a gzipped file"),
        ("my.csv.gz", gzip.compress(wide().encode())[:40], "end-of-stream marker"),
        ("my.parquet", b"hello", "cannot be read"),
    ],
)
def test_broken_files(tmp_path: Path, file: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / file).write_bytes(content)
    assert message in refused(lambda: read_file(tmp_path / file))


@pytest.mark.parametrize(
    ("time", "columns", "message"),
    [
        ("dat", [], "has no column 'dat': did you mean date"),
        ("", ["c"], "has no column 'c'"),
        ("", ["date"], "'date' is the column of times"),
        ("", ["town"], "row 1, column 'town' is 'x': expected a number"),
        ("", ["none"], "column 'none' without any value"),
        ("town", [], "row 1, column 'town' is 'x': expected a time"),
    ],
)
def test_wrong_choices(tmp_path: Path, time: str, columns: list[str], message: str) -> None:
    text = wide(header="date,a,town,none", cells=lambda i: f"{i},x,")
    assert message in refused(lambda: read(tmp_path, text, time, columns))
