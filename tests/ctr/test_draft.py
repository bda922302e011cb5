"""Drafted schemas: accepted unchanged, and sensible."""

from __future__ import annotations

import datetime
import gzip
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from zoo.families.ctr import facts as facts_module
from zoo.families.ctr.draft import draft
from zoo.families.ctr.encode import encode
from zoo.families.ctr.schema import Schema, parse
from zoo.families.ctr.survey import Source
from zoo.sources import DataError

ROWS = 4000
GENRES = ("action", "comedy", "drama", "horror", "musical", "war")
Columns = dict[str, Any]


def columns() -> Columns:
    """A log of a shop: ids, dates, lists, numbers and what is of no use."""
    rng = np.random.default_rng(0)
    user = (2500 * rng.random(ROWS) ** 3).astype(int)
    item = (900 * rng.random(ROWS) ** 2).astype(int)
    start = datetime.datetime(2024, 3, 1)
    price = np.round(rng.lognormal(3, 1, 900), 2)[item]
    return {
        "request_id": [f"r{k:06d}" for k in range(ROWS)],
        "row": np.arange(ROWS),
        "event_time": [start + datetime.timedelta(minutes=7 * k) for k in range(ROWS)],
        "signup_date": [datetime.date(2020, 1, 1) + datetime.timedelta(int(u)) for u in user],
        "birthday": [f"{u % 28 + 1:02d}/{u % 12 + 1:02d}/1990" for u in user],
        "user_id": user,
        "age": [18 + int(u) % 60 if u % 6 else None for u in user],
        "zip code": [f"{u % 300:05d}" for u in user],
        "itemId": [f"i{i}" for i in item],
        "genres": [";".join(g for k, g in enumerate(GENRES) if i >> k & 1) for i in item],
        "price": [p if i % 5 else None for p, i in zip(price, item, strict=True)],
        "views": np.floor(rng.lognormal(2, 1.5, ROWS)).astype(int),
        "hour": rng.integers(0, 24, ROWS),
        "mobile": rng.random(ROWS) < 0.5,
        "version": ["1"] * ROWS,
        "nothing": [""] * ROWS,
        "click": rng.integers(0, 2, ROWS),
    }


def write(path: Path, log: Columns) -> Path:
    table = pa.table(log)
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    else:
        pyarrow.csv.write_csv(table, path)
    return path


def drafted(path: Path) -> Schema:
    return parse(tomllib.loads(draft(path, "click")), "draft")


@pytest.mark.parametrize("name", ["log.csv", "log.parquet"])
def test_a_draft_is_sensible(name: str, tmp_path: Path) -> None:
    schema = drafted(write(tmp_path / name, columns()))
    assert (schema.split.by, schema.split.column) == ("time", "event_time")
    assert {field.name: (field.kind, field.role) for field in schema.fields} == {
        "user_id": ("categorical", "request"),
        "age": ("numeric", "request"),
        "zip code": ("categorical", "request"),
        "itemId": ("categorical", "item"),
        "genres": ("multi", "item"),
        "price": ("numeric", "item"),
        "views": ("numeric", "request"),
        "hour": ("categorical", "request"),
        "mobile": ("categorical", "request"),
    }
    assert schema.fields[4].separator == ";"


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    text = draft(write(tmp_path / "log.csv", columns()), "click")
    left_out = text.split("# Left out:\n")[1].splitlines()
    reasons = dict(line.removeprefix("# ").split(": ", 1) for line in left_out)
    assert set(reasons) == {*("request_id", "row", "signup_date", "birthday", "version", "nothing")}
    assert "unique per row" in reasons["request_id"] and "unique per row" in reasons["row"]
    assert "a time" in reasons["signup_date"]
    assert "write them as 2024-05-31" in reasons["birthday"]
    assert reasons["version"] == 'always "1"'
    assert reasons["nothing"] == "empty"


def test_a_draft_encodes_its_log_unchanged(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", columns())
    encode(Source((path,), drafted(path).with_min_count(1)), tmp_path / "encoded")
    assert (tmp_path / "encoded" / "test-ids.npy").exists()


def small(tmp_path: Path, **more: Any) -> Schema:
    """The draft for a column of a user, and others."""
    rng = np.random.default_rng(1)
    log = {"click": rng.integers(0, 2, ROWS), "user": rng.integers(0, 99, ROWS), **more}
    return drafted(write(tmp_path / "log.parquet", log))


def kind_of(tmp_path: Path, name: str, values: Any) -> str:
    return {f.name: f.kind for f in small(tmp_path, **{name: values}).fields}[name]


NUMBERS: list[tuple[str, Any, str]] = [
    ("stars", np.tile(np.arange(1, 6), ROWS // 5), "categorical"),
    ("temperature", np.tile([20.5, 21.0, -3.0, 8.25], ROWS // 4), "numeric"),
    ("campaign_id", np.arange(ROWS) % 700, "categorical"),
    ("c17", (np.arange(ROWS) * 7919) % 1009, "categorical"),
    ("amount", np.arange(ROWS) % 700, "numeric"),
    ("i3", np.floor(1.002 ** np.arange(ROWS)).astype(int), "numeric"),
    ("code", [f"{k % 300:04d}" for k in range(ROWS)], "categorical"),
    ("delta", np.arange(ROWS) % 700 - 350, "numeric"),
    ("text", [["1.5", "NaN", "2.25", ""][k % 4] for k in range(ROWS)], "numeric"),
    ("labels", [["a", "b", "c"][: k % 4] for k in range(ROWS)], "multi"),
    ("title", [f"The film of {k % 200}" for k in range(ROWS)], "categorical"),
    (
        "city",
        [["New York", "Rome", "San Diego", "Bonn"][k % 4] for k in range(ROWS)],
        "categorical",
    ),
]


@pytest.mark.parametrize(("name", "values", "kind"), NUMBERS, ids=[name for name, *_ in NUMBERS])
def test_kinds(name: str, values: Any, kind: str, tmp_path: Path) -> None:
    assert kind_of(tmp_path, name, values) == kind


def test_without_times_the_split_is_random(tmp_path: Path) -> None:
    assert small(tmp_path).split.by == "random"


def test_seconds_since_1970_are_times(tmp_path: Path) -> None:
    schema = small(tmp_path, timestamp=1_700_000_000 + np.arange(ROWS))
    assert (schema.split.by, schema.split.column) == ("time", "timestamp")
    assert [field.name for field in schema.fields] == ["user"]


def test_a_time_that_some_rows_lack_does_not_split(tmp_path: Path) -> None:
    when = [None if k == 7 else datetime.datetime(2024, 1, 1, k % 24) for k in range(ROWS)]
    schema = small(tmp_path, when=when)
    assert schema.split.by == "random"
    assert [field.name for field in schema.fields] == ["user"]


def test_a_column_that_names_parts_splits(tmp_path: Path) -> None:
    parts = np.resize(["train", "train", "val", "test"], ROWS)
    times = [datetime.datetime(2024, 1, 1, k % 24) for k in range(ROWS)]
    schema = small(tmp_path, split=parts, when=times)
    assert (schema.split.by, schema.split.column) == ("column", "split")
    assert [field.name for field in schema.fields] == ["user"]


def test_values_that_mostly_stand_alone_get_a_minimum_count(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    device = [f"d{k if k % 2 else rng.integers(50)}" for k in range(ROWS)]
    fields = {field.name: field for field in small(tmp_path, device=device).fields}
    assert fields["device"].min_count == 2
    assert fields["user"].min_count == 0


def test_the_first_rows_of_a_long_log_are_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts_module, "SAMPLE_ROWS", 1)
    text = draft(write(tmp_path / "log.csv", columns()), "click")
    assert "Drafted from 4,000 rows of log.csv" in text  # one block is read whole


def test_odd_names_are_quoted(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    names = ("a b", 'say "hi"', "größe", "x.y")
    log: Columns = {name: rng.integers(0, 9, ROWS) for name in names}
    schema = drafted(write(tmp_path / "log.csv", {"click": rng.integers(0, 2, ROWS), **log}))
    assert tuple(field.name for field in schema.fields) == names


STRANGE: list[tuple[Any, str]] = [
    (pa.array([[[1]]] * ROWS), "nested: flatten it to use it"),
    (pa.array([{"a": 1}] * ROWS), "nested: flatten it to use it"),
    (pa.array([[("a", 1)]] * ROWS, pa.map_(pa.string(), pa.int64())), "nested: flatten it"),
    (pa.array([b"\xff"] * ROWS), "bytes that are no UTF-8 text"),
    (pa.array([b"\xff\xfe"] * ROWS, pa.binary(2)), "bytes that are no UTF-8 text"),
    (pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes(16)] * ROWS, pa.binary(16))), "of"),
    (np.append(np.arange(ROWS - 1) / 2, np.inf), "numbers, not all of them finite"),
    (pa.array(range(ROWS), pa.time32("s")), "times of day or durations"),
    (pa.array(range(ROWS), pa.duration("us")), "times of day or durations"),
]


@pytest.mark.parametrize(("values", "why"), STRANGE, ids=lambda v: str(getattr(v, "type", "")))
def test_what_cannot_be_used_is_left_out_with_a_reason(
    values: Any, why: str, tmp_path: Path
) -> None:
    log = {"click": np.arange(ROWS) % 2, "user": np.arange(ROWS) % 99, "event_time": values}
    text = draft(write(tmp_path / "log.parquet", log), "click")
    assert f"# event_time: {why}" in text.split("# Left out:\n")[1]
    schema = parse(tomllib.loads(text), "draft")
    assert schema.split.by == "random"
    assert [field.name for field in schema.fields] == ["user"]


@pytest.mark.parametrize("name", ["UP.CSV", "UP.CSV.GZ", "UP.PQ"])
def test_suffixes_may_be_in_capitals(name: str, tmp_path: Path) -> None:
    made = write(tmp_path / {"UP.PQ": "log.parquet"}.get(name, "log.csv"), columns())
    content = made.read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("GZ") else content)
    assert drafted(tmp_path / name) == drafted(made)


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ({"clicked": [0, 1], "user": [1, 2]}, "has no column 'click': name the column of clicks"),
        ({"click": [0, 7], "user": [1, 2]}, "row 2, column 'click' is 7: expected 0 or 1"),
        ({"click": [0, 1], "user": ["a", "a"]}, "no column to learn from beside 'click'"),
        ({"click": [0, 1]}, "no column to learn from beside 'click'"),
    ],
)
def test_logs_without_a_draft(log: Columns, words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=words):
        draft(write(tmp_path / "log.parquet", log), "click")
