"""Windows, splits and scales of series, and the published series as they are known."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.artifact import sha256_file
from zoo.families.forecast import data
from zoo.families.forecast.data import ForecastData
from zoo.families.forecast.files import read_file
from zoo.families.forecast.series import Series, period_of
from zoo.families.forecast.table import PARTS, at_step, coarser, cut
from zoo.families.forecast.windows import Windows
from zoo.recipes import Recipe, RecipeError
from zoo.sources import DataError


def read(dataset: str, sha256: str = "", **settings: Any) -> ForecastData:
    return data.read(Recipe("r", "m", dataset, dataset_sha256=sha256, data=settings))


def counted(rows: int = 100, channels: int = 2) -> Series:
    """Row t of channel c is 1000 c + t."""
    values = np.arange(rows)[:, None] + 1000 * np.arange(channels)
    names = tuple("abcdef"[:channels])
    return Series("counted", values.astype(np.float32), names, 3600.0, "", "free")


def test_windows_are_consecutive_and_copy_nothing() -> None:
    series = counted()
    windows = Windows(series.values, 10, 30, lookback=6, horizon=3, stride=2)
    assert len(windows) == 6
    ids = np.array([0, 5])
    assert windows.history(ids).shape == (2, 2, 6)
    assert windows.future(ids).shape == (2, 2, 3)
    np.testing.assert_array_equal(windows.history(ids)[1, 0], np.arange(20, 26))
    np.testing.assert_array_equal(windows.future(ids)[1, 1], 1000 + np.arange(26, 29))
    assert np.shares_memory(windows._histories, series.values)


def test_parts_share_no_future() -> None:
    table = cut(counted(), (0.5, 0.3, 0.2))
    assert table.borders == (50, 80, 100)
    parts = {part: table.windows(part, 10, 5) for part in PARTS}
    seen = {part: w.future(np.arange(len(w)))[:, 0] for part, w in parts.items()}
    spans = {part: (future.min(), future.max()) for part, future in seen.items()}
    assert spans == {"train": (10, 49), "val": (50, 79), "test": (80, 99)}
    assert parts["val"].history(np.array([0]))[0, 0, 0] == 40


def test_scale_is_of_the_training_rows_alone() -> None:
    series = counted(channels=3)
    series.values[:, 2] = 5
    series.values[3, 0] = np.nan
    series.values[60:] *= 100
    table = cut(series, ())
    known = np.delete(np.arange(60.0), 3)
    assert table.center[0] == pytest.approx(known.mean())
    assert table.scale[0] == pytest.approx(known.std())
    assert (table.center[2], table.scale[2]) == (5, 1)


def test_published_borders_hold_unless_a_split_is_given() -> None:
    series = replace(counted(), borders=(40, 60, 90))
    assert cut(series, ()).borders == (40, 60, 90)
    assert cut(series, (0.6, 0.2, 0.2)).borders == (60, 80, 100)
    assert coarser(series, 10).borders == (4, 6, 9)


def test_coarser_is_the_mean_of_what_is_known() -> None:
    series = counted(11, 1)
    series.values[[3, 4, 5, 6], 0] = np.nan
    coarse = coarser(series, 3)
    np.testing.assert_array_equal(coarse.values[:, 0], [1, np.nan, 7.5])
    assert (coarse.step_s, coarser(series, 1)) == (3 * 3600, series)


def test_at_step() -> None:
    series = counted(12)
    assert at_step(series, 0) is series
    assert (at_step(series, 7200).step_s, len(at_step(series, 7200).values)) == (7200, 6)
    for wrong in (1800, 5400):
        with pytest.raises(DataError, match=f"expected a divisor of step_s = {wrong}"):
            at_step(series, wrong)


@pytest.mark.parametrize(
    ("step_s", "period"),
    [(0, 1), (60, 1440), (600, 144), (3600, 24), (50_000, 1), (86_400, 7), (2_629_800, 12)],
)
def test_period(step_s: float, period: int) -> None:
    assert period_of(step_s) == period


def test_waves() -> None:
    found = read("waves", lookback=96, horizon=24)
    assert found.sizes == {"lookback": 96, "horizon": 24, "channels": 4}
    assert found.table.borders == (1800, 2400, 3000)
    assert {part: len(w) for part, w in found.parts.items()} == {
        "train": 1681,
        "val": 577,
        "test": 577,
    }
    assert np.isnan(found.table.values).any(axis=0).all()
    assert found.digest == read("waves", lookback=336).digest
    facts = json.loads(found.attachments["series.json"])
    assert facts["series"][0]["channels"] == ["flow", "load", "heat", "tide"]
    assert (facts["lookback"], facts["series"][0]["period"]) == (96, 24)


def test_asked_windows_are_spread_over_the_test_part() -> None:
    found = read("waves", lookback=24, horizon=1, split=[0.1, 0.1, 0.8])
    n = len(found.parts["test"])
    assert found.n_rows == len(found.asked) == 1024 < n
    assert (found.asked[0], found.asked[-1]) == (0, n - 1)
    assert set(np.diff(found.asked)) == {2, 3}


def test_several_series_are_several_tables() -> None:
    found = read("waves+waves", lookback=96, horizon=24)
    assert len(found.tables) == 2
    with pytest.raises(DataError, match=r"several data sets \(waves, waves\): expected one"):
        _ = found.table


def test_own_files(tmp_path: Path) -> None:
    paths = []
    for name in "ab":
        rows = "".join(f"2024-01-{1 + t // 24:02d} {t % 24:02d}:00,{t}\n" for t in range(200))
        paths.append(tmp_path / f"{name}.csv")
        paths[-1].write_text("date,x\n" + rows)
    sums = [sha256_file(path) for path in paths]
    found = read(str(paths[0]), sums[0], lookback=24, horizon=6)
    assert (found.table.name, found.table.channels, found.licence) == (
        "a.csv",
        ("x",),
        "the user's own",
    )
    both = read(",".join(map(str, paths)), ",".join(sums), lookback=24, horizon=6)
    assert [table.name for table in both.tables] == ["a.csv", "b.csv"]
    paths[0].write_text("date,x\n")
    with pytest.raises(DataError, match="is not the file that was trained on"):
        read(str(paths[0]), sums[0], lookback=24, horizon=6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lookback": 2000}, "its train part has 1800 rows, too few for lookback 2000"),
        ({"horizon": 700}, "its val part has 600 rows, too few for lookback 336 and horizon 700"),
        ({"split": [0.9, 0.09, 0.01]}, "its test part has 30 rows"),
        ({"step_s": 2000 * 3600}, "has 1 rows, too few for a split"),
    ],
)
def test_too_few_rows(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read("waves", **settings)


@pytest.mark.parametrize(
    "settings",
    [{"split": [0.5, 0.5]}, {"split": [0.5, 0.6, 0.2]}, {"split": [1, 0, 0]}, {"step_s": -1}],
)
def test_wrong_settings(settings: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match="expected"):
        read("waves", **settings)


@pytest.mark.parametrize("settings", [{"time": "date"}, {"columns": ["wave"]}])
def test_columns_of_a_known_series_are_not_named(settings: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=f"'{next(iter(settings))}' in r.data is of the user's own"):
        read("waves", **settings)


def test_unknown_series_and_a_channel_without_training_values() -> None:
    with pytest.raises(DataError, match="unknown series 'etth2': did you mean etth1"):
        read("etth2")
    series = counted()
    series.values[:60, 1] = np.nan
    with pytest.raises(DataError, match="column 'b' has no value in the training part"):
        cut(series, ())


@pytest.mark.parametrize(("part", "rows"), [("val", slice(60, 80)), ("test", slice(80, 100))])
def test_a_part_without_values(part: str, rows: slice) -> None:
    series = counted()
    series.values[rows, 0] = np.nan
    assert len(cut(series, ()).windows(part, 5, 5))  # the other channel has some
    series.values[rows] = np.nan
    first, last = rows.start + 1, rows.stop
    with pytest.raises(
        DataError, match=f"known in its {part} part, rows {first} to {last}: expected"
    ):
        cut(series, ()).windows(part, 5, 5)


@pytest.mark.data
def test_etth1() -> None:
    found = read("etth1")
    assert {part: len(w) for part, w in found.parts.items()} == {
        "train": 8209,
        "val": 2785,
        "test": 2785,
    }
    table = found.table
    assert table.channels == ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")
    np.testing.assert_allclose(table.values[0, [0, 6]], [5.827, 30.531], rtol=1e-6)
    np.testing.assert_allclose(table.center[[0, 6]], [7.9377, 17.1282], atol=1e-4)
    assert (table.series.step_s, table.period, len(table.values)) == (3600, 24, 17_420)


@pytest.mark.data
def test_a_published_file_of_ones_own_is_the_published_series() -> None:
    path = Path(os.environ["LEANZOO_DATA"]) / "series" / "ETTh1.csv"
    own, known = read_file(path), read("etth1").table.series
    np.testing.assert_array_equal(own.values, known.values)
    assert (own.channels, own.step_s, own.start) == (known.channels, known.step_s, known.start)
    assert own.repairs == ()


@pytest.mark.data
def test_ettm1() -> None:
    found = read("ettm1")
    assert len(found.parts["test"]) == 11_425
    assert (found.table.period, len(found.table.values)) == (96, 69_680)
    assert found.table.borders == (34_560, 46_080, 57_600)


@pytest.mark.data
def test_weather() -> None:
    found = read("weather")
    assert {part: len(w) for part, w in found.parts.items()} == {
        "train": 36_456,
        "val": 5175,
        "test": 10_444,
    }
    values = found.table.values
    assert (values.shape, int(np.isnan(values).sum())) == ((52_696, 21), 81)
    assert np.nanmin(values) > -100
    published = read("weather-sentinels")
    assert (published.table.values <= -9990).sum() == 81
    assert published.table.scale[11] > 20 * found.table.scale[11]
    hourly = read("weather", step_s=3600)
    assert (hourly.table.period, hourly.table.borders) == (24, (6147, 7026, 8782))


@pytest.mark.network
def test_vic_elec() -> None:
    found = read("vic_elec")
    assert found.table.channels == ("Demand", "Temperature")
    assert (len(found.table.values), found.table.period) == (52_608, 48)
    assert found.table.borders == (31_565, 42_086, 52_608)
    np.testing.assert_allclose(found.table.values[0], [4382.825174, 21.4], rtol=1e-6)
