"""The verb report: what was measured, as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.cli.app import app, emit
from zoo.cli.options import RUNS, Json, Runs, stdout

PAGE = "index.html"


Results = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[RESULTS]...",
        help="What `leanzoo bench` wrote: JSON files, or folders of them; default: all in runs/, "
        "and where there is none those that are committed in benchmarks/results/.",
    ),
]


@app.command()
def report(
    results: Results = None,
    out: Annotated[Path, typer.Option(help="Folder for index.html.")] = Path("report"),
    runs: Runs = RUNS,
    json: Json = False,
) -> None:
    """Make a page of what `leanzoo bench` measured: out/index.html, one file.

    Speed-up and accuracy of each student against its teacher, the ladder from the arithmetic to
    the gateway, latency at stated rates, cost, conditions, and what does not count and why. It
    needs no network and prints well. What was not measured is left out, and is said to be.
    """
    from benchmarks.report.page import invalid_count, page
    from benchmarks.report.results import find, read
    from zoo.cli.outlook import replacing
    from zoo.results import check_place

    check_place(out / PAGE)
    found = read(find(results or [], runs))
    with replacing([out / PAGE]) as (scratch,):
        scratch.write_text(page(found), encoding="utf-8")
    names, invalid = [result.recipe for result in found], invalid_count(found)
    if json:
        return emit({"report": str(out / PAGE), "recipes": names, "invalid": invalid})
    told = f"{', '.join(names)}; {invalid} measurement(s) do not count"
    return stdout().print(f"{out / PAGE}: {told}", soft_wrap=True, highlight=False)
