"""Click logs from file to arrays: against a plain encoding in memory, and as recipes ask."""

from __future__ import annotations

import collections
import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from zoo.artifact import sha256_file
from zoo.families.ctr import data as data_module
from zoo.families.ctr import log as log_module
from zoo.families.ctr import parts as parts_module
from zoo.families.ctr import widelog
from zoo.families.ctr.data import CTRData, describe, read
from zoo.families.ctr.layout import Layout
from zoo.recipes import Recipe, RecipeError
from zoo.sources import DataError
from zoo.values import canonical

ROWS = 2000
SCHEMA: dict[str, Any] = {
    "label": "click",
    "split": {"by": "time", "column": "when"},
    "fields": {
        "tags": {"kind": "multi", "role": "item"},
        "price": {"kind": "numeric", "role": "item"},
        "user": {"min_count": 2},
        "hour": {},
        "age": {"kind": "numeric"},
    },
}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("LEANZOO_CACHE", str(folder))
    return folder / "ctr"


def columns(seed: int = 0) -> dict[str, list[Any]]:
    """A log with missing values, lists, and users that come late."""
    rng = np.random.default_rng(seed)
    tags = [rng.permutation(list("abcdefg"))[: rng.integers(0, 5)].tolist() for _ in range(ROWS)]
    user = (ROWS * rng.random(ROWS) ** 3).astype(int)
    price = rng.integers(0, 99, ROWS).astype(float).tolist()
    return {
        "click": rng.integers(0, 2, ROWS).tolist(),
        "when": rng.permutation(ROWS).tolist(),
        "tags": [row if k % 50 else None for k, row in enumerate(tags)],
        "price": [number if k % 3 else None for k, number in enumerate(price)],
        "user": [f"u{u}" if u % 11 else None for u in user],
        "hour": rng.integers(0, 24, ROWS).tolist(),
        "age": rng.normal(40, 10, ROWS).round(1).tolist(),
    }


def own(path: Path, log: dict[str, list[Any]] | None = None, **data: Any) -> Recipe:
    """A recipe for a log, written as the path's ending says."""
    log = log or columns()
    if path.suffix == ".parquet":
        pq.write_table(pa.table(log), path, row_group_size=700)
    else:
        text = {k: ["|".join(c or []) if k == "tags" else c for c in v] for k, v in log.items()}
        plain = path.with_name("plain.csv")
        pyarrow.csv.write_csv(pa.table(text), plain)
        pack = gzip.compress if path.suffix == ".gz" else bytes
        path.write_bytes(pack(plain.read_bytes()))
    schema = data.pop("schema", SCHEMA)
    if "fields" in schema:
        fields = [{"name": name, **entry} for name, entry in schema["fields"].items()]
        schema = {**schema, "fields": fields}
    data = {"schema": schema, **data}
    return Recipe("own", "finalmlp", str(path), sha256_file(path), data=data)


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


def test_every_form_of_a_log_has_the_same_digest(tmp_path: Path) -> None:
    names = ("log.parquet", "log.csv", "log.csv.gz")
    assert len({read(own(tmp_path / name)).digest for name in names}) == 1
    other = columns()
    other["hour"][7] += 1
    assert read(own(tmp_path / "other.csv", other)).digest != read(own(tmp_path / "log.csv")).digest


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


def test_an_encoded_log_is_found_again(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = own(tmp_path / "log.csv")
    read(recipe)
    (folder,) = cache.iterdir()
    monkeypatch.setattr(data_module, "encode", lambda *_: pytest.fail("encoded again"))
    assert read(recipe).n_rows == 200
    (tmp_path / "log.csv").write_text("changed")
    with pytest.raises(DataError, match="is not the file that was trained on"):
        read(recipe)
    assert [folder] == list(cache.iterdir())


def test_a_log_that_is_refused_leaves_nothing_behind(tmp_path: Path, cache: Path) -> None:
    log = columns()
    log["click"][900] = 3
    with pytest.raises(DataError, match="row 901, column 'click'"):
        read(own(tmp_path / "log.csv", log))
    assert list(cache.iterdir()) == []


FOLDS = 3


def folds(path: Path) -> list[CTRData]:
    return [read(own(path, folds=FOLDS, fold=k)) for k in range(FOLDS)]


def test_folds_part_the_training_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_module, "COPY_ROWS", 300)
    whole = read(own(tmp_path / "log.csv"))
    assert whole.taught is None and whole.complete and whole.held_out is whole.parts["train"]
    cut = folds(tmp_path / "log.csv")
    taught = [data.taught for data in cut if data.taught is not None]
    assert sorted(np.concatenate(taught)) == list(range(1600))
    assert {len(rows) for rows in taught} == {533, 534}
    for data, rows in zip(cut, taught, strict=True):
        kept = np.setdiff1d(np.arange(1600), rows)
        assert not data.complete
        for array in ("ids", "numeric", "y"):
            full = getattr(whole.parts["train"], array)
            np.testing.assert_array_equal(getattr(data.held_out, array), full[rows])
            np.testing.assert_array_equal(getattr(data.parts["train"], array), full[kept])
        assert data.layout == whole.layout
        assert data.n_rows == whole.n_rows


def test_folds_are_random_rows(tmp_path: Path) -> None:
    data = folds(tmp_path / "log.csv")[1]
    assert data.taught is not None
    assert len(np.unique(np.diff(data.taught))) > 5


def test_attachments_say_what_values_and_columns_mean(tmp_path: Path) -> None:
    data = read(own(tmp_path / "log.csv"))
    vocabulary = json.loads(data.attachments["vocabulary.json"])
    assert list(vocabulary) == ["tags", "user", "hour"]
    assert len(vocabulary["user"]) + 2 == data.layout.fields[2].size
    schema = json.loads(data.attachments["schema.json"])
    assert [field["name"] for field in schema["fields"]] == list(SCHEMA["fields"])
    assert data.sizes == {"layout": data.layout.to_dict()}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"folds": 2, "fold": 2}, "expected 0 <= fold < folds"),
        ({"min_count": 0}, "expected min_count >= 1"),
        ({"min_counts": 2}, "unknown key 'min_counts'"),
        ({"schema": {"label": "click"}}, "lacks 'fields'"),
    ],
)
def test_wrong_settings_are_refused(data: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=words):
        read(own(tmp_path / "log.csv", **data))


def test_recipes_of_equal_id_have_equal_layouts(tmp_path: Path) -> None:
    recipe = own(tmp_path / "log.csv")
    names = ("user", "hour", "age")
    tables = [
        {"label": "click", "fields": {name: {} for name in order}} for order in (names, names[::-1])
    ]
    one, other = (replace(recipe, data={"schema": table}) for table in tables)
    assert one.id == other.id
    assert read(one).layout == read(other).layout
    assert read(one).layout.slots == ("age", "hour", "user")


def test_a_log_of_one_s_own_needs_a_schema_and_has_its_own_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no schema"):
        read(own(tmp_path / "log.csv", schema={}))
    with pytest.raises(DataError, match="is not generated; leave it out"):
        read(own(tmp_path / "log.csv", rows=500))


def test_files_of_val_and_test_may_lie_beside_the_log(tmp_path: Path) -> None:
    split: dict[str, Any] = {"by": "files", "val": "val.csv", "test": "test.csv"}
    for seed, part in enumerate(("val", "test"), start=1):
        split[f"{part}_sha256"] = own(tmp_path / f"{part}.csv", columns(seed)).dataset_sha256
    data = read(own(tmp_path / "log.csv", schema={**SCHEMA, "split": split}))
    assert [len(part.y) for part in data.parts.values()] == [ROWS, ROWS, ROWS]
    assert data.parts["test"].y.tolist() == columns(2)["click"]
    (tmp_path / "val.csv").write_text("changed")
    with pytest.raises(DataError, match="val.csv is not the file"):
        read(own(tmp_path / "log.csv", schema={**SCHEMA, "split": split}))


def test_a_log_without_numbers_has_an_empty_matrix(tmp_path: Path) -> None:
    data = read(own(tmp_path / "log.csv", schema={**SCHEMA, "fields": {"hour": {}}}))
    assert data.parts["train"].numeric.shape == (1600, 0)
    assert data.raw(np.arange(2))["numeric"].shape == (2, 0)


def test_clicks() -> None:
    facts = describe("clicks")
    assert list(facts) == [
        *("dataset", "rows", "fields", "clicks", "train", "val", "test", "digest", "licence")
    ]
    assert facts["rows"] == 6000 and facts["fields"] == 6
    data = read(Recipe("r", "finalmlp", "clicks"))
    assert set(data.layout.slots) == {"user", "country", "item", "category", "tags"}
    assert np.isnan(data.parts["test"].numeric).any()
    users = data.parts["test"].ids[:, 0]
    assert (users == data.layout.sizes[0] - 1).any()  # some are unseen in training
    assert 0.3 < data.parts["train"].y.mean() < 0.7


def test_a_generated_log_has_the_rows_that_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(widelog, "BLOCK_ROWS", 2000)
    short, longer = (
        read(Recipe("r", "finalmlp", "wide-log", data={"rows": rows})) for rows in (3000, 5000)
    )
    assert sum(len(part.y) for part in short.parts.values()) == 3000
    assert sum(len(part.y) for part in longer.parts.values()) == 5000
    assert (len(short.layout.slots), len(short.layout.numerics)) == (26, 13)
    test = short.parts["test"]
    np.testing.assert_array_equal(test.numeric, longer.parts["test"].numeric[: len(test.y)])
    asked = np.arange(50)
    assert short.raw(asked)["values"].tolist() == longer.raw(asked)["values"].tolist()


def test_what_is_unknown_is_refused() -> None:
    with pytest.raises(DataError, match="unknown click log 'clikcs': did you mean clicks"):
        describe("clikcs")
    with pytest.raises(DataError, match="'rows' is 5: 'ml100k' is not generated"):
        read(Recipe("r", "finalmlp", "ml100k", data={"rows": 5}))


def test_a_field_of_lists_takes_two_slots_or_more(tmp_path: Path) -> None:
    """Its name then repeats among the columns, which tells a list from a single value."""
    log = {"click": [0, 1] * 200, "tag": [str(k % 7) for k in range(400)]}
    schema = {"label": "click", "fields": {"tag": {"kind": "multi"}}}
    layout = read(own(tmp_path / "log.csv", log, schema=schema)).layout
    assert layout.slots == ("tag", "tag")
