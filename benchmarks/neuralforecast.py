"""A published forecaster beside N-HiTS of neuralforecast: ``python -m benchmarks.neuralforecast``.

N-HiTS is trained on the recipe's series, with its split, lookback and horizon, in an environment
of its own that is kept in the cache and borrows torch from this one. Both forecast all test
windows; then both are asked, in turns, for one window at a time: the published model through
``Local.forecast``, N-HiTS through ``NeuralForecast.predict`` with a table made beforehand, over a
pipe. Writes ``results/neuralforecast.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import site
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.conditions import Watch, git_sha
from benchmarks.environments import ComparisonError, Worker, environment
from benchmarks.intervals import median_ratio, percentile
from benchmarks.timing import Ask, interleave
from serving.local import Local
from zoo.artifact import versions
from zoo.contract import LeanzooError
from zoo.registry import get_recipe, get_spec
from zoo.results import write_json

RESULTS = Path(__file__).parent / "results" / "neuralforecast.json"
WORKER = Path(__file__).with_name("neuralforecast_worker.py")
VERSION = "3.3.0"
MODEL = {  # pooling and frequencies of the library's example of long horizons
    "n_pool_kernel_size": [2, 2, 2],
    "n_freq_downsample": [24, 12, 1],
    "scaler_type": "identity",  # "standard" was worse on validation, at a rate of 1e-3
    "learning_rate": 1e-4,  # 1e-3 was worse on validation
    "windows_batch_size": 256,
    "inference_windows_batch_size": 1024,
    "max_steps": 1500,
    "val_check_steps": 50,
    "early_stop_patience_steps": 3,
    "random_seed": 1,
}
BATCH = 64  # windows per call, where time does not matter


def main() -> None:
    """Compare and write down."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--model", default="quantile_mlp-etth1", help="published, and a recipe")
    parser.add_argument("--repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--windows", type=int, default=64, help="timed ones, evenly spaced")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    try:
        result = measure(asked.model, asked.repository, asked.windows, asked.threads)
    except LeanzooError as error:
        parser.error(str(error))
    write_json(asked.out, result)
    print(json.dumps(result, indent=1))


def measure(model: str, repository: Path, windows: int, threads: int) -> dict[str, Any]:
    """Install neuralforecast where it is not, train N-HiTS, and ask both.

    Args:
        model: name of the published student, and of its recipe.
        repository: where it is published.
        windows: timed ones.
        threads: of each.

    Raises:
        ComparisonError: neuralforecast cannot be had, or it failed.
        ModelUnknown: the student is not published.
    """
    recipe = get_recipe(model)
    data = get_spec(recipe.model).data(recipe)
    with tempfile.TemporaryDirectory() as scratch, Local(repository, threads) as local:
        asked = write_setup(data, windows, threads, Path(scratch))
        found = compare(local, model, data, asked, Path(scratch))
    return {
        "recipe": model,
        "dataset": recipe.dataset,
        "lookback": data.config.lookback,
        "horizon": data.config.horizon,
        "settings": {**MODEL, "loss": "MSE"},
        **found,
        "threads": threads,
        "versions": {**versions("torch", "numpy", "onnxruntime"), "neuralforecast": VERSION},
        "git_sha": git_sha(),
    }


def write_setup(data: Any, windows: int, threads: int, folder: Path) -> np.ndarray:
    """Write the standardised series, and what N-HiTS must be told.

    Returns:
        Ids of the test windows that are timed.

    Raises:
        ComparisonError: values are missing, which N-HiTS cannot take.
    """
    table, test = data.table, data.parts["test"]
    if np.isnan(table.values).any():
        raise ComparisonError(f"{table.name} has missing values: choose another recipe")
    asked = np.linspace(0, len(test) - 1, windows).round().astype(np.int64)
    values = (table.values[: table.borders[2]] - table.center) / table.scale
    np.savez(
        folder / "data.npz", allow_pickle=False, values=values, starts=test.starts, asked=asked
    )
    setup = {
        "borders": table.borders[:2],
        "lookback": data.config.lookback,
        "horizon": data.config.horizon,
        "model": MODEL,
        "threads": threads,
    }
    (folder / "setup.json").write_text(json.dumps(setup))
    return asked


def kept_environment() -> Path:
    """The Python of the environment in the cache, made where it is missing or another's."""
    root = Path(os.environ.get("LEANZOO_CACHE") or "~/.cache/leanzoo").expanduser()
    folder = root / "benchmarks" / f"neuralforecast-{VERSION}"
    made, borrowed = folder / "made-for", f"{sys.version}\n{site.getsitepackages()}"
    if not made.exists() or made.read_text() != borrowed:
        environment(folder, [f"neuralforecast=={VERSION}"])
        made.write_text(borrowed)
    return folder / "bin" / "python"


def compare(local: Local, model: str, data: Any, asked: np.ndarray, folder: Path) -> dict[str, Any]:
    """Errors over all test windows, then times in turns.

    Args:
        local, model: the student.
        data: its recipe's.
        asked: ids of the test windows that are timed.
        folder: of the setup.
    """
    test = data.parts["test"]
    histories = [test.history(np.array([one]))[0] for one in asked]
    mean, median = ask_all(local, model, test)
    with Worker(kept_environment(), WORKER, folder, local.threads) as worker:
        training = worker.read()
        worker.read()  # forecasts.npy is written
        theirs = np.load(folder / "forecasts.npy") * data.table.scale[:, None]
        theirs += data.table.center[:, None]
        asks = [
            lambda place: local.forecast(model, histories[place[0]]),
            lambda place: worker.ask(int(place[0])),
        ]
        times = timed(asks, len(asked), local.threads)
    return {
        "training": training,
        "test_windows": len(test),
        "ours": errors(data, mean, median),
        "neuralforecast": errors(data, theirs, theirs),
        **times,
    }


def timed(asks: Sequence[Ask], windows: int, threads: int) -> dict[str, Any]:
    """Medians of the student's and N-HiTS' time per window, and their ratio, with intervals."""
    places = [np.array([k]) for k in range(windows)]
    interleave(asks, places[:2])
    watch = Watch(threads)
    ours_ms, theirs_ms = interleave(asks, places)
    found = {
        "ours_p50_ms": percentile(ours_ms, 0.5),
        "neuralforecast_p50_ms": percentile(theirs_ms, 0.5),
        "neuralforecast_over_ours": median_ratio(theirs_ms, ours_ms),
    }
    written = {name: asdict(at) if at else None for name, at in found.items()}
    return {"timed_windows": windows, **written, "machine": watch.machine()}


def ask_all(local: Local, model: str, test: Any) -> tuple[np.ndarray, np.ndarray]:
    """The student's mean and median. Shapes: → (windows, channels, horizon), in the data's unit."""
    ids = np.arange(len(test))
    batches = [ids[start : start + BATCH] for start in range(0, len(ids), BATCH)]
    found = [local.forecast(model, test.history(batch)) for batch in batches]
    mean, median = [one.mean for one in found], [one.median for one in found]
    return np.concatenate(mean), np.concatenate(median)


def errors(data: Any, mean: np.ndarray, median: np.ndarray) -> dict[str, float]:
    """MSE of the mean and MAE of the median over all test windows, standardised by train.

    Shapes: both (windows, channels, horizon), in the data's unit.
    """
    test, scale = data.parts["test"], data.table.scale[:, None].astype(np.float64)
    came = test.future(np.arange(len(test)))
    return {
        "mse": float((((mean - came) / scale) ** 2).mean()),
        "mae": float(np.abs((median - came) / scale).mean()),
    }


if __name__ == "__main__":
    main()
