"""GPD's samplers on validation windows: ``python -m benchmarks.samplers``.

The model of the recipe ``gpd-etth1`` is found finished, or trained. Every sampler draws as many
paths of the same windows; the least CRPS is the recipe's default.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.conditions import machine
from benchmarks.path_quality import Asked, finished, of_paths
from zoo import checkpoint
from zoo.artifact import versions
from zoo.registry import get_spec
from zoo.results import write_json

RESULTS = Path(__file__).parent / "results" / "samplers.json"
RECIPE = "gpd-etth1"
WINDOWS, PATHS = 30, 64
SAMPLERS: dict[str, dict[str, Any]] = {
    "replace": {"sampler": "replace"},
    "repaint, 5 repeats": {"sampler": "repaint", "repeats": 5},
    "guided, weight 1": {"sampler": "guided", "guidance": 1.0},
    "gaussian": {"sampler": "gaussian"},
}


def main() -> None:
    """Train what is missing, draw with every sampler, and write the result."""
    with finished(str(__doc__), RECIPE) as (run, bars):
        task = bars.add_task("samplers", total=len(SAMPLERS))
        rows = {}
        for name, settings in SAMPLERS.items():
            rows[name] = measure(run, settings)
            bars.update(task, advance=1)
    conditions = {"recipe": RECIPE, "part": "val", "windows": WINDOWS, "paths": PATHS}
    said = {"machine": machine(), "versions": versions("torch", "numpy")}
    write_json(RESULTS, {**conditions, "samplers": rows, **said})
    for name, row in rows.items():
        print(name, {metric: round(value, 4) for metric, value in row.items()})


def measure(run: Path, settings: dict[str, Any]) -> dict[str, float]:
    """Quality of the paths of a checkpoint's model under a sampler, uncalibrated, and its time."""
    artifact, model, config = checkpoint.load(run)
    model.config = replace(config, **settings)
    spec = get_spec("gpd")
    asked = Asked.of(spec.data(checkpoint.recipe_of(artifact)), "val", WINDOWS)
    assert spec.forecast is not None
    began = time.perf_counter()
    found = of_paths(spec.forecast, model, asked, PATHS, lambda done, total: None)
    drawn = PATHS * asked.history.shape[0] * asked.history.shape[1]
    return {**found, "path_ms": 1e3 * (time.perf_counter() - began) / drawn}


if __name__ == "__main__":
    main()
