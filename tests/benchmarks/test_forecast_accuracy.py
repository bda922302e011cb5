"""The table of forecasters: roles, baselines, and which method is deployed."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import records
from benchmarks.forecast_accuracy import METRICS, picked, study, table
from benchmarks.forecast_table import DRAWN, NOTE, forecast
from zoo.recipes import Recipe
from zoo.registry import get_recipe

MODEL = {**dict.fromkeys(METRICS, 0.5), "train_seconds": 2.0, "epochs": 3}


def found(student: float, vanilla: float) -> dict[str, Any]:
    """A seed's record, by the MSE of two methods."""
    mse = {"teacher": 0.4, "student": student, "vanilla": vanilla, "ridge": 0.37}
    roles = {r: picked({**MODEL, "val_mse": v, "test_mse": v + 0.01}) for r, v in mse.items()}
    return {"id": "x", **roles}


def rows(gate: bool, model: str = "patchtst") -> dict[str, Any]:
    teacher = Recipe("t", model, "ett")
    data, distill = {"lookback": 512, "horizon": 192}, {"method": "paths"}
    recipe = Recipe(
        "a", "quantile_mlp", "ett", data=data, distill=distill, teacher=teacher, gate=gate
    )
    seeds = {"1": found(0.36, 0.35), "2": found(0.34, 0.33)}
    made: dict[str, Any] = table({"a": recipe}, {"a": seeds})["recipes"]
    return made


def test_what_is_recorded() -> None:
    assert set(picked(MODEL)) == {*METRICS, "train_seconds"}
    assert picked({"test_mse": 1.0}) == {"test_mse": 1.0}


@pytest.mark.parametrize(("gate", "deployed"), [(False, "student"), (True, "vanilla")])
def test_the_gate_decides_on_validation(gate: bool, deployed: str) -> None:
    row = rows(gate)["a"]
    assert row["deployed"] == deployed
    assert (row["lookback"], row["horizon"], row["seeds"]) == (512, 192, [1, 2])
    assert row["roles"]["student"]["test_mse"] == pytest.approx({"mean": 0.36, "std": 0.01})


def test_markdown() -> None:
    head, _, line, _, note = forecast(rows(gate=True)).splitlines()
    assert head.startswith("| recipe | history → horizon | seeds | last value | seasonal naive |")
    assert line == (
        "| `a` | 512 → 192 | 2 | – | – | 0.3800 | patchtst 0.4100 ± 0.0000 | 0.3600 ± 0.0100 | "
        "**0.3500 ± 0.0100** | 0.5000, 0.5000, 0.500 |"
    )
    assert note == NOTE
    assert forecast(rows(gate=False, model="gpd")).endswith(f"{NOTE} {DRAWN}")
    assert forecast({}) == ""


def test_a_model_without_a_teacher_learned_from_labels_alone() -> None:
    recipe = Recipe("r", "rlinear", "ett")
    made = table({"r": recipe}, {"r": {"1": {"id": "x", "student": picked(MODEL)}}})["recipes"]
    assert forecast(made).splitlines()[2].endswith("| – | – | **0.5000** | 0.5000, 0.5000, 0.500 |")


def test_baselines_are_read_from_the_student(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "quantile_mlp-waves"
    recipe = get_recipe(name).using(epochs=1)
    made = study(tmp_path / "table.json", {name: recipe})
    given = {"recipes": [], "seeds": 1, "runs": tmp_path / "runs", "threads": 1}
    made.run(argparse.Namespace(**given, finished=False))
    monkeypatch.setattr(records, "train", None)
    made.run(argparse.Namespace(**given, finished=True))
    row = json.loads(made.path.read_text())["recipes"][name]
    trained, baselines = (
        ["teacher", "student", "vanilla"],
        ["last_value", "seasonal_naive", "ridge"],
    )
    assert set(row["roles"]) == {*trained, *baselines}
    assert (
        row["roles"]["ridge"]["test_mse"]["mean"] < row["roles"]["last_value"]["test_mse"]["mean"]
    )
