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
    Repository,
    Runs,
    Threads,
    progress,
    stdout,
)


@app.command()
def bench(
    recipes: Annotated[
        list[str] | None, typer.Argument(help="Trained recipes, such as mlp-cora.")
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="One start of each server, fewer samples: less counts, and it says so."
        ),
    ] = False,
    served: Annotated[
        bool, typer.Option(help="Climb the whole ladder, with a Triton and a gateway.")
    ] = True,
    threads: Threads = 1,
    out: Annotated[
        Path | None,
        typer.Option(help="Also write results here: a JSON file; of several recipes, a folder."),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="RUN_A RUN_B",
            help="Measure nothing: compare two results, or folders of them; the exit code is 1 "
            "where B is slower.",
        ),
    ] = None,
    runs: Runs = RUNS,
    json: Json = False,
) -> None:
    """Measure a trained student's latency against its teacher's, from arithmetic to gateway.

    In process first, in turns, with equal threads, on real inputs. Graphs: A exact answers for 1
    and 10 nodes, B sampled neighbourhoods, C the whole graph at once. Clicks: R 1, 100 and 1,000
    rows, K as many candidates of one request. Series: F windows. Then the ladder, for 1, 10, 100
    and 1,000 rows: the machine's floor, PyTorch, ONNX Runtime in fp32 and int8, Triton over gRPC
    and HTTP, the gateway; accuracy through the endpoint, latency at stated rates, and what a
    server that stalls does to each kind of measurement. `leanzoo report` shows it all.
    """
    if compare is not None:
        return _compare(*compare, json)
    if not recipes:
        raise typer.BadParameter("name at least one recipe", param_hint="RECIPES")
    from benchmarks.ladder.bench import bench as run_bench
    from benchmarks.table import terminal_table

    results = []
    with progress() as bars:
        for recipe in recipes:
            place = _place(out, recipe, len(recipes))
            results.append(run_bench(recipe, runs, place, quick, threads, bars, served))
    if json:
        return emit(results[0] if len(results) == 1 else {"results": results})
    for result in results:
        stdout().print(terminal_table(result))
    return None


def _compare(a: Path, b: Path, json: bool) -> None:
    """Say what differs between two results; the exit code says whether B is slower."""
    from benchmarks.regression import compare_places, exit_code, terminal

    found = compare_places(a, b)
    if json:
        worse = any(one.regressed for one in found)
        emit({"regressed": worse, "recipes": [one.to_json() for one in found]})
    else:
        for one in found:
            stdout().print(terminal(one))
    raise typer.Exit(exit_code(found))


def _place(out: Path | None, recipe: str, recipes: int) -> Path | None:
    """Where a recipe's result is written besides."""
    if out is None or (recipes == 1 and out.suffix == ".json"):
        return out
    return out / f"{recipe}.json"


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
