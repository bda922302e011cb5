"""Protocols R and K on the toy log: what they check and compare; nothing here judges a time."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from rich.progress import Progress

from benchmarks import raw_path
from benchmarks.click_protocols import protocols, ranking, rows, tiled
from benchmarks.comparison import Plan
from benchmarks.environments import ComparisonError
from benchmarks.fuxictr import write_setup
from benchmarks.ladder import bench as ladder
from benchmarks.ladder.effort import QUICK
from benchmarks.measurement import INVALID, VALID, Measurement
from benchmarks.subjects import Pair, open_pair
from benchmarks.table import headline_table, markdown_table, terminal_table
from export.to_onnx import export_checkpoint
from zoo.distill import Workshop, train
from zoo.recipes import VANILLA
from zoo.registry import get_recipe, get_spec

PLAN = Plan(budget_s=0, least=60, most=60)
RECIPE = "finalmlp-clicks"


@pytest.fixture(scope="session")
def click_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("click-runs")
    recipe = get_recipe(RECIPE).using(epochs=1)
    with Progress(disable=True) as bars:
        train(recipe, [recipe.seed], ["kd"], False, Workshop(folder, "cpu", bars))
    return folder


@pytest.fixture(scope="session")
def click_pair(click_runs: Path) -> Pair:
    return open_pair(RECIPE, click_runs, threads=1)


@pytest.mark.parametrize("batch", [1, 100])
def test_rows(click_pair: Pair, batch: int) -> None:
    outcome = rows(click_pair, batch, PLAN)
    teacher, student = outcome.measurements
    assert (teacher.verdict, student.verdict) == (VALID, VALID)
    assert (teacher.role, student.form, student.batch) == ("teacher", "rows", batch)
    assert teacher.max_abs_diff is not None
    assert teacher.max_abs_diff < 1e-4
    assert student.nodes_fetched is None
    assert outcome.ratio is not None
    assert outcome.ratio.low <= outcome.ratio.value <= outcome.ratio.high


def test_more_rows_than_the_log_has(click_pair: Pair) -> None:
    assert click_pair.data.n_rows < 1000
    outcome = rows(click_pair, 1000, PLAN)
    assert outcome.student.batch == 1000
    assert outcome.student.verdict == VALID


def test_a_teacher_of_other_weights_is_not_timed(click_pair: Pair) -> None:
    outcome = rows(replace(click_pair, logits=click_pair.logits + 0.01), 1, PLAN)
    assert outcome.teacher.verdict == INVALID
    assert "differs from the trained teacher by 0.01" in outcome.teacher.reasons[0]
    assert (outcome.teacher.samples, outcome.ratio) == (0, None)
    assert outcome.student.verdict == VALID


def test_tiled_rows_repeat_the_request(click_pair: Pair) -> None:
    """The first row's request with every row's item; the first row is thus the log's own."""
    ids = np.array([3, 5, 9])
    rank, plain = click_pair.students["rank"], click_pair.students["rows"]
    repeated, own = tiled(rank, plain.signature, ids), plain.rows(ids)
    columns = np.array(plain.signature.inputs[0].columns)
    shared = np.isin(columns, ["user", "country"])
    assert (repeated["ids"][0] == own["ids"][0]).all()
    assert (repeated["ids"][:, shared] == own["ids"][0, shared]).all()
    assert (repeated["ids"][:, ~shared] == own["ids"][:, ~shared]).all()
    np.testing.assert_array_equal(repeated["numeric"], own["numeric"])
    assert not shared.all() and shared.any()


def test_ranking(click_pair: Pair) -> None:
    outcome = ranking(click_pair, 100, PLAN)
    assert [(m.role, m.form) for m in outcome.measurements] == [
        ("teacher", "rows"),
        ("student", "rows"),
        ("student", "rank"),
    ]
    assert {m.verdict for m in outcome.measurements} == {VALID}
    assert outcome.student.max_abs_diff is not None
    assert outcome.student.max_abs_diff < 1e-4
    assert all(outcome.ratios)


def test_a_ranking_graph_that_is_wrong_is_not_timed(click_pair: Pair) -> None:
    rank = click_pair.students["rank"]
    wrong = replace(rank, run=lambda arrays: [out + 1 for out in rank.run(arrays)])
    pair = replace(click_pair, students={**click_pair.students, "rank": wrong})
    outcome = ranking(pair, 1, PLAN)
    assert "differs from its row-wise answers by 1" in outcome.student.reasons[0]
    assert outcome.ratios == (None, None)
    assert outcome.teacher.verdict == VALID


def test_models_that_do_not_rank_are_asked_for_rows_alone(click_pair: Pair) -> None:
    students = {"rows": click_pair.students["rows"]}
    assert set(protocols(replace(click_pair, students=students), PLAN)) == {
        "R_b1",
        "R_b100",
        "R_b1000",
    }


def test_ladder_and_its_tables(
    click_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Plan(budget_s=0, least=50, most=50)
    monkeypatch.setattr(ladder, "QUICK", replace(QUICK, protocols=plan))
    with Progress(disable=True) as bars:
        result = ladder.bench(RECIPE, click_runs, tmp_path / "out.json", True, 1, bars, False)
    assert json.loads((tmp_path / "out.json").read_text()) == result
    found = [Measurement.from_json(raw) for raw in result["measurements"]]
    assert [m.protocol for m in found] == ["R"] * 6 + ["K"] * 9
    names = [f"{protocol}_b{batch}" for protocol in "RK" for batch in (1, 100, 1000)]
    assert set(result["ratios"]) == {*names, *(f"{name}_rows" for name in names[3:])}
    lines = [line for line in markdown_table([result]).splitlines() if line.startswith("| ")]
    assert len(lines) == 2 + 15
    assert "fetched" not in lines[0] and "rows/s" in lines[0]
    head, _, row = headline_table([result]).splitlines()
    assert head.count("|") == row.count("|") == 10
    assert "–" not in row
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(terminal_table(result))
    assert "K: candidates" in console.export_text()


@pytest.mark.triton
def test_raw_path(click_runs: Path) -> None:
    run = next(click_runs.glob(f"{RECIPE}-*/weights.safetensors")).parent
    export_checkpoint(run, None, click_runs / RECIPE / "onnx")
    result = raw_path.measure(RECIPE, click_runs, rows=10, requests=40)
    paths: list[dict[str, Any]] = result["paths"]
    assert [(path["form"], path["rows"]) for path in paths] == [("rows", 10), ("rank", 10)]
    for path in paths:
        for way in ("ids", "raw", "records"):
            assert path[f"{way}_p50_ms"]["value"] > 0
        ratio = path["raw_p50_ms"]["value"] / path["ids_p50_ms"]["value"]
        assert path["raw_over_ids"]["value"] == pytest.approx(ratio, rel=0.2)


def test_what_fuxictr_is_told(tmp_path: Path) -> None:
    shipped = get_recipe(RECIPE)
    recipe = shipped.by(VANILLA, get_spec(shipped.model).distill_config)
    with pytest.raises(ComparisonError, match="clicks has numeric or multi-valued fields"):
        write_setup(recipe, 1, tmp_path)
    fields = {name: {} for name in ("category", "country", "item", "user")}
    plain = {"schema": {"label": "click", "fields": {**fields, "item": {"role": "item"}}}}
    write_setup(recipe.using(data={**recipe.data, **plain}), 1, tmp_path)
    setup = json.loads((tmp_path / "setup.json").read_text())
    assert set(setup["fields"]) == set(fields)
    assert (setup["lr"], setup["l2"], setup["batch_size"]) == (
        recipe.lr,
        recipe.weight_decay,
        recipe.batch_size,
    )
    with np.load(tmp_path / "data.npz") as archive:
        ids, sizes = archive["train_ids"], list(setup["fields"].values())
        assert (ids.max(axis=0) < sizes).all()
        assert len(ids) == len(archive["train_y"])
