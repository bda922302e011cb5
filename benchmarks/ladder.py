"""Runs all protocols on one recipe and writes down what was measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.progress import Progress

from benchmarks.comparison import Outcome, Plan
from benchmarks.protocols import offline, online_exact, online_sampled
from benchmarks.subjects import Pair, open_pair
from zoo.results import write_json

RESULT = "bench.json"
BATCHES = (1, 10)
FULL = Plan(budget_s=60, least=50, most=1000)
QUICK = Plan(budget_s=2, least=6, most=200)
FEW_PASSES = {"least": 6, "most": 50}  # in C, where one sample answers for all nodes


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
        ArtifactError: not trained, or without a teacher.
        ExportError: a graph that fails its gate.
    """
    task = progress.add_task(f"{recipe}: export", total=1 + 2 * len(BATCHES) + 1)
    pair = open_pair(recipe, runs, threads)
    outcomes: dict[str, Outcome] = {}
    for name, protocol in _protocols(pair, QUICK if quick else FULL).items():
        progress.update(task, description=f"{recipe}: {name}", advance=1)
        outcomes[name] = protocol()
    progress.update(task, description=recipe, advance=1)
    result = {
        "recipe": recipe,
        "measurements": [
            measurement.to_json()
            for outcome in outcomes.values()
            for measurement in (outcome.teacher, outcome.student)
        ],
        "ratios": {name: _ratio(outcome) for name, outcome in outcomes.items()},
    }
    for path in [runs / recipe / RESULT, *([out] if out else [])]:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, result)
    return result


def _protocols(pair: Pair, plan: Plan) -> dict[str, Callable[[], Outcome]]:
    """Every protocol by name, ready to run."""
    ready: dict[str, Callable[[], Outcome]] = {}
    for batch in BATCHES:
        ready[f"A_b{batch}"] = partial(online_exact, pair, batch, plan)
    for batch in BATCHES:
        ready[f"B_b{batch}"] = partial(online_sampled, pair, batch, plan)
    ready["C"] = partial(offline, pair, replace(plan, **FEW_PASSES))
    return ready


def _ratio(outcome: Outcome) -> dict[str, float] | None:
    """How many times faster the student is; None where a measurement does not count."""
    if outcome.ratio is None or outcome.teacher.reasons or outcome.student.reasons:
        return None
    found = asdict(outcome.ratio)
    return {"ratio": found.pop("value"), **found}
