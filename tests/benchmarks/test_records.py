"""Studies: what is at hand is not trained again, and what recipes would not give is dropped."""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import records
from benchmarks.ctr_accuracy import METRICS, picked, table
from benchmarks.records import Study, arguments, deployed_and_vanilla
from tests.benchmarks.conftest import STUDENT
from zoo.recipes import Recipe


def some_study(path: Path, recipe: Recipe = STUDENT) -> Study:
    return Study(
        path=path,
        recipes={recipe.name: recipe},
        methods=lambda _: ["ffg2m"],
        picked=lambda metrics: metrics["test_accuracy"],
        table=lambda found: {
            "recipes": {name: {"records": by_seed} for name, by_seed in found.items()}
        },
    )


def asked(runs: Path, **changed: Any) -> argparse.Namespace:
    given = {"recipes": [], "seeds": 1, "runs": runs, "threads": 1, "finished": True}
    return argparse.Namespace(**{**given, **changed})


def test_finished_models_are_not_trained_again(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "train", None)
    study = some_study(tmp_path / "table.json")
    study.run(asked(runs, finished=False))
    (found,) = json.loads(study.path.read_text())["recipes"]["mlp-toy"]["records"].values()
    assert found["id"] == STUDENT.id
    assert 0 < found["teacher"] <= 1
    assert 0 < found["student"] <= 1


def test_what_is_missing_is_trained(tmp_path: Path) -> None:
    study = some_study(tmp_path / "table.json")
    study.run(asked(tmp_path))
    assert not study.path.exists()
    study.run(asked(tmp_path, finished=False, seeds=2))
    assert set(study.earlier()["mlp-toy"]) == {"2022", "2023"}


def test_records_of_changed_recipes_are_dropped(runs: Path, tmp_path: Path) -> None:
    study = some_study(tmp_path / "table.json")
    study.run(asked(runs))
    assert set(study.earlier()["mlp-toy"]) == {"2022"}
    changed = some_study(study.path, replace(STUDENT, lr=0.02))
    assert changed.earlier() == {"mlp-toy": {}}


def test_a_study_of_unknown_recipes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["study", "mlp-tyo"])
    with pytest.raises(SystemExit, match="2"):
        arguments("A study.\n\nMore.", {"mlp-toy": STUDENT}, seeds=3)
    assert "no recipe 'mlp-tyo' with real data: did you mean mlp-toy?" in capsys.readouterr().err


def test_click_rows_are_means_over_seeds() -> None:
    def found(auc: float) -> dict[str, Any]:
        return {"id": "x", "student": picked({**dict.fromkeys(METRICS, 0.5), "test_auc": auc})}

    recipe = Recipe("logreg-one", "logreg", "one")
    assert deployed_and_vanilla(recipe) == ["vanilla"]
    row = table({recipe.name: recipe}, {recipe.name: {"1": found(0.7), "2": found(0.8)}})
    roles = row["recipes"]["logreg-one"]["roles"]
    assert roles["student"]["test_auc"] == pytest.approx({"mean": 0.75, "std": 0.05})
    assert row["recipes"]["logreg-one"]["seeds"] == [1, 2]
