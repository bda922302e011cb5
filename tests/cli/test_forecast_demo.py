"""What ``train`` and ``demo`` say of forecasters, and which method they call deployed."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from tests.cli.conftest import Leanzoo
from zoo.cli.demo import demo_table
from zoo.registry import get_spec

RECIPE = "quantile_mlp-waves"


@pytest.mark.parametrize("deployed", ["vanilla", "paths"])
def test_train_says_where_another_method_is_deployed(
    leanzoo: Leanzoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deployed: str
) -> None:
    role = "student" if deployed == "paths" else deployed
    monkeypatch.setattr("zoo.distill.best_of", lambda per_seed, *_: (role, min(per_seed)))
    monkeypatch.setenv("COLUMNS", "200")
    outcome = leanzoo("train", RECIPE, "--epochs", 1, "--runs", tmp_path)
    assert outcome.code == 0, outcome.err
    line = "deployed: vanilla (better on validation)"
    assert (line in outcome.out.splitlines()) == (deployed == "vanilla")
    for said in ("val mse", "test mse", "test crps", "test coverage80", "ridge"):
        assert said in outcome.out
    assert "val mae" not in outcome.out


def test_errors_of_served_forecasts_count_in_deviations_of_training() -> None:
    """Windows that nobody asks about, and values that did not come, are left out."""
    future = np.array([[[9.0, 9.0]], [[10.0, np.nan]], [[30.0, 40.0]]])
    windows = SimpleNamespace(future=lambda ids: future[ids])
    tables, asked = (SimpleNamespace(scale=np.array([10.0])),), np.array([1, 2])
    data: Any = SimpleNamespace(parts={"test": windows}, asked=asked, tables=tables)
    judge = get_spec("quantile_mlp").judge
    assert judge is not None
    means = np.array([[[20.0, 0.0]], [[30.0, 60.0]]])
    outputs = {"mean": means, "quantiles": np.repeat(means[..., None], 9, axis=-1)}
    quantities = judge.quantities(outputs, judge.targets(data, np.arange(2)))
    assert judge.metrics["mse"].value(quantities) == pytest.approx((1 + 0 + 4) / 3)


def test_latencies_stand_beside_what_is_deployed() -> None:
    def timed(role: str, p50_ms: float) -> dict[str, Any]:
        return {"role": role, "protocol": "F", "batch": 1, "p50_ms": {"value": p50_ms}}

    served = {"model": RECIPE, "version": 1, "rows": 9, "test_mse": 0.25, "max_abs_diff": 1e-6}
    quality = {"test_mse": 0.25, "test_crps": 0.2, "test_coverage80": 0.8}
    result = {
        "recipe": RECIPE,
        "threads": 1,
        "metric": "mse",
        "deployed": "vanilla",
        "metrics": dict.fromkeys(("teacher", "student", "vanilla", "ridge"), quality),
        "served": {**served, "grpc_p50_ms": 0.5, "raw": []},
        "bench": {"measurements": [timed("teacher", 7.5), timed("student", 0.125)]},
    }
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(demo_table(result))
    rows = {line.split()[1]: line for line in console.export_text().splitlines() if "│" in line}
    assert "7.500 ms" in rows["teacher"]
    assert "0.125 ms" in rows["vanilla"] and "0.500 ms" in rows["vanilla"]
    assert "ms" not in rows["student"] and "ms" not in rows["ridge"]
