"""Schemas: what is accepted, and what is refused by name."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from zoo.artifact import sha256_file
from zoo.families.ctr import schema as schema_module
from zoo.families.ctr.schema import parse, read_schema
from zoo.recipes import RecipeError
from zoo.sources import DataError

TEXT = """
label = "click"
[split]
by = "time"
column = "when"
fractions = [0.7, 0.2, 0.1]
[fields]
user = {}
hour = { min_count = 5 }
price = { kind = "numeric", role = "item" }
genres = { kind = "multi", role = "item", separator = ";", length = 6 }
"""


def test_a_schema_says_what_it_says() -> None:
    schema = parse(tomllib.loads(TEXT), "s.toml")
    assert [field.name for field in schema.fields] == ["user", "hour", "price", "genres"]
    assert [field.kind for field in schema.fields] == [
        *("categorical", "categorical", "numeric", "multi")
    ]
    assert [field.role for field in schema.fields] == ["request", "request", "item", "item"]
    assert (schema.fields[3].separator, schema.fields[3].length) == (";", 6)
    assert (schema.split.by, schema.split.fractions) == ("time", (0.7, 0.2, 0.1))
    assert schema.columns == ["click", "user", "hour", "price", "genres"]


def test_the_order_of_fields_outlives_a_written_recipe(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(TEXT)
    table = read_schema(tmp_path / "s.toml", tmp_path / "log.csv")
    again = json.loads(json.dumps(table, sort_keys=True))
    assert parse(again, "recipe") == parse(tomllib.loads(TEXT), "s.toml")


def test_a_minimum_count_is_for_fields_that_state_none() -> None:
    counts = [f.min_count for f in parse(tomllib.loads(TEXT), "s").with_min_count(3).fields]
    assert counts == [3, 5, 0, 3]


def test_the_documented_example_is_a_schema() -> None:
    text = schema_module.__doc__ or ""
    example = "\n".join(line[4:] for line in text.splitlines() if line.startswith("    "))
    assert [f.name for f in parse(tomllib.loads(example), "doc").fields] == [
        *("user", "hour", "price", "genres")
    ]


FIELDS: dict[str, Any] = {"user": {}}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"fields": FIELDS}, "lacks 'label'"),
        ({"label": "c"}, "lacks 'fields'"),
        ({"label": "c", "fields": {}}, "one column or more"),
        ({"label": "c", "fields": "user"}, "'fields' in s is 'user': expected a table"),
        ({"label": "c", "fields": [{"kind": "multi"}]}, "'fields' in s is [{'kind': 'multi'}]"),
        ({"label": "c", "fields": [{"name": "u"}] * 2}, "each once"),
        ({"label": "user", "fields": FIELDS}, "without the label"),
        ({"label": 3, "fields": FIELDS}, "'label' in s is 3"),
        ({"label": "c", "fields": FIELDS, "splits": {}}, "unknown key 'splits'"),
        ({"label": "c", "fields": FIELDS, "split": "time"}, "'split' in s is 'time'"),
        ({"label": "c", "fields": {"u": {"knid": "multi"}}}, "unknown key 'knid' in s [fields.u]"),
        ({"label": "c", "fields": {"u": {"kind": "ordinal"}}}, "kind is 'ordinal'"),
        ({"label": "c", "fields": {"u": {"role": "user"}}}, "role is 'user'"),
        ({"label": "c", "fields": {"u": {"length": 3}}}, "leave out separator and length"),
        ({"label": "c", "fields": {"u": {"kind": "multi", "length": 1}}}, "keep 2 values or more"),
        ({"label": "c", "fields": {"u": {"kind": "numeric"}}}, "no categorical or multi field"),
        ({"label": "c", "fields": {"u": {"kind": "numeric", "min_count": 3}}}, "no vocabulary"),
        ({"label": "c", "fields": {"u": {"min_count": -3}}}, "min_count >= 0"),
        ({"label": "c", "fields": {"u": {"min_count": "3"}}}, "'min_count' in s [fields.u]"),
        ({"label": "c", "fields": {"u": "categorical"}}, "expected a table"),
        ({"label": "c", "fields": {"u": {"name": "v"}}}, "its key is its name"),
    ],
)
def test_a_schema_at_fault_is_refused(table: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError) as refused:
        parse(table, "s")
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ({"by": "user"}, "by is 'user'"),
        ({"by": "time"}, "'column' belongs to"),
        ({"column": "when"}, "'column' belongs to"),
        ({"by": "column", "column": "p", "fractions": [0.5, 0.3, 0.2]}, "leave out fractions"),
        ({"fractions": [0.5, 0.5]}, "expected three"),
        ({"fractions": [0.9, 0.2, 0.1]}, "of sum 1"),
        ({"fractions": [1.0, 0.0, 0.0]}, "three > 0"),
        ({"fractions": ["a", "b", "c"]}, "three numbers"),
        ({"fractions": 0.8}, "list of three numbers"),
        ({"by": "files", "val": "v.csv"}, "'val' and 'test' name the files"),
        ({"val": "v.csv", "test": "t.csv"}, "'val' and 'test' name the files"),
        ({"by": "time", "column": "w", "seed": 3}, "unknown key 'seed' in s [split]"),
        ({"test_sha256": "a"}, "belong to a split by files"),
    ],
)
def test_a_split_at_fault_is_refused(split: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError) as refused:
        parse({"label": "c", "fields": FIELDS, "split": split}, "s")
    assert words in str(refused.value)


def test_a_schema_file_is_read_with_the_checksums_of_further_files(tmp_path: Path) -> None:
    for name in ("log.csv", "v.csv", "t.csv"):
        (tmp_path / name).write_text(name)
    file = tmp_path / "schema.toml"
    text = 'label = "c"\n[fields]\nu = {}\n'
    file.write_text(text)
    assert read_schema(file, tmp_path / "log.csv") == {
        "label": "c",
        "fields": [{"name": "u"}],
    }
    file.write_text(text + '[split]\nby = "files"\nval = "v.csv"\ntest = "t.csv"\n')
    table = read_schema(file, tmp_path / "log.csv")
    assert table["split"]["test_sha256"] == sha256_file(tmp_path / "t.csv")
    assert parse(table, "s").split.val_sha256 == sha256_file(tmp_path / "v.csv")
    (tmp_path / "t.csv").unlink()
    with pytest.raises(DataError, match="t.csv, which .* names for 'test'"):
        read_schema(file, tmp_path / "log.csv")


def test_files_that_are_no_schema_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read schema"):
        read_schema(tmp_path / "none.toml", tmp_path / "log.csv")
    (tmp_path / "s.toml").write_text("label = click")
    with pytest.raises(RecipeError, match="is not TOML"):
        read_schema(tmp_path / "s.toml", tmp_path / "log.csv")
