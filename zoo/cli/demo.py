"""The whole path once: a recipe is trained, exported, published, served, asked and measured."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from zoo.cli.deploy import dataset_rows, export_recipe, publish_recipe, running
from zoo.cli.options import progress, stderr

LATENCY_REQUESTS = 500


def run_demo(name: str, repository: Path, runs: Path, threads: int) -> dict[str, Any]:
    """Run every stage and collect accuracies and latencies.

    Returns:
        ``metrics`` as ``train`` gives them, ``served`` (model, version, accuracy over the test
        rows through gRPC, largest difference to the answers in process, p50 of one row) and
        ``bench`` as ``bench`` gives it.
    """
    from benchmarks.ladder import bench
    from zoo import distill
    from zoo.registry import get_recipe

    recipe = get_recipe(name)
    began = time.perf_counter()
    _say(f"1/5 train {recipe.model} on {recipe.dataset}, and its teacher")
    distill.prepare(threads, "cpu")
    with progress() as bars:
        shop = distill.Workshop(runs, "cpu", bars)
        trained = distill.train(
            recipe, [recipe.seed], [recipe.distill["method"], "vanilla"], True, shop
        )
    _say("2/5 export to ONNX and compare with the trained model")
    exports = export_recipe(name, runs)
    fastest = min(exports, key=lambda artifact: artifact.metrics["p50_batch1_us"]).model
    _say(f"3/5 publish into {repository}")
    versions = {
        version.model: version.version for version in publish_recipe(name, runs, repository)
    }
    _say(f"4/5 serve {fastest} with Triton and ask it")
    served = serve_and_ask(fastest, recipe, repository)
    _say("5/5 measure student and teacher")
    with progress() as bars:
        measured = bench(name, runs, None, True, threads, bars)
    return {
        "recipe": name,
        "threads": threads,
        "metrics": trained["metrics"],
        "served": {"model": fastest, "version": versions[fastest], **served},
        "bench": measured,
        "seconds": round(time.perf_counter() - began, 1),
    }


def serve_and_ask(model: str, recipe: Any, repository: Path) -> dict[str, float | int]:
    """Serve a published model, send it all test rows, and time single rows."""
    from serving.client import Client
    from serving.local import Local
    from zoo.registry import get_spec

    data = get_spec(recipe.model).data(recipe)
    test, labels = data.split["test"], data.seen.y[data.split["test"]]
    rows = dataset_rows(model, repository, ",".join(map(str, test)))
    with running(repository, [model]) as triton, Client(triton.grpc_url) as client:
        batch = client.signature(model).max_batch
        parts = [
            {name: array[start : start + batch] for name, array in rows.items()}
            for start in range(0, len(test), batch)
        ]
        answers = np.concatenate([client.infer(model, p)["probabilities"] for p in parts])
        with Local(repository) as local:
            known = np.concatenate([local.infer(model, p)["probabilities"] for p in parts])
        singles = [
            {name: array[[k % len(test)]] for name, array in rows.items()}
            for k in range(LATENCY_REQUESTS)
        ]
        seconds = [_seconds(client, model, single) for single in singles]
    return {
        "rows": len(labels),
        "test_accuracy": int((answers.argmax(axis=1) == labels).sum()) / len(labels),
        "max_abs_diff": float(np.abs(answers - known).max()),
        "grpc_p50_ms": 1e3 * float(np.median(seconds[LATENCY_REQUESTS // 10 :])),
    }


def _seconds(client: Any, model: str, arrays: dict[str, np.ndarray]) -> float:
    began = time.perf_counter()
    client.infer(model, arrays)
    return time.perf_counter() - began


def _say(text: str) -> None:
    stderr().print(f"[bold]{text}")


def demo_table(result: dict[str, Any]) -> Table:
    """Accuracy and latency of teacher, student and the label-only student, side by side."""
    table = Table(
        title=f"{result['recipe']}: one row, {result['threads']} thread(s)", title_justify="left"
    )
    table.add_column("")
    for heading in ("test accuracy", "unseen nodes", "in process p50", "through Triton p50"):
        table.add_column(heading, justify="right")
    in_process = {
        m["role"]: m["p50_ms"]["value"]
        for m in result["bench"]["measurements"]
        if m["protocol"] == "A" and m["batch"] == 1 and m["p50_ms"]
    }
    served = result["served"]
    for role, metrics in result["metrics"].items():
        latency = in_process.get(role)
        table.add_row(
            role,
            f"{100 * metrics['test_accuracy']:.1f} %",
            f"{100 * metrics['inductive_test_accuracy']:.1f} %",
            f"{latency:.3f} ms" if latency is not None else "–",
            f"{served['grpc_p50_ms']:.2f} ms" if role == "student" else "–",
        )
    table.caption = (
        f"{served['model']} version {served['version']} answered {served['rows']} test rows "
        f"through gRPC: {100 * served['test_accuracy']:.1f} % right, at most "
        f"{served['max_abs_diff']:.0e} from the answers in process"
    )
    table.caption_justify = "left"
    return table
