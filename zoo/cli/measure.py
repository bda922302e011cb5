"""Verbs that measure: bench, and demo, which runs the whole path once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.cli.app import app, emit
from zoo.cli.options import (
    REPOSITORY,
    RUNS,
    Json,
    RecipeName,
    Repository,
    Runs,
    Threads,
    progress,
    stdout,
)


@app.command()
def bench(
    recipe: RecipeName,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer samples.")] = False,
    threads: Threads = 1,
    out: Annotated[
        Path | None, typer.Option(help="Also write the results to this JSON file.")
    ] = None,
    runs: Runs = RUNS,
    json: Json = False,
) -> None:
    """Measure a trained student's latency against its teacher's.

    Both run in ONNX Runtime with equal threads on real inputs. Graphs: A exact answers for 1 and
    10 nodes, B sampled neighbourhoods, C the whole graph at once. Clicks: R 1, 100 and 1,000 rows,
    K as many candidates of one request.
    """
    from benchmarks.ladder import bench as run_bench
    from benchmarks.table import terminal_table

    with progress() as bars:
        result = run_bench(recipe, runs, out, quick, threads, bars)
    return emit(result) if json else stdout().print(terminal_table(result))


@app.command()
def demo(
    recipe: Annotated[
        str | None, typer.Argument(help="A recipe; default: one of each family, one by one.")
    ] = None,
    repository: Repository = REPOSITORY,
    runs: Runs = RUNS,
    threads: Threads = 1,
    json: Json = False,
) -> None:
    """Train, export, publish, serve, ask and measure, and print what came out."""
    from zoo.cli.demo import RECIPES, demo_table, run_demo

    results = []
    for name in [recipe] if recipe else RECIPES:
        results.append(run_demo(name, repository, runs, threads))
        if not json:
            stdout().print(demo_table(results[-1]))
    if json:
        emit({"demos": results, "seconds": round(sum(r["seconds"] for r in results), 1)})
