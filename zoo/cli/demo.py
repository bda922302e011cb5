"""The whole path once: a recipe is trained, exported, published, served, asked and measured."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from zoo.cli.convert import export_recipe
from zoo.cli.demo_asks import serve_and_ask
from zoo.cli.options import progress, stderr
from zoo.cli.publish import publish_recipe
from zoo.cli.tables import with_unit

if TYPE_CHECKING:
    from zoo.recipes import Recipe

RECIPES = ("mlp-citeseer", "finalmlp-ml100k", "quantile_mlp-vic_elec")  # one of each family
ONLINE = ("A", "R", "F")  # protocols that ask for one row at a time
COLUMNS = {  # metric by which the models are compared → metrics shown, with their headings
    "accuracy": {
        "test_accuracy": "test accuracy",
        "inductive_test_accuracy": "unseen nodes",
    },
    "auc": {"test_auc": "test AUC", "test_logloss": "test logloss"},
    "mse": {"test_mse": "test MSE", "test_crps": "test CRPS", "test_coverage80": "in 80 %"},
}


def run_demo(name: str, repository: Path, runs: Path, threads: int) -> dict[str, Any]:
    """Run every stage and collect quality and latencies.

    Returns:
        ``metrics`` as ``train`` gives them, ``deployed`` (one of their roles), ``served`` as
        ``demo_asks.serve_and_ask`` does, and ``bench`` as ``bench`` does.
    """
    from benchmarks.ladder.bench import bench
    from zoo.registry import get_recipe, get_spec
    from zoo.results import deployed_role

    recipe = get_recipe(name)
    began = time.perf_counter()
    _say(f"{name} 1/5: train {recipe.model} on {recipe.dataset}, and its teacher")
    trained = _train(recipe, runs, threads)
    _say(f"{name} 2/5: export to ONNX and compare with the trained model")
    exports = export_recipe(name, runs).artifacts
    _say(f"{name} 3/5: publish into {repository}")
    published = publish_recipe(name, runs, repository)
    versions = {one["model"]: one["version"] for one in published}
    _say(f"{name} 4/5: serve with Triton and ask")
    served = serve_and_ask(exports, recipe, repository)
    _say(f"{name} 5/5: measure student and teacher")
    with progress() as bars:
        measured = bench(name, runs, None, True, threads, bars, served=False)
    return {
        "recipe": name,
        "metric": get_spec(recipe.model).metric,
        "threads": threads,
        "metrics": trained["metrics"],
        "deployed": deployed_role(trained),
        "served": {"version": versions[served["model"]], **served},
        "bench": measured,
        "seconds": round(time.perf_counter() - began, 1),
    }


def _train(recipe: Recipe, runs: Path, threads: int) -> dict[str, Any]:
    """As ``leanzoo train`` does."""
    from zoo import distill
    from zoo.recipes import VANILLA

    distill.prepare(threads, "cpu")
    with progress() as bars:
        shop = distill.Workshop(runs, "cpu", bars)
        methods = list(dict.fromkeys([recipe.method, VANILLA]))
        return distill.train(recipe, [recipe.seed], methods, True, shop)


def _say(text: str) -> None:
    stderr().print(f"[bold]{text}", highlight=False)


def demo_table(result: dict[str, Any]) -> Table:
    """Quality and latency by role, side by side; of what is not deployed, quality alone."""
    table = Table(
        title=f"{result['recipe']}: one row, {result['threads']} thread(s)", title_justify="left"
    )
    metrics, served = COLUMNS[result["metric"]], result["served"]
    raw = [way for way in served["raw"] if way["rows"] == 1]
    latencies = ["in process p50", "through Triton p50", *["raw values p50"] * len(raw)]
    table.add_column("")
    for heading in (*metrics.values(), *latencies):
        table.add_column(heading, justify="right")
    in_process = {
        result["deployed"] if m["role"] == "student" else m["role"]: m["p50_ms"]["value"]
        for m in result["bench"]["measurements"]
        if m["protocol"] in ONLINE and m["batch"] == 1 and m["p50_ms"]
    }
    for role, found in result["metrics"].items():
        triton = [served["grpc_p50_ms"], *(way["grpc_p50_ms"] for way in raw)]
        served_so = role == result["deployed"]
        times = [in_process.get(role), *(triton if served_so else [None] * len(triton))]
        table.add_row(role, *(with_unit(found, name) for name in metrics), *map(_ms, times))
    table.caption, table.caption_justify = _caption(result), "left"
    return table


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f} ms"


def _caption(result: dict[str, Any]) -> str:
    """What the served model answered, and how raw values were ranked."""
    served, name = result["served"], f"test_{result['metric']}"
    sentences = [
        f"{served['model']} version {served['version']} answered {served['rows']} test rows "
        f"through gRPC: {COLUMNS[result['metric']][name]} {with_unit(served, name)}, at most "
        f"{served['max_abs_diff']:.0e} from the answers in process."
    ]
    sentences += [
        f"{way['model']} scored {way['rows']} candidates of raw values in "
        f"{way['grpc_p50_ms']:.2f} ms."
        for way in served["raw"]
        if way["rows"] > 1
    ]
    return " ".join(sentences)
