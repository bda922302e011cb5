"""What N-HiTS is told, how errors are counted, and workers; the library itself is not needed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.environments import ComparisonError, Worker, run
from benchmarks.neuralforecast import errors, timed, write_setup
from zoo.artifact import sha256_file
from zoo.registry import get_recipe, get_spec

RECIPE = get_recipe("quantile_mlp-waves")


@pytest.fixture
def data(tmp_path: Path) -> Any:
    """Two series without gaps, in a file."""
    file, steps = tmp_path / "own.csv", np.arange(800)
    rows = np.random.default_rng(0).normal(size=800) + np.sin(steps / 4)
    file.write_text("a,b\n" + "".join(f"{x},{3 * x + k}\n" for k, x in enumerate(rows)))
    own = RECIPE.using(dataset=str(file), dataset_sha256=sha256_file(file))
    return get_spec(own.model).data(own)


def test_setup(data: Any, tmp_path: Path) -> None:
    asked, test = write_setup(data, 5, 1, tmp_path), data.parts["test"]
    setup = json.loads((tmp_path / "setup.json").read_text())
    with np.load(tmp_path / "data.npz") as archive:
        values, starts = archive["values"], archive["starts"]
        assert archive["asked"].tolist() == asked.tolist()
    train_end, val_end = setup["borders"]
    assert values[:train_end].mean(0) == pytest.approx(0, abs=1e-4)
    assert values[:train_end].std(0) == pytest.approx(1, abs=1e-4)
    assert starts[0] + setup["lookback"] == val_end
    assert (asked[0], asked[-1]) == (0, len(test) - 1)
    history = values[starts[3] : starts[3] + setup["lookback"]] * data.table.scale
    own = test.history(np.array([3]))[0].T
    np.testing.assert_allclose(history + data.table.center, own, rtol=1e-4, atol=1e-3)


def test_missing_values_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ComparisonError, match="waves has missing values: choose another recipe"):
        write_setup(get_spec(RECIPE.model).data(RECIPE), 5, 1, tmp_path)


def test_errors(data: Any) -> None:
    test, scale = data.parts["test"], data.table.scale[:, None]
    came = test.future(np.arange(len(test)))
    found = errors(data, came + 2 * scale, came - 3 * scale)
    assert found == {"mse": pytest.approx(4, rel=1e-3), "mae": pytest.approx(3, rel=1e-3)}


def test_times_are_of_as_many_windows() -> None:
    asked: list[int] = []
    found = timed([lambda place: None, lambda place: asked.append(place[0])], 30, threads=1)
    assert set(asked) == set(range(30))
    assert found["timed_windows"] == 30
    assert found["ours_p50_ms"]["value"] > 0


def test_worker(tmp_path: Path) -> None:
    script = tmp_path / "doubles.py"
    script.write_text(
        "import sys\nprint(1, flush=True)\n"
        "for line in sys.stdin: print(2 * int(line), flush=True)\n"
    )
    with Worker(Path(sys.executable), script, tmp_path, threads=1) as worker:
        assert [worker.read(), worker.ask(4), worker.ask(5)] == [1, 8, 10]


def test_worker_that_fails(tmp_path: Path) -> None:
    script = tmp_path / "fails.py"
    script.write_text("raise SystemExit('no such library')")
    with (
        Worker(Path(sys.executable), script, tmp_path, threads=1) as worker,
        pytest.raises(ComparisonError, match=r"fails.py failed \(no such library\): see what"),
    ):
        worker.read()


def test_command_that_fails() -> None:
    with pytest.raises(ComparisonError, match=r"failed \(out of space\)"):
        run([sys.executable, "-c", "raise SystemExit('out of space')"])
