"""A click log larger than memory: ``python -m benchmarks.large_log`` encodes and trains one.

Generates ``--rows`` rows of 39 fields, encodes them into mapped column files, trains
``finalmlp-wide-log`` on them for one epoch, and writes ``results/large_log.json``: seconds, rows
per second and the largest resident set after each stage. An encoded log is found again.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from benchmarks.conditions import git_sha, machine
from zoo.artifact import versions
from zoo.distill import Workshop, prepare, train
from zoo.recipes import VANILLA
from zoo.registry import get_recipe, get_spec
from zoo.results import write_json

RESULT = Path(__file__).parent / "results" / "large_log.json"
RECIPE = "finalmlp-wide-log"


def main() -> None:
    """Encode, train, and write what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULT)
    asked = parser.parse_args()
    write_json(asked.out, measure(asked.rows, asked.threads))


def measure(rows: int, threads: int) -> dict[str, Any]:
    """What encoding and one epoch took.

    Args:
        rows: of the generated log.
        threads: of the training.
    """
    recipe = get_recipe(RECIPE)
    recipe = recipe.using(epochs=1, data={**recipe.data, "rows": rows})
    prepare(threads, "cpu")
    began = time.perf_counter()
    data = get_spec(recipe.model).data(recipe)
    encoded = _stage(rows, time.perf_counter() - began)
    with tempfile.TemporaryDirectory() as runs, Progress(console=Console(stderr=True)) as bars:
        shop = Workshop(Path(runs), "cpu", bars)
        trained = train(recipe, [recipe.seed], [VANILLA], False, shop)
    student = trained["metrics"]["student"]
    return {
        "recipe": RECIPE,
        "rows": rows,
        "fields": len(data.layout.fields),
        "encode": encoded,
        "epoch": _stage(rows, student["train_seconds"]),
        "test_auc": student["test_auc"],
        "threads": threads,
        "machine": machine(),
        "versions": versions("torch", "numpy", "pyarrow"),
        "git_sha": git_sha(),
    }


def _stage(rows: int, seconds: float) -> dict[str, float]:
    """A stage's time, and the process' largest resident set until its end."""
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "seconds": round(seconds, 1),
        "rows_per_s": round(rows / seconds),
        "peak_resident_gib": round(peak_kib / 2**20, 3),
    }


if __name__ == "__main__":
    main()
