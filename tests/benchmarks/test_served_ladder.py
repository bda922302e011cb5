"""The whole ladder of a toy, with a real Triton and a gateway."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.progress import Progress

from benchmarks.comparison import Plan
from benchmarks.ladder import bench as ladder
from benchmarks.ladder.cells import Budget
from benchmarks.ladder.effort import QUICK
from benchmarks.measurement import RUNGS
from benchmarks.regression import compare_runs, exit_code
from benchmarks.report.page import page
from benchmarks.report.results import parse

TINY = replace(
    QUICK,
    protocols=Plan(budget_s=0, least=6, most=6),
    budget=Budget(cell_s=0.01, most=8, longest_s=5.0, rounds=1),
    loads=replace(QUICK.loads, point_s=0.5, capacity_s=0.2, exam_s=5.0, shares=(0.05,)),
)


@pytest.fixture(scope="module")
def result(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("out") / "mlp-toy.json"
    with pytest.MonkeyPatch.context() as patch, Progress(disable=True) as bars:
        patch.setattr(ladder, "QUICK", TINY)
        ladder.bench("mlp-toy", runs, out, True, 1, bars)
    found: dict[str, Any] = json.loads(out.read_text())
    return found


pytestmark = pytest.mark.triton


def test_every_rung_is_climbed(result: dict[str, Any]) -> None:
    climbed = {(one["rung"], one["role"]) for one in result["rungs"] if one["batch"] == 1}
    both = ("teacher", "student")
    assert climbed >= {(rung, role) for rung in ("torch", "ort", "grpc", "http") for role in both}
    assert climbed >= {("compute", role) for role in (*both, "identity")}
    assert climbed >= {("gateway", "student"), ("gateway", "identity")}
    assert ("gateway", "teacher") not in climbed  # no node's neighbours come to the gateway
    assert {rung for rung, _ in climbed} <= set(RUNGS)


def test_one_start_of_the_server_makes_no_headline(result: dict[str, Any]) -> None:
    assert {one["rung"] for one in result["headlines"]} == {"ort", "grpc", "http", "gateway"}
    assert all(any("at least 5" in said for said in one["reasons"]) for one in result["headlines"])


def test_answers_through_the_endpoint_are_worth_what_training_found(result: dict[str, Any]) -> None:
    accuracy = result["accuracy"]
    for role in ("teacher", "student"):
        assert accuracy[role] == pytest.approx(result["quality"][role]["accuracy"], abs=0.002)
    assert not any("through the endpoint" in said for said in accuracy["reasons"])


def test_load_is_put_on_both_ways(result: dict[str, Any]) -> None:
    assert [(one["rung"], one["role"]) for one in result["curves"]] == [
        ("grpc", "teacher"),
        ("grpc", "student"),
        ("gateway", "student"),
    ]
    assert all(one["load"] == "open" and one["samples"] for one in result["curves"])
    assert all(cost["core_s_per_query"] > 0 for cost in result["costs"])


def test_floors_stand_below(result: dict[str, Any]) -> None:
    assert {floor["role"] for floor in result["floors"]} == {"teacher", "student"}
    assert all(floor["floor_ms"] > 0 for floor in result["floors"])


def test_it_becomes_a_page_and_equals_itself(result: dict[str, Any]) -> None:
    text = page([parse(result)])
    assert "mlp-toy" in text
    assert exit_code([compare_runs(result, result)]) == 0
