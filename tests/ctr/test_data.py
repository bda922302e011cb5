"""Click logs as recipes ask for them: caching, folds, settings, known logs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.ctr.own_log import ROWS, SCHEMA, columns, own
from zoo.families.ctr import data as data_module
from zoo.families.ctr import parts as parts_module
from zoo.families.ctr import widelog
from zoo.families.ctr.data import CTRData, describe, read
from zoo.recipes import Recipe, RecipeError
from zoo.sources import DataError

pytestmark = pytest.mark.usefixtures("cache")


def test_every_form_of_a_log_has_the_same_digest(tmp_path: Path) -> None:
    names = ("log.parquet", "log.csv", "log.csv.gz")
    assert len({read(own(tmp_path / name)).digest for name in names}) == 1
    other = columns()
    other["hour"][7] += 1
    assert read(own(tmp_path / "other.csv", other)).digest != read(own(tmp_path / "log.csv")).digest


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
