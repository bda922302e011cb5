"""Runs all protocols on one recipe and writes down what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.progress import Progress

from benchmarks import click_protocols, forecast_protocols, node_protocols
from benchmarks.comparison import Outcome, Plan
from benchmarks.intervals import Interval
from benchmarks.subjects import open_pair
from zoo.results import check_place, write_json

RESULT = "bench.json"
TASKS = {
    "node-classification": node_protocols.protocols,
    "click-prediction": click_protocols.protocols,
    "forecasting": forecast_protocols.protocols,
}
FULL = Plan(budget_s=60, least=50, most=1000)
QUICK = Plan(budget_s=2, least=6, most=200)


def bench(
    recipe: str, runs: Path, out: Path | None, quick: bool, threads: int, progress: Progress
) -> dict[str, Any]:
    """Compare a recipe's trained student with its teacher.

    Args:
        recipe: name of a trained recipe.
        runs: folder of checkpoints; receives the graphs and ``<recipe>/bench.json``.
        out: a second place for the result, such as ``benchmarks/results/<recipe>.json``.
        quick: seconds rather than minutes; slow teachers then get too few samples to count.
        threads: of the teacher's and of the student's session.
        progress: shows the protocols.

    Returns:
        ``recipe``, ``measurements`` and ``ratios`` (protocol → ratio, low, high), plain JSON.

    Raises:
        ArtifactError: not trained, without a teacher, or ``out`` cannot be written.
        ExportError: a graph that fails its gate.
    """
    places = [runs / recipe / RESULT, *([out] if out else [])]
    for path in places:
        check_place(path)
    task = progress.add_task(f"{recipe}: export", total=None)
    pair = open_pair(recipe, runs, threads)
    outcomes: dict[str, Outcome] = {}
    protocols = TASKS[pair.task](pair, QUICK if quick else FULL)
    progress.update(task, total=len(protocols))
    for name, protocol in protocols.items():
        progress.update(task, description=f"{recipe}: {name}")
        outcomes[name] = protocol()
        progress.update(task, advance=1)
    progress.update(task, description=recipe)
    result = {
        "recipe": recipe,
        "measurements": [
            measurement.to_json()
            for outcome in outcomes.values()
            for measurement in outcome.measurements
        ],
        "ratios": {k: v for name in outcomes for k, v in _ratios(name, outcomes[name]).items()},
    }
    for path in places:
        write_json(path, result)
    return result


def _ratios(name: str, outcome: Outcome) -> dict[str, dict[str, float] | None]:
    """How many times faster the student is: than its teacher under the protocol's name, than
    another form of its own with the form's name behind it; None where either does not count."""
    found: dict[str, dict[str, float] | None] = {}
    for other, ratio in zip(outcome.measurements, outcome.ratios, strict=False):
        key = name if other is outcome.teacher else f"{name}_{other.form}"
        counts = ratio is not None and not other.reasons and not outcome.student.reasons
        found[key] = _plain(ratio) if ratio is not None and counts else None
    return found


def _plain(ratio: Interval) -> dict[str, float]:
    return {"ratio": ratio.value, "low": ratio.low, "high": ratio.high}
