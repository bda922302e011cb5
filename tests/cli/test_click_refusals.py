"""The command line on click models: what is refused, in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import QUICK, RECIPE, Leanzoo, Published, assert_one_line

REFUSED: dict[str, tuple[str, Any, str]] = {
    "a list to rank": ("-rank-raw", [{}], "ranks: expected an object of request, candidates"),
    "a request to rows": ("-raw", {"request": {}, "candidates": []}, "expected a list of records"),
    "records to ids": ("", [{"user": "u1"}], "takes ids, not raw values"),
    "field": ("-raw", [{"usr": "u1"}], "unknown field 'usr': did you mean user"),
    "kind": ("-raw", [{"price": "cheap"}], "field 'price' is 'cheap': expected a number"),
    "no record": ("-raw", [7], "row 0 is 7: expected a dict"),
    "no object": ("-raw", "text", "holds 'text': expected one array per input"),
    "ragged": ("", {"ids": [[1], [1, 2]]}, "rows of unequal length"),
    "no candidates": ("-rank-raw", {"request": {}, "candidates": []}, "0 candidates"),
    "out of range": ("", {"ids": [[10**6] * 11], "numeric": [[0.0]]}, "field 'user'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_input_is_one_line(
    leanzoo: Leanzoo, clicks: Published, tmp_path: Path, case: str
) -> None:
    form, given, message = REFUSED[case]
    (tmp_path / "given.json").write_text(json.dumps(given))
    asked = ("--input", tmp_path / "given.json", "--local", "--repository", clicks.repository)
    outcome = leanzoo("predict", f"{RECIPE}{form}", *asked)
    assert_one_line(outcome, message)
    assert outcome.code == 1


FAILURES: dict[str, tuple[list[str], int, str]] = {
    "model": (["train", "finalmlp"], 1, "'finalmlp' is a model: train one of its recipes (final"),
    "teacher": (["train", "ctr_ensemble"], 1, "'ctr_ensemble' is a model that no recipe trains"),
    "schema alone": (["train", RECIPE, "--schema", "s.toml"], 1, "name it with --data"),
    "no schema": (["train", "finalmlp", "--data", "log.csv"], 1, "has no schema: give one"),
    "no toml": (
        ["train", "finalmlp", "--data", "log.csv", "--schema", "none.toml"],
        1,
        "cannot read schema none.toml",
    ),
    "graph": (
        ["train", "mlp-toy", "--data", "log.csv", "--schema", "none.toml"],
        1,
        "mlp takes no --schema",
    ),
    "method": (["train", RECIPE, "--methods", "glnn"], 1, "method is 'glnn': expected one of kd"),
    "draft of nothing": (["data", "schema"], 2, "leanzoo data schema LOG --label COLUMN"),
    "draft without label": (["data", "schema", "log.csv"], 2, "schema LOG --label COLUMN"),
    "draft of no column": (["data", "schema", "log.csv", "--label", "clack"], 1, "clack"),
    "label alone": (["data", "clicks", "--label", "click"], 2, "it belongs to 'leanzoo data sche"),
    "capitals": (["data", "LOG.CSV"], 1, "schema with 'leanzoo data schema LOG.CSV"),
    "log as dataset": (["data", "log.csv"], 1, "schema with 'leanzoo data schema log.csv"),
    "dataset": (["data", "ml10k"], 1, "unknown dataset 'ml10k': did you mean ml100k"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_failure_is_one_line(
    leanzoo: Leanzoo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, log: Path, case: str
) -> None:
    monkeypatch.chdir(tmp_path)
    log.rename("log.csv")
    arguments, code, message = FAILURES[case]
    outcome = leanzoo(*arguments)
    assert_one_line(outcome, message)
    assert outcome.code == code


def test_top_needs_something_to_choose_from(leanzoo: Leanzoo, clicks: Published) -> None:
    asked = ("--rows", 0, "--top", 3, "--local", "--repository", clicks.repository)
    assert_one_line(leanzoo("predict", RECIPE, *asked), "leave out --top")
    wrong = leanzoo("predict", RECIPE, "--rows", "0,1e9", *asked[4:])
    assert_one_line(wrong, "--rows 0,1e9: expected ids such as 0,5,17")
    assert_one_line(leanzoo("predict", RECIPE, "--rows", 10**6, *asked[4:]), "expected 0 <= id <")


def test_precisions(leanzoo: Leanzoo, clicks: Published) -> None:
    export = ("export", RECIPE, "--runs", clicks.runs, "--precision")
    assert_one_line(leanzoo(*export, "int4"), "unknown precision 'int4': did you mean int8")
    assert_one_line(leanzoo(*export, ","), "no precision is named: expected some of fp32, fp16")
    kind = leanzoo(*export, "fp32", "--tensorrt", "onnx")
    assert_one_line(kind, "unknown kind of engine 'onnx': did you mean")


def test_the_first_step_of_a_raw_model_names_the_whole(leanzoo: Leanzoo, clicks: Published) -> None:
    asked = ("--rows", "0", "--local", "--repository", clicks.repository)
    assert_one_line(leanzoo("predict", f"{RECIPE}-encode", *asked), f"{RECIPE}-raw: ask that")


def test_half_a_character_is_refused(leanzoo: Leanzoo, clicks: Published, tmp_path: Path) -> None:
    (tmp_path / "given.json").write_text('[{"user": "\\ud800"}]')
    asked = ("--input", tmp_path / "given.json", "--local", "--repository", clicks.repository)
    outcome = leanzoo("predict", f"{RECIPE}-raw", *asked)
    assert_one_line(outcome, "field 'user' is '\\ud800': expected text of valid Unicode")


def test_exports_of_earlier_weights_are_not_published(
    leanzoo: Leanzoo, clicks: Published, tmp_path: Path
) -> None:
    shutil.copytree(clicks.runs, tmp_path / "runs")
    places = ("--runs", tmp_path / "runs", "--repository", tmp_path / "models")
    assert leanzoo("train", RECIPE, "--seed", 3, *QUICK, *places[:2]).code == 0
    assert_one_line(leanzoo("publish", RECIPE, *places), "was exported from an earlier training")
    assert not (tmp_path / "models").exists()
