"""Protocol F on generated series: who is asked for what; nothing here judges a time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.progress import Progress

from benchmarks.comparison import Plan
from benchmarks.forecast_protocols import PATHS, drawing, windows
from benchmarks.ladder import bench as ladder
from benchmarks.ladder.effort import QUICK
from benchmarks.measurement import VALID
from benchmarks.subjects import Pair, Subject, open_pair
from benchmarks.table import headline_table, markdown_table
from zoo import results
from zoo.artifact import Artifact
from zoo.contract import Signature, TensorSpec
from zoo.distill import Workshop, train
from zoo.recipes import VANILLA
from zoo.registry import get_recipe, get_spec

PLAN = Plan(budget_s=0, least=6, most=6)
RECIPE = "quantile_mlp-waves"
STEP, WINDOW = 32, 120  # of the drawing teacher's graph


@pytest.fixture(scope="module")
def series_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("series-runs")
    recipe = get_recipe(RECIPE).using(epochs=1)
    with Progress(disable=True) as bars:
        methods = [recipe.method, VANILLA]
        train(recipe, [recipe.seed], methods, False, Workshop(folder, "cpu", bars))
    return folder


@pytest.fixture(scope="module")
def series_pair(series_runs: Path) -> Pair:
    return open_pair(RECIPE, series_runs, threads=1)


def test_windows(series_pair: Pair) -> None:
    outcome = windows(series_pair, 16, PLAN)
    teacher, student = outcome.measurements
    assert (teacher.role, teacher.batch, teacher.verdict) == ("teacher", 16, VALID)
    assert (student.role, student.form, student.verdict) == ("student", "series", VALID)
    assert outcome.ratio is not None


def drawing_pair(pair: Pair, asked: list[Any]) -> Pair:
    """The pair with a teacher that draws, and writes down what it is asked."""
    history = TensorSpec("history", "float32", (96,), "values", missing=True)
    noise = TensorSpec("noise", "float32", (3, WINDOW), "standard normal")
    path = TensorSpec("path", "float32", (24,), "drawn")

    def run(arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
        asked.append(arrays)
        return [arrays["history"][:, -24:] + arrays["noise"][:, 0, -24:]]

    student = next(iter(pair.students.values()))
    teacher: Subject = replace(
        student,
        role="teacher",
        form="paths",
        signature=Signature((history, noise), (path,), STEP),
        run=run,
    )
    return replace(pair, teacher=lambda form: teacher, teacher_forms=("denoiser", "paths"))


def test_a_teacher_that_draws_is_asked_for_paths_of_every_channel(series_pair: Pair) -> None:
    asked: list[Any] = []
    pair, data = drawing_pair(series_pair, asked), series_pair.data
    subject = drawing(pair.teacher("paths"), data, seed=0)
    (paths,) = subject.run(subject.rows(np.array([3])))
    channels = len(data.table.channels)
    assert paths.shape == (channels * PATHS, 24)
    assert [len(part["history"]) for part in asked] == [STEP] * 12 + [16]
    real = data.parts["test"].history(data.asked[[3]])[0]
    history = np.concatenate([part["history"] for part in asked])
    np.testing.assert_array_equal(history[0], real[0])
    np.testing.assert_array_equal(history[-1], real[-1])
    np.testing.assert_array_equal(asked[0]["noise"], asked[1]["noise"])


def test_drawing_is_timed_for_one_window(series_pair: Pair) -> None:
    pair = drawing_pair(series_pair, [])
    one, several = (windows(pair, batch, PLAN) for batch in (1, 16))
    assert [m.role for m in one.measurements] == ["teacher", "student"]
    assert [m.role for m in several.measurements] == ["student"]
    assert several.ratios == ()


def test_bench_and_its_tables(series_runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladder, "QUICK", replace(QUICK, protocols=PLAN))
    with Progress(disable=True) as bars:
        result = ladder.bench(RECIPE, series_runs, None, True, 1, bars, False)
    assert set(result["ratios"]) == {"F_b1", "F_b16", "F_b64"}
    (head, _, row) = headline_table([result]).splitlines()
    assert head == "| recipe | student, ms | F: 1 window | F: 16 | F: 64 |"
    assert row.startswith(f"| `{RECIPE}` | 0.")
    assert "| F: windows |" in markdown_table([result])


def test_the_teacher_is_found_where_labels_alone_are_deployed(series_runs: Path) -> None:
    file = series_runs / RECIPE / results.RESULT
    result = json.loads(file.read_text())
    vanilla = (
        get_recipe(RECIPE).using(epochs=1).by(VANILLA, get_spec("quantile_mlp").distill_config)
    )
    run = results.checkpoint_path(vanilla, series_runs)
    assert Artifact.load(run).parents == {}
    try:
        file.write_text(json.dumps({**result, "deployed": VANILLA, "run": run.name}))
        pair = open_pair(RECIPE, series_runs, threads=1)
        assert pair.teacher(pair.teacher_forms[0]).role == "teacher"
    finally:
        file.write_text(json.dumps(result))
