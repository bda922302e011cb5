"""The command line on click models: logs, schemas, scores, rankings, raw values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import QUICK, RECIPE, Leanzoo, Published
from zoo.cli.own import changed
from zoo.registry import draft_schema, get_recipe, get_spec, list_recipes


def test_training_reports_what_clicks_are_judged_by(leanzoo: Leanzoo, clicks: Published) -> None:
    arguments = ("train", RECIPE, "--epochs", 2, "--runs", clicks.runs)
    answer = leanzoo(*arguments, "--json").json
    assert answer["metrics"] == clicks.result["metrics"]
    assert answer["methods"] == ["kd", "vanilla"]
    for role in ("teacher", "student", "vanilla"):
        metrics = answer["metrics"][role]
        for part in ("val", "test"):
            assert 0.5 < metrics[f"{part}_auc"] < 1
            assert {f"{part}_logloss", f"{part}_calibration", f"{part}_ece"} <= set(metrics)
    table = leanzoo(*arguments).out
    assert f"{clicks.result['metrics']['student']['test_auc']:.4f}" in table
    assert "val logloss" not in table


def test_datasets_of_two_kinds_stand_in_two_tables(leanzoo: Leanzoo) -> None:
    graph, log = leanzoo("data", "toy", "clicks", "--json").json["datasets"]
    assert graph["nodes"] == 600
    assert (log["dataset"], log["fields"], log["rows"]) == (
        "clicks",
        6,
        log["train"] + log["val"] + log["test"],
    )
    text = leanzoo("data", "toy", "clicks").out
    assert "nodes" in text and "clicks" in text
    assert text.count("┏") == 2


def test_schema_is_drafted_and_used(leanzoo: Leanzoo, tmp_path: Path, log: Path) -> None:
    text = leanzoo("data", "schema", log, "--label", "click").out
    assert text == draft_schema(log, "click")
    assert leanzoo("data", "schema", log, "--label", "click", "--json").json == {"schema": text}
    (tmp_path / "drafted.toml").write_text(text)
    runs, drafted = tmp_path / "runs", tmp_path / "drafted.toml"
    command = ("train", "finalmlp", "--data", log, "--schema", drafted, "--runs", runs, *QUICK)
    answer = leanzoo(*command, "--json").json
    assert answer["recipe"] == "finalmlp-my-log"
    assert answer["metrics"]["student"]["epochs"] == 1
    names = {path.name.rpartition("-")[0] for path in runs.glob("*-log-*")}
    assert names == {"finalmlp-my-log", "ctr_ensemble-my-log"}


def test_own_log_through_to_scores(
    leanzoo: Leanzoo, tmp_path: Path, log: Path, schema: Path
) -> None:
    places = ("--runs", tmp_path / "runs")
    methods = ("--methods", "vanilla")
    own = ("--data", log, "--schema", schema)
    leanzoo("train", "finalmlp", *own, *QUICK, *methods, *places, "--json")
    exported = leanzoo("export", "finalmlp-my-log", *places, "--json").json["exports"]
    forms = ("", "-encode", "-raw", "-rank", "-rank-encode", "-rank-raw")
    assert {row["model"] for row in exported} == {f"finalmlp-my-log{form}" for form in forms}
    published = ("publish", "finalmlp-my-log", *places, "--repository", tmp_path / "models")
    assert leanzoo(*published).code == 0
    given = [{"user": "u1", "country": "de", "item": 3, "category": "a", "price": 0.5}, {}]
    (tmp_path / "rows.json").write_text(json.dumps(given))
    asked = ("--local", "--repository", tmp_path / "models", "--json")
    answer = leanzoo("predict", "finalmlp-my-log-raw", "--input", tmp_path / "rows.json", *asked)
    assert len(answer.json["scores"]) == 2
    assert all(0 < score < 1 for score in answer.json["scores"])


def test_schema_reaches_the_teacher_and_model_names_the_recipe(log: Path, schema: Path) -> None:
    recipe = changed("finalmlp", str(log), {"schema": str(schema)}, seed=5, epochs=3)
    first = next(r for r in list_recipes().values() if r.model == "finalmlp")
    assert recipe.config == first.config
    assert (recipe.seed, recipe.epochs) == (5, 3)
    assert recipe.teacher is not None
    assert recipe.data["schema"] == recipe.teacher.data["schema"]
    assert {**recipe.data, "schema": None} == {**first.data, "schema": None}
    assert recipe.dataset_sha256 == recipe.teacher.dataset_sha256 != ""


@pytest.mark.parametrize("file", ["a.b.csv.gz", "A B.CSV.GZ", "a-b.parquet"])
def test_compressed_files_name_models_too(tmp_path: Path, schema: Path, file: str) -> None:
    (tmp_path / file).touch()
    assert changed("finalmlp", str(tmp_path / file), {"schema": str(schema)}).name == "finalmlp-a-b"


def test_rows_of_the_log_in_every_form(leanzoo: Leanzoo, clicks: Published) -> None:
    data = get_spec("finalmlp").data(get_recipe(RECIPE))
    asked = ("--rows", "0,5,17", "--local", "--repository", clicks.repository)
    by_row, raw = (
        leanzoo("predict", f"{RECIPE}{form}", *asked, "--json").json["scores"]
        for form in ("", "-raw")
    )
    assert raw == pytest.approx(by_row, abs=1e-6)
    assert leanzoo("predict", RECIPE, *asked).out.splitlines()[1] == f"row 5: {by_row[1]:.4f}"
    rankings = [
        leanzoo("predict", f"{RECIPE}-rank{form}", *asked, "--json").json["ranking"]
        for form in ("", "-raw")
    ]
    for ranking in rankings:
        scores = [one["score"] for one in ranking]
        assert scores == sorted(scores, reverse=True)
        own = {one["candidate"]: one["score"] for one in ranking}
        assert set(own) == {0, 5, 17}
        assert own[0] == pytest.approx(by_row[0], abs=1e-6)
    assert data.n_rows > 17


def test_records(leanzoo: Leanzoo, clicks: Published, tmp_path: Path) -> None:
    def predict(model: str, given: Any, *more: object) -> Any:
        (tmp_path / "given.json").write_text(json.dumps(given))
        local = ("--local", "--repository", clicks.repository, *more)
        return leanzoo("predict", model, "--input", tmp_path / "given.json", *local)

    request = {"user": "u3", "country": "de"}
    items = [{"item": 5, "category": "toys", "tags": ["big", "new"], "price": 9.5}, {"item": "5"}]
    scores = predict(f"{RECIPE}-raw", [{**request, **item} for item in items], "--json").json
    ranking = predict(f"{RECIPE}-rank-raw", {"request": request, "candidates": items}, "--json")
    by_candidate = {one["candidate"]: one["score"] for one in ranking.json["ranking"]}
    assert [by_candidate[0], by_candidate[1]] == pytest.approx(scores["scores"], abs=1e-6)
    best = max(by_candidate, key=by_candidate.__getitem__)
    first = predict(f"{RECIPE}-rank-raw", {"request": request, "candidates": items}, "--top", 1)
    assert first.out == f"1. candidate {best}: {by_candidate[best]:.4f}\n"


def test_a_form_that_does_not_suit_is_said(leanzoo: Leanzoo, tmp_path: Path, log: Path) -> None:
    (tmp_path / "s.toml").write_text(
        'label = "click"\n[fields]\nuser = {}\nprice = { kind = "numeric", role = "item" }\n'
    )
    places = ("--runs", tmp_path / "runs", "--json")
    own = ("--data", log, "--schema", tmp_path / "s.toml", "--methods", "vanilla")
    leanzoo("train", "finalmlp", *own, *QUICK, *places)
    outcome = leanzoo("export", "finalmlp-my-log", *places)
    assert outcome.err == (
        "finalmlp-my-log has no form 'rank', which is for one request and many candidates, where "
        "both have categorical or multi fields\n"
    )
    assert all("rank" not in row["model"] for row in outcome.json["exports"])


@pytest.mark.triton
def test_demo(leanzoo: Leanzoo, clicks: Published, tmp_path: Path) -> None:
    """The toy once through everything, on a real server."""
    answer = leanzoo("demo", RECIPE, "--runs", clicks.runs, "--repository", tmp_path, "--json").json
    (demo,) = answer["demos"]
    assert answer["seconds"] == demo["seconds"]
    student, served = demo["metrics"]["student"], demo["served"]
    assert served["model"] == RECIPE
    assert served["test_auc"] == pytest.approx(student["test_auc"], abs=1e-4)
    assert served["max_abs_diff"] < 1e-5
    assert {way["model"]: way["rows"] for way in served["raw"]} == {
        f"{RECIPE}-raw": 1,
        f"{RECIPE}-rank-raw": 100,
    }
    assert all(way["max_abs_diff"] < 1e-5 for way in served["raw"])
    assert {"R_b1", "K_b1000", "K_b1000_rows"} <= set(demo["bench"]["ratios"])
