"""The whole command: files written, graphs exported once, errors in one line."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress

from benchmarks import subjects
from benchmarks.comparison import Plan
from benchmarks.ladder import bench as ladder
from benchmarks.ladder.bench import bench
from benchmarks.ladder.effort import QUICK
from benchmarks.measurement import Measurement
from benchmarks.subjects import Pair, open_pair
from benchmarks.table import markdown_table, terminal_table
from tests.benchmarks.conftest import STUDENT
from zoo import checkpoint
from zoo.artifact import Artifact, ArtifactError
from zoo.distill import Workshop, train
from zoo.recipes import Recipe
from zoo.registry import get_spec


@pytest.fixture
def result(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    plan = Plan(budget_s=0, least=50, most=50)
    monkeypatch.setattr(ladder, "QUICK", replace(QUICK, protocols=plan))
    with Progress(disable=True) as bars:
        found = bench("mlp-toy", runs, tmp_path / "out" / "mlp-toy.json", True, 1, bars, False)
    assert json.loads((tmp_path / "out" / "mlp-toy.json").read_text()) == found
    assert json.loads((runs / "mlp-toy" / "bench.json").read_text()) == found
    return found


def test_result(result: dict[str, object]) -> None:
    found = [Measurement.from_json(raw) for raw in result["measurements"]]  # type: ignore[attr-defined]
    assert [(m.protocol, m.batch) for m in found[::2]] == [
        *(("A", 1), ("A", 10), ("B", 1), ("B", 10), ("C", 600)),
    ]
    assert [m.role for m in found] == ["teacher", "student"] * 5
    assert set(result["ratios"]) == {"A_b1", "A_b10", "B_b1", "B_b10", "C"}  # type: ignore[call-overload]


def test_tables_hold_every_measurement(result: dict[str, object]) -> None:
    text = markdown_table([result])
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + 10
    assert len({line.count("|") for line in rows}) == 1
    console = Console(width=250, record=True, file=io.StringIO())
    console.print(terminal_table(result))
    assert "B: online, sampled" in console.export_text()


def test_graphs_are_exported_once(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_pair("mlp-toy", runs, threads=1)
    monkeypatch.setattr(subjects, "export_checkpoint", None)
    open_pair("mlp-toy", runs, threads=1)


def test_a_teacher_of_another_data_set_reads_its_own(
    runs: Path, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe_of, read = checkpoint.recipe_of, []

    def moved(artifact: Artifact) -> Recipe:
        recipe = recipe_of(artifact)
        return replace(recipe, dataset="other") if recipe.model == "gcn" else recipe

    def data(recipe: Recipe) -> object:
        read.append(recipe.dataset)
        return pair.data

    monkeypatch.setattr(checkpoint, "recipe_of", moved)
    monkeypatch.setattr(subjects, "get_spec", lambda name: replace(get_spec(name), data=data))
    open_pair("mlp-toy", runs, threads=1)
    assert read == ["toy", "other"]


def test_untrained(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="leanzoo train mlp-toy"):
        open_pair("mlp-toy", tmp_path, threads=1)


def test_where_nothing_can_be_written_nothing_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ladder, "open_pair", None)
    (tmp_path / "file").touch()
    for out, message in ((tmp_path, "it is a folder"), (tmp_path / "file" / "x", "is no folder")):
        with (
            Progress(disable=True) as bars,
            pytest.raises(ArtifactError, match=f"cannot write {out}: .*{message}"),
        ):
            bench("mlp-toy", tmp_path, out, True, 1, bars)


def test_without_a_teacher(tmp_path: Path) -> None:
    with Progress(disable=True) as bars:
        train(STUDENT, [2022], ["vanilla"], False, Workshop(tmp_path, "cpu", bars))
    with pytest.raises(ArtifactError, match="no teacher"):
        open_pair("mlp-toy", tmp_path, threads=1)


def test_inductive(tmp_path: Path) -> None:
    recipe = replace(STUDENT.using(data={"setting": "inductive"}))
    with Progress(disable=True) as bars:
        train(recipe, [2022], ["ffg2m"], False, Workshop(tmp_path, "cpu", bars))
    with pytest.raises(ArtifactError, match="inductive"):
        open_pair("mlp-toy", tmp_path, threads=1)
