"""Ids, numbers and raw values of a click log, against a plain encoding in memory."""

from __future__ import annotations

import collections
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from tests.ctr.own_log import ROWS, SCHEMA, columns, own
from zoo.families.ctr import log as log_module
from zoo.families.ctr.data import read
from zoo.families.ctr.layout import Layout
from zoo.values import canonical

pytestmark = pytest.mark.usefixtures("cache")


def plainly(log: dict[str, list[Any]]) -> tuple[Layout, dict[str, Any]]:
    """The same encoding by loops over rows: layout, and per part ids, numeric and y."""
    when = np.argsort(log["when"], kind="stable")
    parts = {"train": sorted(when[:1600]), "val": sorted(when[1600:1800])}
    parts["test"] = sorted(when[1800:])
    fields: list[dict[str, Any]] = []
    ids: list[list[int]] = [[] for _ in range(ROWS)]
    for name, entry in SCHEMA["fields"].items():
        kind = entry.get("kind", "categorical")
        field = {"name": name, "kind": kind, "role": entry.get("role", "request")}
        if kind == "numeric":
            fields.append({**field, "size": 0, "length": 0})
            continue
        one = kind == "categorical"
        rows = [[canonical(v)] if one else [canonical(i) for i in v or []] for v in log[name]]
        counts = collections.Counter(v for k in parts["train"] for v in rows[k] if v)
        known = [v for v, n in counts.most_common() if n >= entry.get("min_count", 1)]
        number = {v: k for k, v in enumerate(known, start=1)}
        length = max(len(rows[k]) for k in parts["train"])
        fields.append({**field, "size": len(known) + 2, "length": length})
        for k, row in enumerate(rows):
            ids[k] += ([number.get(v, len(known) + 1) for v in row] + [0] * length)[:length]
    numeric = np.array([log["price"], log["age"]], dtype=np.float32).T
    y = np.array(log["click"])
    arrays = {
        part: {"ids": [ids[k] for k in rows], "numeric": numeric[rows], "y": y[rows]}
        for part, rows in parts.items()
    }
    return Layout.from_dict({"fields": fields}), arrays


@pytest.mark.parametrize("name", ["log.parquet", "log.csv", "log.csv.gz"])
@pytest.mark.parametrize("small_batches", [False, True])
def test_arrays_are_those_of_a_plain_encoding(
    name: str, small_batches: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if small_batches:
        monkeypatch.setattr(log_module, "BATCH_ROWS", 130)
        monkeypatch.setattr(log_module, "BLOCK_BYTES", 4000)
    data = read(own(tmp_path / name))
    layout, expected = plainly(columns())
    assert data.layout == layout
    for part, arrays in expected.items():
        found = data.parts[part]
        assert isinstance(found.ids, np.memmap)
        assert (found.ids.dtype, found.numeric.dtype, found.y.dtype) == ("i4", "f4", "f4")
        for array, values in arrays.items():
            np.testing.assert_array_equal(getattr(found, array), np.array(values, dtype="f4"))


def test_raw_values_are_those_of_the_log(tmp_path: Path) -> None:
    log = columns()
    data = read(own(tmp_path / "log.parquet", log))
    rows = sorted(np.argsort(log["when"], kind="stable")[1800:])
    asked = np.array([150, 3, 3, 0, 199])
    raw = data.raw(asked)
    for found, k in zip(raw["values"], (rows[a] for a in asked), strict=True):
        tags = log["tags"][k] or []
        assert found.tolist() == [
            *(tags + [""] * 4)[:4],
            *(canonical(log[name][k]) for name in ("user", "hour")),
        ]
    np.testing.assert_array_equal(raw["numeric"], data.parts["test"].numeric[asked])
    everything = data.raw(np.arange(data.n_rows))["values"]
    unknown = data.parts["test"].ids[:, 4] == data.layout.sizes[4] - 1
    unseen = set(everything[unknown, 4]) - {""}
    assert len(unseen) > 20
    assert unseen.isdisjoint(data.vocabulary.values["user"].to_pylist())


def test_raw_values_encode_to_the_ids(tmp_path: Path) -> None:
    data = read(own(tmp_path / "log.csv"))
    ids = np.arange(data.n_rows)
    values = data.raw(ids)["values"]
    for slot, name in enumerate(data.layout.slots):
        encoded = data.vocabulary.encode(name, pa.array(values[:, slot]))
        found = data.parts["test"].ids[:, slot]
        padding = (found == 0) & (values[:, slot] == "")
        np.testing.assert_array_equal(np.where(padding, 0, encoded), found)


def test_scales_are_those_of_the_training_part(tmp_path: Path) -> None:
    data = read(own(tmp_path / "log.parquet"))
    numeric = np.asarray(data.parts["train"].numeric, dtype=np.float64)
    for column, name in enumerate(("price", "age")):
        assert data.scales[name][0] == pytest.approx(np.nanmean(numeric[:, column]), rel=1e-6)
        assert data.scales[name][1] == pytest.approx(np.nanstd(numeric[:, column]), rel=1e-6)


def test_a_number_that_is_always_the_same_has_the_scale_one(tmp_path: Path) -> None:
    """Sums of such numbers round; what deviates by no more than that must not be blown up."""
    log = {"click": [0, 1] * 2400, "user": ["a", "b", "c"] * 1600, "price": [4.7] * 4800}
    schema = {"label": "click", "fields": {"user": {}, "price": {"kind": "numeric"}}}
    data = read(own(tmp_path / "log.csv", log, schema=schema))
    assert data.scales["price"] == (pytest.approx(4.7), 1.0)


def test_a_list_keeps_as_many_values_as_the_schema_says(tmp_path: Path) -> None:
    fields = {"tags": {"kind": "multi", "length": 2}, "hour": {}}
    data = read(own(tmp_path / "log.csv", schema={**SCHEMA, "fields": fields}))
    assert data.layout.slots == ("tags", "tags", "hour")
    whole = read(own(tmp_path / "log.csv"))
    np.testing.assert_array_equal(data.parts["val"].ids[:, :2], whole.parts["val"].ids[:, :2])


def test_the_recipe_s_minimum_count_is_a_default(tmp_path: Path) -> None:
    once, rare = (read(own(tmp_path / "log.csv", min_count=n)) for n in (1, 80))
    assert rare.layout.fields[3].size < once.layout.fields[3].size  # hour states none
    assert rare.layout.fields[2].size == once.layout.fields[2].size  # user states 2


def test_a_log_without_numbers_has_an_empty_matrix(tmp_path: Path) -> None:
    data = read(own(tmp_path / "log.csv", schema={**SCHEMA, "fields": {"hour": {}}}))
    assert data.parts["train"].numeric.shape == (1600, 0)
    assert data.raw(np.arange(2))["numeric"].shape == (2, 0)


def test_a_field_of_lists_takes_two_slots_or_more(tmp_path: Path) -> None:
    """Its name then repeats among the columns, which tells a list from a single value."""
    log = {"click": [0, 1] * 200, "tag": [str(k % 7) for k in range(400)]}
    schema = {"label": "click", "fields": {"tag": {"kind": "multi"}}}
    layout = read(own(tmp_path / "log.csv", log, schema=schema)).layout
    assert layout.slots == ("tag", "tag")
