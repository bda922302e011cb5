"""Puts the page together: what there is data for, in the order in which it is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import tables
from benchmarks.report.curve import curve_figure
from benchmarks.report.distribution import distribution_figure
from benchmarks.report.headline import FAMILIES, card
from benchmarks.report.ladder_picture import ladder_figure
from benchmarks.report.pareto import pareto_figure
from benchmarks.report.results import Result
from benchmarks.report.stall import example_figure, measured_figure, stall_table

HERE = Path(__file__).parent
SECTIONS = {
    "headline": "Headline",
    "ladder": "The ladder",
    "pareto": "Accuracy against latency",
    "curves": "Latency against throughput",
    "distributions": "Distributions",
    "stall": "A server that stalls",
    "floor": "The floor",
    "cost": "Cost",
    "quality": "Quality",
    "conditions": "Conditions",
    "invalid": "What does not count",
}
PARTS = {  # attribute of a result → what is missing without it
    "accuracy": "accuracy through the served path",
    "rungs": "the rungs of the ladder",
    "curves": "latency at stated rates (open loop)",
    "floors": "the floor",
    "costs": "cost",
    "stall": "the worked example of a stall",
}


def page(results: Sequence[Result]) -> str:
    """The whole report as HTML.

    Args:
        results: at least one.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    ordered = sorted(results, key=lambda it: ([*FAMILIES, it.task].index(it.task), it.recipe))
    content = _content(ordered)
    return environment.get_template("page.html.j2").render(
        style=(HERE / "page.css").read_text(),
        content=content,
        sections={name: title for name, title in SECTIONS.items() if content[name]},
        recipes=[result.recipe for result in ordered],
        quick=[result.recipe for result in ordered if result.quick],
        missing=_missing(ordered),
        invalid=invalid_count(ordered),
        measured=sum(1 for result in ordered for _ in result.all),
    )


def invalid_count(results: Sequence[Result]) -> int:
    """How many measurements do not count."""
    return sum(bool(found.reasons) for result in results for _, found in result.all)


def _content(results: Sequence[Result]) -> dict[str, Any]:
    """What each section shows; empty where there is nothing."""
    families: dict[str, list[Result]] = {}
    for result in results:
        families.setdefault(FAMILIES.get(result.task, result.task), []).append(result)
    stalled = next((result for result in results if result.stall), None)
    qualities = [tables.quality_table(found) for found in families.values()]
    return {
        "headline": {name: [card(it) for it in found] for name, found in families.items()},
        "ladder": _made(ladder_figure(it) for it in results),
        "pareto": _made([pareto_figure(results)]),
        "curves": _made(curve_figure(it) for it in results),
        "distributions": _made(distribution_figure(it) for it in results),
        "stall": _stall(results, stalled) if stalled else None,
        "floor": _filled(tables.floor_table(results), tables.rates_table(results)),
        "cost": _filled(tables.cost_table(results)),
        "quality": _filled(*qualities),
        "conditions": _filled(tables.conditions_table(results), tables.versions_table(results)),
        "invalid": _filled(tables.invalid_table(results)),
    }


def _stall(results: Sequence[Result], shown: Result) -> dict[str, Any]:
    stall = shown.stall
    assert stall is not None
    figures = _made([example_figure(stall), measured_figure(shown, stall)])
    return {"figures": figures, "table": stall_table(results), "stall": stall}


def _made(figures: Any) -> list[Any]:
    return [figure for figure in figures if figure is not None]


def _filled(*found: tables.Table) -> list[tables.Table]:
    return [table for table in found if table.body]


def _missing(results: Sequence[Result]) -> dict[str, list[str]]:
    """What was not measured → of which recipes."""
    missing = {
        what: [result.recipe for result in results if not getattr(result, part)]
        for part, what in PARTS.items()
    }
    return {what: recipes for what, recipes in missing.items() if recipes}
