"""Files of the user's own: what is read, and what is mended."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.forecast.series_files import DAY, HOUR, TIMES, column_b, long, read, stamps, wide
from zoo.families.forecast.files import read_file
from zoo.families.forecast.grid import duration


def test_a_plain_file_is_read_as_it_stands(tmp_path: Path) -> None:
    series = read(tmp_path, wide())
    assert (series.name, series.channels, series.repairs) == ("my.csv", ("a", "b"), ())
    assert (series.step_s, series.period, series.start) == (HOUR, 24, "2024-01-01T00:00:00")
    assert series.values.dtype == np.float32
    np.testing.assert_array_equal(series.values[:4], [[0, 0.5], [1, 1.5], [2, 2.5], [3, 0.5]])


@pytest.mark.parametrize("kind", ["csv.gz", "parquet", "pq", "CSV"])
def test_every_kind_of_file_is_the_same(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"my.{kind}"
    if kind in ("parquet", "pq"):
        frame = pd.read_csv(pd.io.common.StringIO(wide()), parse_dates=["date"])
        frame.to_parquet(path)
    else:
        path.write_bytes(gzip.compress(wide().encode()) if kind == "csv.gz" else wide().encode())
    series, expected = read_file(path), read(tmp_path, wide())
    np.testing.assert_array_equal(series.values, expected.values)
    assert (series.step_s, series.start, series.repairs) == (HOUR, expected.start, ())


def test_an_index_of_times_in_parquet_is_found(tmp_path: Path) -> None:
    times = pd.date_range("2024-01-01", periods=5, freq="15min", tz="UTC")
    pd.DataFrame({"a": range(5)}, index=times).to_parquet(tmp_path / "my.parquet")
    series = read_file(tmp_path / "my.parquet")
    assert (series.step_s, series.start) == (900, "2024-01-01T00:00:00+00:00")


WRITTEN = {
    "windows": wide().replace("\n", "\r\n"),
    "byte order mark": "\ufeff" + wide(),
    "empty lines": wide().replace("\n", "\n\n"),
    "slashes, month first": wide(stamps(40, DAY, "%m/%d/%Y")),
    "slashes, day first": wide(stamps(40, DAY, "%d/%m/%Y")),
    "points": wide(stamps(40, HOUR, "%d.%m.%Y %H:%M")),
    "seconds since 1970": wide([str(1_704_067_200 + HOUR * i) for i in range(10)]),
    "milliseconds": wide([str(1_704_067_200_000 + 1000 * HOUR * i) for i in range(10)]),
    "days as numbers": wide(stamps(40, DAY, "%Y%m%d")),
    "zone": wide(stamps(form="%Y-%m-%dT%H:%M:%SZ")),
    "unnamed": wide(header=",a,b"),
}


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_times_are_understood(tmp_path: Path, text: str) -> None:
    series = read(tmp_path, text)
    assert series.start.removesuffix("+00:00") == "2024-01-01T00:00:00"
    assert series.step_s in (HOUR, DAY)
    assert series.channels == ("a", "b")
    assert not np.isnan(series.values).any()
    assert series.repairs == ()


def test_dates_that_can_be_read_in_two_ways_are_told(tmp_path: Path) -> None:
    series = read(tmp_path, wide(stamps(30, HOUR, "%d/%m/%Y %H:%M")))
    assert (series.step_s, len(series.values)) == (HOUR, 30)
    assert "could be read in two ways, and were as day/month/year" in series.repairs[0]


@pytest.mark.parametrize(
    ("freq", "months", "period"), [("MS", 1, 12), ("ME", 1, 12), ("QS", 3, 1), ("YS", 12, 1)]
)
def test_months_are_even_steps(tmp_path: Path, freq: str, months: int, period: int) -> None:
    times = [str(time.date()) for time in pd.date_range("2001-01-01", periods=120, freq=freq)]
    series = read(tmp_path, wide([*times[:60], *times[61:]]))
    assert len(series.values) == 120
    assert np.isnan(series.values).any(axis=1).nonzero()[0].tolist() == [60]
    assert series.period == period
    assert series.step_s == pytest.approx(months * 30.4375 * DAY)


REPAIRS = {
    "gap": (wide(TIMES[:4] + TIMES[6:]), "2 step(s) of 1 h without a row: filled", 10, 4),
    "repeated": (wide(TIMES[:4] + TIMES[3:]), "1 repeated time stamp(s): their mean", 10, 0),
    "order": (wide(TIMES[::-1]), "not in the order of time: sorted", 10, 0),
    "off the grid": (wide([*TIMES[:5], "2024-01-01 05:09:00"]), "1 time(s) between steps", 6, 0),
    "text": (wide(cells=lambda i: f"{i},x{i}"), "no numbers in column 'b' (such as 'x0')", 10, 0),
    "infinite": (column_b("inf", "-Infinity", "1e300"), "3 infinite value(s)", 10, 3),
    "fill values": (column_b("9.96921e+36", "1e20"), "2 infinite value(s), or beyond 1e+17", 10, 2),
    "Excel's word": (column_b("#N/A", "<NA>"), "", 10, 2),
    "gap in an order": (wide([*"012389"]), "4 step(s) of 1 without a row", 10, 8),
    "row twice": (wide() + wide().split("\n", 1)[1], "10 repeated time stamp(s)", 10, 0),
    "sentinel": (column_b("-9999", "-9999.0", "-3"), "-9999 taken as missing, 2 time(s)", 10, 2),
    "empty column": (column_b(*[""] * 10), "no value in column 'b': left out", 10, 0),
    "constant": (column_b(*[5] * 10), "throughout in column 'b': kept", 10, 0),
    "no time": ("a,b\n" + "1,2\n3,4\n5,7\n", "no column of times: rows taken as evenly", 3, 0),
    "numbers": (wide([*"0123456789"]), "'date' has numbers instead of times", 10, 0),
    "offsets": (
        wide([f"{time}+0{1 + i // 6}:00" for i, time in enumerate(TIMES)]),
        "several offsets from UTC put on UTC",
        9,
        0,
    ),
    "latin-1": (wide(header="date,µ,b").encode("latin-1"), "read as Latin-1", 10, 0),
    "row numbers": (
        ",date,a,b\n" + "".join(f"{i},{time},{i},1{i}\n" for i, time in enumerate(TIMES)),
        "the first column has no name: taken for row numbers",
        10,
        0,
    ),
    "clock": (
        wide([time.replace(" ", ",") for time in TIMES], "Date,Time,a,b"),
        "columns 'Date' and 'Time' joined",
        10,
        0,
    ),
}


@pytest.mark.parametrize(("text", "repair", "rows", "missing"), REPAIRS.values(), ids=REPAIRS)
def test_what_is_mended_is_told(
    tmp_path: Path, text: str | bytes, repair: str, rows: int, missing: int
) -> None:
    series = read(tmp_path, text)
    assert not repair or any(repair in told for told in series.repairs), series.repairs
    assert (len(series.values), int(np.isnan(series.values).sum())) == (rows, missing)


def test_repairs_leave_the_right_values(tmp_path: Path) -> None:
    reverse = read(tmp_path, wide(TIMES[::-1], cells=lambda i: f"{9 - i},{i}"))
    np.testing.assert_array_equal(reverse.values[:, 0], np.arange(10))
    mean = read(tmp_path, wide([*TIMES[:3], TIMES[2], *TIMES[3:]]))
    np.testing.assert_array_equal(mean.values[:4, 0], [0, 1, 2.5, 4])
    gap = read(tmp_path, wide([*TIMES[:2], *TIMES[4:]]))
    np.testing.assert_array_equal(gap.values[:5, 0], [0, 1, np.nan, np.nan, 2])


def test_a_sentinel_among_such_values_stays(tmp_path: Path) -> None:
    series = read(tmp_path, column_b(-9999, -5000))
    assert (series.values[0, 1], series.repairs) == (-9999, ())


def test_words_for_missing_values(tmp_path: Path) -> None:
    series = read(tmp_path, column_b("NA", "null", "", "-", " 3 ", "nan", "N/A", "None", 1, 2))
    assert np.isnan(series.values[:, 1]).nonzero()[0].tolist() == [0, 1, 2, 3, 5, 6, 7]
    assert series.values[4, 1] == 3


@pytest.mark.parametrize(
    ("header", "ids"),
    [("time,id,value", ("b", "a")), ("ds,unique_id,y", (7, 3)), ("when,city,°C", ("NA", "x"))],
)
def test_long_files_have_a_channel_per_id(
    tmp_path: Path, header: str, ids: Sequence[object]
) -> None:
    series = read(tmp_path, long(TIMES, ids, header))
    assert series.channels == tuple(map(str, ids))
    np.testing.assert_array_equal(series.values[:, 0], np.arange(10))
    np.testing.assert_array_equal(series.values[:, 1], np.arange(10, 20))
    (repair,) = series.repairs
    assert "2 series below each other" in repair


def test_long_series_of_other_times(tmp_path: Path) -> None:
    rows = "".join(f"{time},s{i // 5},{i}\n" for i, time in enumerate(TIMES))
    series = read(tmp_path, "ds,unique_id,y\n" + rows)
    assert np.isnan(series.values).sum() == 10
    np.testing.assert_array_equal(series.values[5:, 1], np.arange(5, 10))


def test_the_finest_of_several_times_is_taken(tmp_path: Path) -> None:
    text = wide([f"{time[:10]},{time}" for time in stamps(50)], "date,time,a,b")
    assert read(tmp_path, text).step_s == HOUR
    assert read(tmp_path, text, time="time").step_s == HOUR
    days = read(tmp_path, text, time="date")
    assert (days.step_s, len(days.values)) == (DAY, 3)


def test_chosen_columns_and_time(tmp_path: Path) -> None:
    assert read(tmp_path, wide(), columns=["b"]).channels == ("b",)
    two = wide([f"{a},{b}" for a, b in zip(stamps(), stamps(step_s=DAY), strict=True)], "x,y,a,b")
    assert read(tmp_path, two).step_s == HOUR
    assert read(tmp_path, two, time="y").step_s == DAY
    both = "when,city,temp,rain\n" + "".join(f"{t},{c},1,{c}\n" for t in TIMES for c in (1, 2))
    assert read(tmp_path, both.replace("city", "id"), columns=["rain"]).channels == ("1", "2")


def test_the_mean_of_each_time_is_taken_where_it_is_named(tmp_path: Path) -> None:
    series = read(tmp_path, long(TIMES, [1, 3], "date,shop,sales"), time="date")
    np.testing.assert_array_equal(series.values[:2], [[2, 5], [2, 6]])


def test_seconds_since_1970_in_a_column_called_ts(tmp_path: Path) -> None:
    series = read(tmp_path, wide([str(1_704_067_200 + HOUR * i) for i in range(10)], "ts,a,b"))
    assert (series.channels, series.step_s) == (("a", "b"), HOUR)


@pytest.mark.parametrize(
    ("days", "text"),
    [(1 / 96, "15 min"), (30.4375, "1 month"), (91.3125, "3 months"), (365.25, "1 year")],
)
def test_steps_in_words(days: float, text: str) -> None:
    assert duration(days * DAY) == text
