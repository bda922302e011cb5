"""Splits: at random, by time, by a column, by files."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from zoo.families.ctr import log as log_module
from zoo.families.ctr.schema import parse
from zoo.families.ctr.survey import Source
from zoo.sources import DataError

ROWS = 3000


def log(path: Path, **columns: Any) -> Path:
    rng = np.random.default_rng(1)
    table = {"click": rng.integers(0, 2, ROWS), "user": rng.integers(0, 9, ROWS), **columns}
    pq.write_table(pa.table(table), path)
    return path


def parts_of(*paths: Path, **split: Any) -> np.ndarray:
    """The part of every row, of two passes, which must agree."""
    schema = parse({"label": "click", "fields": {"user": {}}, "split": split}, "s")
    source = Source(paths, schema)
    first, second = (
        np.concatenate([chunk.parts for chunk in source.chunks(lambda rows: None)])
        for _ in range(2)
    )
    assert (first == second).all()
    return first


def test_random_parts_have_their_fractions(tmp_path: Path) -> None:
    parts = parts_of(log(tmp_path / "a.parquet"))
    assert np.bincount(parts) / ROWS == pytest.approx([0.8, 0.1, 0.1], abs=0.03)
    parts = parts_of(tmp_path / "a.parquet", fractions=[0.2, 0.3, 0.5])
    assert np.bincount(parts) / ROWS == pytest.approx([0.2, 0.3, 0.5], abs=0.03)


def test_random_parts_do_not_follow_the_order_of_the_log(tmp_path: Path) -> None:
    parts = parts_of(log(tmp_path / "a.parquet"))
    for third in np.split(parts, 3):
        assert (np.bincount(third) > 60).all()


def test_parts_do_not_depend_on_the_size_of_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = log(tmp_path / "a.parquet", when=np.random.default_rng(2).permutation(ROWS))
    at_once = parts_of(path), parts_of(path, by="time", column="when")
    monkeypatch.setattr(log_module, "BATCH_ROWS", 70)
    assert (parts_of(path) == at_once[0]).all()
    assert (parts_of(path, by="time", column="when") == at_once[1]).all()


def moment(seconds: float) -> datetime.datetime:
    return datetime.datetime(2024, 1, 1) + datetime.timedelta(seconds=float(seconds))


TIMES = {
    "whole numbers": lambda when: when,
    "numbers": lambda when: when / 8,
    "timestamps": lambda when: [moment(s) for s in when],
    "dates": lambda when: [moment(s * 3600).date() for s in when],
    "texts": lambda when: [f" {moment(s)}" for s in when],
    "zoned texts": lambda when: [moment(s).isoformat() + "+02:00" for s in when],
    "texts of numbers": lambda when: [f"{s}" for s in when],
    "nanoseconds": lambda when: pa.array([moment(s) for s in when], pa.timestamp("ns", "UTC")),
}


@pytest.mark.parametrize("form", TIMES)
def test_no_training_row_is_later_than_a_test_row(form: str, tmp_path: Path) -> None:
    when = np.random.default_rng(3).integers(0, 1000, ROWS)  # with rows of the same time
    path = log(tmp_path / "a.parquet", when=TIMES[form](when))
    parts = parts_of(path, by="time", column="when")
    assert np.bincount(parts).tolist() == [2400, 300, 300]
    seen = when // 24 if form == "dates" else when
    assert seen[parts == 0].max() <= seen[parts == 1].min()
    assert seen[parts == 1].max() <= seen[parts == 2].min()


@pytest.mark.parametrize("kind", [pa.time32("s"), pa.duration("us")], ids=str)
def test_times_of_day_and_durations_do_not_split(kind: pa.DataType, tmp_path: Path) -> None:
    path = log(tmp_path / "a.parquet", when=pa.array(range(ROWS), kind))
    with pytest.raises(DataError, match="'when' is of type .*: expected dates or timestamps"):
        parts_of(path, by="time", column="when")


def test_rows_of_the_same_time_stay_in_the_order_of_the_log(tmp_path: Path) -> None:
    parts = parts_of(log(tmp_path / "a.parquet", when=np.zeros(ROWS)), by="time", column="when")
    assert (np.diff(parts) >= 0).all()


def test_a_column_may_say_the_part(tmp_path: Path) -> None:
    names = np.resize(["train", "Valid", "test", "val", "validation"], ROWS)
    parts = parts_of(log(tmp_path / "a.parquet", part=names), by="column", column="part")
    assert parts.tolist() == np.resize([0, 1, 2, 1, 1], ROWS).tolist()


def test_files_are_parts(tmp_path: Path) -> None:
    paths = [log(tmp_path / f"{name}.parquet") for name in ("train", "val", "test")]
    parts = parts_of(*paths, by="files", val="val.parquet", test="test.parquet")
    assert parts.tolist() == np.repeat([0, 1, 2], ROWS).tolist()
