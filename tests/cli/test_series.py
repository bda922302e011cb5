"""The command line on series of the user's own: options, repairs, names, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Leanzoo, assert_one_line
from zoo.cli.own import changed
from zoo.recipes import RecipeError
from zoo.registry import describe_dataset

MODEL = "quantile_mlp"


def write(path: Path, rows: int = 800) -> Path:
    """Two hourly channels with days in them; with a column of text, and one row twice."""
    times = np.datetime64("2024-01-01T00:00") + np.arange(rows) * np.timedelta64(1, "h")
    day = np.sin(2 * np.pi * np.arange(rows) / 24)
    lines = [f"{time},{x:.4f},{10 * x + 30:.3f},no" for time, x in zip(times, day, strict=True)]
    path.write_text("\n".join(["when,load,heat,note", *lines, lines[5]]) + "\n")
    return path


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write(tmp_path / "My Plant.csv")


REPAIRS = [
    "no numbers in column 'note' (such as 'no'): left out",
    "rows were not in the order of time: sorted",
    "1 repeated time stamp(s): their mean was taken",
]


def test_training_tells_repairs_and_keeps_the_options(leanzoo: Leanzoo, mine: Path) -> None:
    options = ("--time", "when", "--columns", "heat,load", "--split", "0.5,0.25,0.25")
    quick = ("--epochs", 1, "--methods", "vanilla", "--json")
    outcome = leanzoo("train", MODEL, "--data", mine, *options, *quick)
    assert outcome.code == 0, outcome.err
    assert outcome.err.splitlines() == [f"leanzoo: My Plant.csv: {text}" for text in REPAIRS[1:]]
    assert outcome.json["recipe"] == f"{MODEL}-my-plant"
    facts = json.loads((mine.parent / "runs" / outcome.json["run"] / "series.json").read_text())
    (series,) = facts["series"]
    assert (series["channels"], series["rows"], series["step_s"]) == (["heat", "load"], 800, 3600)
    recipe = changed(MODEL, str(mine), {"time": "when", "columns": '"heat", load', "split": None})
    assert recipe.data["columns"] == ["heat", "load"]
    assert "split" not in recipe.data
    assert recipe.teacher is None or recipe.teacher.data == recipe.data


def test_a_file_is_described(leanzoo: Leanzoo, mine: Path) -> None:
    found = leanzoo("data", "series", mine, "--json").json
    assert found["repairs"] == REPAIRS
    assert (found["names"], found["rows"], found["step"]) == (["load", "heat"], 800, "1 h")
    assert found["step_s"] == 3600
    assert set(found) - {"names", "repairs"} == set(describe_dataset("waves"))
    out = leanzoo("data", "series", mine, "--columns", "heat").out
    assert "names: heat\n" in out
    assert "step: 1 h\n" in out and "step_s" not in out
    assert f"mended: {REPAIRS[1]}\n" in out


def test_several_files_name_the_model(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = write(tmp_path / "b.csv")
    with pytest.raises(RecipeError, match="trains on one file: name one of the 2 with --data"):
        changed(MODEL, f"{mine},{other}")
    monkeypatch.setattr("zoo.families.forecast.SEVERAL_FILES", (MODEL,))
    recipe = changed(MODEL, f"{mine},{other}")
    assert recipe.name == f"{MODEL}-my-plant-b"
    assert recipe.dataset == f"{mine.resolve()},{other.resolve()}"
    assert len(recipe.dataset_sha256.split(",")) == 2
    comma = mine.rename(tmp_path / "a,b.csv")
    assert changed(MODEL, str(comma)).name == f"{MODEL}-a-b"


FAILURES: dict[str, tuple[list[str], int, str]] = {
    "no data": (["train", MODEL, "--time", "when"], 1, "--time describes a file of yours"),
    "no file": (["train", MODEL, "--data", "no.csv"], 1, "no file no.csv"),
    "second file": (["train", MODEL, "--data", "My Plant.csv,no.csv"], 1, "no file no.csv"),
    "schema": (
        ["train", MODEL, "--data", "My Plant.csv", "--schema", "s"],
        1,
        f"{MODEL} takes no --schema: expected --time, --columns, --split; leave it out",
    ),
    "other family": (
        ["train", "mlp", "--data", "My Plant.csv", "--split", "1"],
        1,
        "mlp takes no --split: expected none",
    ),
    "clicks": (
        ["train", "finalmlp", "--data", "My Plant.csv", "--columns", "a"],
        1,
        "finalmlp takes no --columns: expected --schema; leave it out",
    ),
    "column": (["train", MODEL, "--data", "My Plant.csv", "--columns", "lod"], 1, "mean load"),
    "words": (["train", MODEL, "--data", "My Plant.csv", "--split", "a,b"], 1, "such as 0.6,0.2"),
    "time": (["data", "waves", "--time", "t"], 2, "it belongs to 'leanzoo data series FILE'"),
    "series of two": (["data", "series", "a.csv", "b.csv"], 2, "'leanzoo data series FILE'"),
    "no series": (["data", "series", "a.csv"], 1, "no file a.csv: expected series"),
    "neither": (["data", "My Plant.csv"], 1, "look at series with 'leanzoo data series My Plant"),
}


@pytest.mark.parametrize(("arguments", "code", "message"), FAILURES.values(), ids=FAILURES)
def test_failures_say_what_to_do(
    leanzoo: Leanzoo,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"2024-01-{day:02d},{day}\n" for day in range(1, 31))
    (tmp_path / "My Plant.csv").write_text("date,load\n" + rows)
    outcome = leanzoo(*arguments)
    assert outcome.code == code
    assert_one_line(outcome, message)


def test_split_that_is_none(leanzoo: Leanzoo, mine: Path) -> None:
    outcome = leanzoo("train", MODEL, "--data", mine, "--split", "0.9,0.3,0.1")
    assert outcome.code == 1
    assert "expected three fractions above 0, together 1" in outcome.err.splitlines()[-1]


def test_too_few_rows(leanzoo: Leanzoo, tmp_path: Path) -> None:
    outcome = leanzoo("train", MODEL, "--data", write(tmp_path / "few.csv", rows=60))
    assert outcome.code == 1
    assert "few.csv: its train part has 36 rows, too few" in outcome.err.splitlines()[-1]
