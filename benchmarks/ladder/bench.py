"""Measures a recipe from the arithmetic to the gateway, and writes down what was found.

protocols    in process, student against teacher, in turns: ``node_protocols`` and the like
floors       what the machine could do at best: ``floor``
rungs        torch, ort, ort-int8, grpc, http, gateway at 1, 10, 100 and 1,000 rows: ``rungs``
loads        accuracy through the endpoint, capacity, latency at stated rates, a stall: ``loads``
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.progress import Progress

from benchmarks import click_protocols, forecast_protocols, node_protocols
from benchmarks.comparison import Outcome
from benchmarks.conditions import Watch, git_sha, software
from benchmarks.floor.rates import measure_rates
from benchmarks.floor.roofline import floors
from benchmarks.intervals import Interval
from benchmarks.ladder import climbed, loads, rungs
from benchmarks.ladder.deployed import lay_out
from benchmarks.ladder.effort import FULL, QUICK, Bar, Effort
from benchmarks.ladder.in_process import small_graphs
from benchmarks.ladder.quality import exam_of, qualities
from benchmarks.ladder.servers import front_door, running
from benchmarks.ladder.sides import BATCHES, courses
from benchmarks.load.punctual import without_pauses
from benchmarks.subjects import Pair, open_pair
from benchmarks.verdicts import cached_in
from serving.triton_install import find_server
from zoo.results import check_place, write_json

RESULT = "bench.json"
STEPS = 8  # beside protocols and rounds
PROTOCOLS = {
    "node-classification": node_protocols.protocols,
    "click-prediction": click_protocols.protocols,
    "forecasting": forecast_protocols.protocols,
}


def bench(
    recipe: str,
    runs: Path,
    out: Path | None,
    quick: bool,
    threads: int,
    progress: Progress,
    served: bool = True,
) -> dict[str, Any]:
    """Compare a recipe's trained student with its teacher.

    Args:
        recipe: name of a trained recipe.
        runs: folder of checkpoints; receives the graphs and ``<recipe>/bench.json``.
        out: a second place for the result, such as ``benchmarks/results/<recipe>.json``.
        quick: seconds rather than minutes; slow teachers then get too few samples to count.
        threads: of the teacher's and of the student's session.
        progress: shows the stages.
        served: climb the rungs too, with a Triton and a gateway; else the protocols alone.

    Returns:
        Plain JSON: ``recipe``, ``measurements`` and ``ratios`` (protocol → ratio, low, high); with
        ``served`` also ``rungs``, ``headlines``, ``curves``, ``accuracy``, ``quality``,
        ``floors``, ``rates``, ``costs``, ``stall`` and ``conditions``.

    Raises:
        ArtifactError: not trained, without a teacher, or ``out`` cannot be written.
        ExportError: a graph that fails its gate.
    """
    places = [runs / recipe / RESULT, *([out] if out else [])]
    for path in places:
        check_place(path)
    began, watch = time.perf_counter(), Watch(threads)
    effort = QUICK if quick else FULL
    bar = Bar(recipe, progress)
    quality = qualities(recipe, runs)  # now, as it may not be readable
    bar.says("export")
    pair = open_pair(recipe, runs, threads)
    protocols = PROTOCOLS[pair.task](pair, effort.protocols)
    bar.expects(len(protocols) + (STEPS + 2 * effort.budget.rounds if served else 0))
    result = {"recipe": recipe, "task": pair.task, "quick": quick, "threads": threads}
    with without_pauses():
        result |= _in_turns(protocols, bar)
        if served:
            result |= _climb(pair, effort, threads, bar)
            result["quality"] = quality
    result["seconds"] = round(time.perf_counter() - began, 1)
    result["conditions"] = _conditions(watch)
    for path in places:
        write_json(path, result)
    return result


def _in_turns(protocols: Mapping[str, Any], bar: Bar) -> dict[str, Any]:
    """The protocols in process, one after the other."""
    outcomes: dict[str, Outcome] = {}
    for name, protocol in protocols.items():
        bar.says(name)
        outcomes[name] = protocol()
        bar.advance()
    measurements = [one.to_json() for found in outcomes.values() for one in found.measurements]
    ratios = {k: v for name in outcomes for k, v in _ratios(name, outcomes[name]).items()}
    return {"measurements": measurements, "ratios": ratios}


def _climb(pair: Pair, effort: Effort, threads: int, bar: Bar) -> dict[str, Any]:
    """Floors, rungs and loads."""
    bar.says("the machine's own rates")
    rates = measure_rates(threads)
    bar.advance()
    with tempfile.TemporaryDirectory(prefix="leanzoo-bench-") as scratch:
        repository = Path(scratch)
        lot = lay_out(courses(pair), repository, threads)
        bar.says("int8")
        small = small_graphs(pair, [s for course, _ in lot for s in course.sides], effort.int8)
        bar.advance()
        bar.says("rungs in process")
        inside = rungs.climb_in_process(lot, pair, small, threads, effort.budget, bar.advance)
        bar.says("rungs behind Triton and gateway")
        behind = rungs.climb_served(lot, repository, effort.budget, bar.advance)
        models = [side.subject.model for side in rungs.sides_of(lot)]
        common: dict[str, Any] = {"versions": software(), "git_sha": git_sha()}
        common["reasons"] = cached_in(repository, models)
        loaded = _load(pair, lot, repository, effort.loads, common, bar)
    found = climbed.measurements(lot, inside | behind, common)
    rows = floors(lot, BATCHES, rates, found)
    return {
        "rungs": [one.to_json() for one in found],
        "headlines": climbed.headlines(lot, inside | behind, loaded["accuracy"]),
        "floors": rows,
        "rates": asdict(rates),
        **loaded,
    }


def _load(
    pair: Pair,
    lot: rungs.Lot,
    repository: Path,
    effort: loads.Effort,
    common: Mapping[str, Any],
    bar: Bar,
) -> dict[str, Any]:
    """Answers, capacity, latency at rates, and a stall; of the first course, which is the
    headline's."""
    first, last = lot[0][0], lot[-1][0]
    curves, costs, stalled = [], [], {}
    with running(repository, rungs.sides_of(lot)) as server:
        bar.says("accuracy through Triton")
        accuracy = loads.examine(server, exam_of(pair, last), last, effort)
        bar.advance()
        lines = [loads.line_of(server, first, side) for side in first.sides]
        for line in lines:
            bar.says(f"{line.side.role} under load")
            costs.append(loads.capacity(line, server, effort, loads.file_mb(line.side)))
            curves += loads.curve(line, costs[-1]["queries_per_s"], effort, common)
            bar.advance()
        if effort.stall_s:
            bar.says("a stall")
            stalled = loads.stall(lines[-1], server, costs[-1]["queries_per_s"], effort)
        bar.advance()
        with front_door(server, rungs.sides_of(lot)) as door:
            for line in lines:
                bar.says(f"{line.side.role} under load, through the gateway")
                mb = loads.file_mb(line.side)
                more, cost = loads.gateway_curve(line, door, server, effort, common, mb)
                curves, costs = curves + more, costs + cost
                bar.advance()
    return {
        "accuracy": accuracy,
        "curves": [one.to_json() for one in curves],
        "costs": costs,
        "stall": stalled,
    }


def _conditions(watch: Watch) -> dict[str, Any]:
    return {
        "machine": watch.machine(),
        "versions": software(),
        "git_sha": git_sha(),
        "server": find_server().runs_onnx_in,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


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
