"""The command line as a user meets it: results, one-line failures, exit codes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.cli.conftest import Leanzoo, assert_one_line
from zoo.families.graph_mlp.npz import npz_bytes
from zoo.families.graph_mlp.toy import make_toy_graph
from zoo.registry import list_models, list_recipes

if TYPE_CHECKING:
    from tests.conftest import Trained

QUICK = ("--epochs", "2", "--threads", "1", "--no-also")


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A graph of the user's own."""
    path = tmp_path / "My Graph_1.npz"
    path.write_bytes(npz_bytes(make_toy_graph(1, nodes=400)))
    return path


def test_list(leanzoo: Leanzoo, toy: Trained) -> None:
    answer = leanzoo("list", "--runs", toy.runs, "--json").json
    rows = {row["recipe"]: row for row in answer["recipes"]}
    assert set(rows) == set(list_recipes())
    assert rows["mlp-toy"] == {
        "recipe": "mlp-toy",
        "model": "mlp",
        "dataset": "toy",
        "teacher": "gcn",
        "trained": True,
    }
    assert not rows["mlp-cora"]["trained"]
    assert set(answer["models"]) == set(list_models())
    table = leanzoo("list", "--runs", toy.runs)
    assert table.code == 0
    assert "mlp-citeseer" in table.out


def test_data(leanzoo: Leanzoo, mine: Path) -> None:
    toy, own = leanzoo("data", "toy", mine, "--json").json["datasets"]
    assert (toy["dataset"], toy["nodes"], toy["features"]) == ("toy", 600, 200)
    assert (own["dataset"], own["nodes"]) == ("My Graph_1", 400)
    assert "600" in leanzoo("data", "toy").out


def test_train_prints_one_object(leanzoo: Leanzoo, toy: Trained) -> None:
    """The session's training is found, and reported as it was."""
    outcome = leanzoo("train", "mlp-toy", "--runs", toy.runs, "--json", "--threads", 1)
    assert (outcome.code, outcome.err) == (0, "")
    assert {"metrics", "seeds", "run", "seconds"} <= set(outcome.json)
    assert outcome.json["metrics"] == toy.result["metrics"]
    assert outcome.json["run"] == toy.result["run"]
    assert outcome.json["seeds"] == [2022]
    table = leanzoo("train", "mlp-toy", "--runs", toy.runs, "--threads", 1).out
    assert all(role in table for role in ("teacher", "student", "vanilla", "inductive"))


def test_seeds_and_methods(leanzoo: Leanzoo, tmp_path: Path) -> None:
    chosen = ("--seed", 7, "--seeds", 2, "--methods", "low,vanilla", *QUICK)
    answer = leanzoo("train", "mlp-toy", "--runs", tmp_path, "--json", *chosen).json
    assert (answer["seeds"], answer["methods"]) == ([7, 8], ["low", "vanilla"])
    assert len(answer["metrics"]["student"]["test_accuracy_per_seed"]) == 2
    assert answer["metrics"]["teacher"]["epochs"] == 2
    assert (tmp_path / answer["run"]).is_dir()


def test_own_data_names_the_model(leanzoo: Leanzoo, tmp_path: Path, mine: Path) -> None:
    command = ("train", "mlp-toy", "--runs", tmp_path / "runs", "--json", *QUICK, "--data")
    answer = leanzoo(*command, mine).json
    assert answer["recipe"] == "mlp-my-graph-1"
    assert answer["run"].startswith("mlp-my-graph-1-")
    names = {path.name.rpartition("-")[0] for path in (tmp_path / "runs").glob("*-*-*-*-*")}
    assert names == {"mlp-my-graph-1", "gcn-my-graph-1"}
    moved = tmp_path / "elsewhere" / mine.name
    moved.parent.mkdir()
    shutil.move(mine, moved)
    assert leanzoo(*command, moved).json["run"] == answer["run"]
    moved.write_bytes(npz_bytes(make_toy_graph(2, nodes=400)))
    assert leanzoo(*command, moved).json["run"] != answer["run"]


@pytest.mark.parametrize(
    ("file", "tag"), [("ÜBER.npz", "ber"), ("__.npz", "own"), ("a.b.npz", "a-b"), ("日.npz", "own")]
)
def test_names_are_plain(tmp_path: Path, file: str, tag: str) -> None:
    from zoo.cli.own import changed

    (tmp_path / file).touch()
    recipe = changed("mlp-toy", str(tmp_path / file))
    assert recipe.teacher is not None
    assert (recipe.name, recipe.teacher.name) == (f"mlp-{tag}", f"gcn-{tag}")


FAILURES: dict[str, tuple[list[str], int, str]] = {
    "verb": (["trian", "mlp-toy"], 2, "No such command 'trian'. Did you mean 'train'"),
    "option": (["train", "mlp-toy", "--seedz", "3"], 2, "No such option: --seedz"),
    "argument": (["train"], 2, "Missing argument 'recipe'. (see 'leanzoo train --help')"),
    "type": (["train", "mlp-toy", "--seeds", "many"], 2, "Invalid value for '--seeds'"),
    "seeds": (["train", "mlp-toy", "--seeds", "0"], 2, "greater than or equal to 1"),
    "large seed": (["train", "mlp-toy", "--seed", "9" * 20], 2, "Invalid value for '--seed'"),
    "twice": (["train", "mlp-toy", "--methods", "ffg2m,ffg2m"], 1, "methods name 'ffg2m' twice"),
    "bench": (["bench", "mlp-toy", "--out", "/dev/null/x"], 1, "cannot write /dev/null/x"),
    "seed": (["train", "mlp-toy", "--seed", "-1"], 2, "greater than or equal to 0"),
    "threads": (["train", "mlp-toy", "--threads", "0"], 2, "greater than or equal to 1"),
    "epochs": (["train", "mlp-toy", "--epochs", "0"], 2, "greater than or equal to 1"),
    "recipe": (["train", "mlp-corra"], 1, "unknown recipe 'mlp-corra': did you mean mlp-cora"),
    "method": (["train", "mlp-toy", "--methods", "kd"], 1, "method is 'kd': expected one of ffg2m"),
    "device": (["train", "mlp-toy", "--device", "tpu"], 1, "device is 'tpu': expected cpu or cuda"),
    "dataset": (["data", "citesear"], 1, "unknown dataset 'citesear': did you mean citeseer"),
    "no file": (["data", "nowhere.npz"], 1, "nowhere.npz is no file"),
    "own file": (["train", "mlp-toy", "--data", "nowhere.npz"], 1, "no file nowhere.npz: give"),
    "folder": (["train", "mlp-toy", "--runs", "/dev/null/x"], 1, "cannot write /dev/null/x"),
    "untrained": (["export", "mlp-toy", "--runs", "nowhere"], 1, "run 'leanzoo train mlp-toy'"),
}


@pytest.mark.parametrize("json_too", [False, True], ids=["text", "json"])
@pytest.mark.parametrize("case", FAILURES)
def test_failure_is_one_line(
    leanzoo: Leanzoo,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    case: str,
    json_too: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, code, message = FAILURES[case]
    outcome = leanzoo(*arguments, *["--json"] * json_too)
    assert_one_line(outcome, message)
    assert outcome.code == code
    assert outcome.out == "" if not json_too else message in outcome.json["error"]
    assert list(tmp_path.iterdir()) == []


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "objects": ({"y": np.array([None])}, "member 'y' cannot be read"),
    "range": ({"edge_index": np.array([[0], [400]])}, "node id 400: expected 0 <= id < 400"),
    "nan": ({"x_data": np.nan}, "no finite float32"),
    "signs": ({"x_data": -1.0, "row_normalise": np.True_}, "'row_normalise' is true but features"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_file_is_one_line(leanzoo: Leanzoo, tmp_path: Path, mine: Path, case: str) -> None:
    change, message = BROKEN[case]
    members = dict(np.load(mine))
    for name, value in change.items():
        members[name] = np.full_like(members[name], value) if np.isscalar(value) else value
    np.savez(mine, **members)
    runs = tmp_path / "runs"
    outcome = leanzoo("train", "mlp-toy", "--data", mine, "--runs", runs, "--threads", 1)
    assert_one_line(outcome, message)
    assert str(mine) in outcome.err
    assert outcome.code == 1
    assert not list(runs.iterdir())


def test_no_npz_is_one_line(leanzoo: Leanzoo, tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_text("text")
    outcome = leanzoo("data", tmp_path / "a.npz")
    assert_one_line(outcome, "no .npz archive, or cut short")
    assert outcome.code == 1


def test_no_verb_shows_the_help(leanzoo: Leanzoo) -> None:
    outcome = leanzoo()
    assert outcome.code == 2
    assert "Traceback" not in outcome.err
    assert "train" in outcome.out + outcome.err


@pytest.mark.parametrize("verb", ["list", "data", "train", "export", "publish", "serve", "predict"])
def test_every_verb_has_help(leanzoo: Leanzoo, verb: str) -> None:
    outcome = leanzoo(verb, "--help")
    assert outcome.code == 0
    assert "--json" in outcome.out


def test_bugs_keep_their_traceback(leanzoo: Leanzoo, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("zoo.registry.list_recipes", bug)
    with pytest.raises(ZeroDivisionError):
        leanzoo("list")


def test_interrupt(leanzoo: Leanzoo, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("zoo.registry.list_recipes", stop)
    outcome = leanzoo("list")
    assert outcome == (130, "", "leanzoo: stopped\n")


def test_missing_extra(leanzoo: Leanzoo, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object) -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr("zoo.registry.list_recipes", absent)
    outcome = leanzoo("list")
    assert_one_line(outcome, "torch is not installed: ")
    assert "[train]" in outcome.err
    assert outcome.code == 1


HELP = """
import sys
from zoo.cli.app import main
sys.argv = ["leanzoo", "--help"]
try:
    main()
finally:
    print("loaded:", *sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_help_is_light() -> None:
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True)
    assert "demo" in done.stdout
    loaded = set(done.stdout.splitlines()[-1].split()[1:])
    assert "typer" in loaded
    assert not loaded & {"torch", "numpy", "scipy", "torch_geometric", "onnx", "tritonclient"}
