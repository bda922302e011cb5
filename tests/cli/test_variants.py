"""Precisions on the command line: what is refused, and which one is published."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from export import choice, precision, to_onnx
from tests.cli.conftest import MODEL, Leanzoo, assert_one_line
from zoo.artifact import Artifact


def times(monkeypatch: pytest.MonkeyPatch, *us: float) -> None:
    """What each variant takes, the most precise first."""
    monkeypatch.setattr(choice, "p50s_us", lambda asks, _: [*us[: len(asks)]])


def test_a_variant_that_costs_too_much_is_refused_by_itself(
    leanzoo: Leanzoo, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = replace(precision.FP16, lost=dict.fromkeys(precision.FP16.lost, -1.0))
    monkeypatch.setitem(precision.PRECISIONS, "fp16", never)
    monkeypatch.setattr(to_onnx, "variant", _as(precision.FP16, never, to_onnx.variant))
    outcome = leanzoo(
        "export",
        MODEL,
        "--runs",
        exported,
        "--forms",
        "dense",
        "--precision",
        "fp32,fp16",
        "--json",
    )
    assert outcome.code == 1
    (passed,), (refused,) = outcome.json["exports"], outcome.json["refused"]
    assert (passed["precision"], passed["gates"]["task"]["metrics"]["accuracy"]["change"]) == (
        *("fp32", 0),
    )
    assert (refused["model"], refused["precision"]) == (MODEL, "fp16")
    assert refused["reason"].startswith("mlp-toy as fp16 would cost too much: accuracy ")
    assert refused["task"]["metrics"]["accuracy"]["allowed"] == -1
    folder = exported / MODEL / "onnx"
    assert (folder / "fp32" / MODEL / "artifact.json").is_file()
    assert [p.name for p in (folder / "fp16" / MODEL).iterdir()] == ["refused.json"]
    outcome = leanzoo(
        *("publish", MODEL, "--runs", exported, "--repository", exported / "m"),
        *("--precision", "fp16"),
    )
    assert_one_line(outcome, "cannot be published in fp16: mlp-toy as fp16 would cost too much")
    assert not (exported / "m").exists()


def _as(known: precision.Precision, other: precision.Precision, make: Any) -> Any:
    """'variant' with another precision in the place of one that it knows."""

    def variant(trained: Any, form: str, asked: precision.Precision) -> Any:
        return replace(make(trained, form, known if asked is other else asked), precision=asked)

    return variant


def test_the_fastest_is_published_and_what_it_was_chosen_among_is_said(
    leanzoo: Leanzoo, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = ("--runs", exported, "--repository", tmp_path / "models")
    made = leanzoo("export", MODEL, "--runs", exported, "--precision", "fp32,fp16", "--json")
    assert made.code == 0 and made.json["refused"] == []
    times(monkeypatch, 50, 48)
    kept = leanzoo("publish", MODEL, *places, "--json").json["published"]
    assert {one["precision"] for one in kept} == {"fp32"}  # not clearly slower
    times(monkeypatch, 50, 40)
    fast = leanzoo("publish", MODEL, *places, "--json").json["published"]
    assert {(one["precision"], one["version"]) for one in fast} == {("fp16", 2)}
    variants = fast[0]["variants"]
    assert [(one["precision"], one["p50_us"]) for one in variants] == [("fp32", 50), ("fp16", 40)]
    assert variants[1]["size_bytes"] < 0.7 * variants[0]["size_bytes"]
    said = leanzoo("publish", MODEL, *places).out
    assert "mlp-toy version 2 unchanged, fp16" in said and "fp32: 50.0 µs" in said
    forced = leanzoo("publish", MODEL, *places, "--precision", "fp32", "--json").json["published"]
    assert {one["precision"] for one in forced} == {"fp32"}
    card = (tmp_path / "models" / MODEL / "card.md").read_text()
    assert "fp32 (as trained)" in card
    outcome = leanzoo("publish", MODEL, *places, "--precision", "int8")
    assert_one_line(outcome, "mlp-toy cannot be published in int8: it is not exported")


def test_sm_belongs_to_engines_of_rtx(leanzoo: Leanzoo, exported: Path) -> None:
    assert_one_line(leanzoo("export", MODEL, "--runs", exported, "--sm", "89"), "--tensorrt rtx")
    for_plans = ("export", MODEL, "--runs", exported, "--tensorrt", "rtx", "--any-version")
    assert_one_line(leanzoo(*for_plans), "it belongs to '--tensorrt plan'")


def test_a_plan_needs_a_gpu_and_says_what_does_not(
    leanzoo: Leanzoo, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    outcome = leanzoo("export", MODEL, "--runs", exported, "--tensorrt", "plan")
    assert_one_line(outcome, "no NVIDIA GPU is seen here")
    assert "'--tensorrt rtx', which builds engines without" in outcome.err


def test_artifacts_lie_by_precision(exported: Path, leanzoo: Leanzoo) -> None:
    asked = ("export", MODEL, "--runs", exported, "--forms", "sparse", "--precision", "all")
    assert leanzoo(*asked).code in (0, 1)
    folders = sorted((exported / MODEL / "onnx").glob(f"*/{MODEL}-sparse/artifact.json"))
    assert {"fp32", "fp16"} <= {path.parts[-3] for path in folders}
    for path in folders:
        assert Artifact.load(path.parent).metrics["precision"] == path.parts[-3]


@pytest.mark.triton
def test_smoke_asks_a_real_triton_before_anything_is_published(
    leanzoo: Leanzoo, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = ("--runs", exported, "--repository", tmp_path / "models")
    leanzoo("export", MODEL, "--runs", exported)
    monkeypatch.setattr("zoo.cli.smoke.MOST", -1)
    refused = leanzoo("publish", MODEL, *places, "--precision", "fp32", "--smoke")
    assert refused.code == 1 and "expected Triton to answer probabilities as this" in refused.err
    assert not (tmp_path / "models").exists()
    monkeypatch.undo()
    assert leanzoo("publish", MODEL, *places, "--precision", "fp32", "--smoke").code == 0
    found = json.loads((exported / MODEL / "smoke.json").read_text())["models"]
    assert {one["model"]: one["max_abs_diff"] for one in found} == {
        MODEL: pytest.approx(0, abs=1e-6),
        f"{MODEL}-sparse": pytest.approx(0, abs=1e-6),
    }


def test_all_variants_refused_is_said_without_an_artifact(
    leanzoo: Leanzoo, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = replace(precision.INT8_WEIGHTS, lost=dict.fromkeys(precision.FP16.lost, -1.0))
    monkeypatch.setitem(precision.PRECISIONS, "int8-weights", never)
    monkeypatch.setattr(to_onnx, "variant", _as(precision.INT8_WEIGHTS, never, to_onnx.variant))
    asked = ("export", MODEL, "--runs", exported, "--precision", "int8-weights")
    outcome = leanzoo(*asked, "--json")
    assert (outcome.code, outcome.json["exports"], len(outcome.json["refused"])) == (1, [], 2)
    assert leanzoo(*asked).err.count("refused: ") == 2


def test_unknown_precisions_are_not_sent_to_export(
    leanzoo: Leanzoo, exported: Path, tmp_path: Path
) -> None:
    outcome = leanzoo("publish", MODEL, "--runs", exported, "--precision", "fp17")
    assert_one_line(outcome, "unknown precision 'fp17': did you mean fp16")


def test_earlier_trainings_are_passed_over(
    leanzoo: Leanzoo, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And their engines are removed, their refusals not shown."""
    runs = Path(shutil.copytree(exported, tmp_path / "runs"))
    leanzoo("export", MODEL, "--runs", runs, "--precision", "fp32,fp16")
    stale = runs / MODEL / "onnx" / "fp16" / MODEL
    raw = json.loads((stale / "artifact.json").read_text())
    raw["parents"]["checkpoint"] = "0" * 64
    (stale / "artifact.json").write_text(json.dumps(raw))
    engines = runs / MODEL / "tensorrt" / "fp32" / MODEL
    shutil.copytree(runs / MODEL / "onnx" / "fp32" / MODEL, engines)
    leanzoo("export", MODEL, "--runs", runs)
    assert not engines.exists()
    times(monkeypatch, 50, *[1] * 4)
    places = ("--runs", runs, "--repository", tmp_path / "models")
    found = leanzoo("publish", MODEL, *places, "--json").json["published"]
    assert {one["model"]: one["precision"] for one in found}[MODEL] == "fp32"


def test_the_chosen_one_is_clearly_faster_than_every_more_precise_one() -> None:
    assert choice._fastest([100, 96, 94]) == 0
    assert choice._fastest([100, 96, 90]) == 2
    assert choice._fastest([100, 90, 89]) == 1
    assert choice._fastest([100, 99, 98]) == 0
