"""What to know of each recipe first: accuracy, speed-up, where it comes from, and what does not
count."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.measurement import RUNGS, Measurement
from benchmarks.report.results import Result, Row
from benchmarks.report.words import (
    IN_WORDS,
    RUNG_NAMES,
    asked,
    change,
    digits,
    listed,
    metric_name,
    quality,
    span,
    times,
)

FAMILIES = {
    "node-classification": "Graphs",
    "click-prediction": "Clicks",
    "forecasting": "Forecasts",
}
OWN = re.compile(r"([A-Z])(?:_b(\d+))?")  # a ratio to the teacher; others are to forms of its own
FEW = 2  # places that are named
SPOKEN = ("ort", "grpc", "gateway")

Asked = tuple[str, int]


@dataclass(frozen=True)
class Cell:
    """One speed-up: teacher over student, its interval, and whether it counts."""

    ratio: str
    interval: str
    counts: bool


@dataclass(frozen=True)
class Card:
    """What the page says of a recipe first.

    Attributes:
        recipe: its name.
        equal: at equal accuracy; None where accuracy was not measured.
        lead: the speed-up in words.
        accuracy: of both, in words.
        rungs: headings of the speed-ups.
        speed: what is asked → a cell per rung, None where it was not measured.
        notes: what a speed-up was measured against, and why one does not count.
        source: where the speed-up comes from, in words.
        sources: what is asked → the gains of distillation, export and int8.
    """

    recipe: str
    equal: bool | None
    lead: str
    accuracy: str
    rungs: Sequence[str]
    speed: Mapping[str, Sequence[Cell | None]]
    notes: Sequence[str]
    source: str
    sources: Mapping[str, Sequence[str]]


def card(result: Result) -> Card:
    """The headline of a recipe."""
    found = headlines(result)
    rungs = [rung for rung in RUNGS if any(it["rung"] == rung for it in found)]
    speed = {
        asked(*kind): [_cell(found, rung, kind) for rung in rungs]
        for kind in _kinds((it["protocol"], it["batch"]) for it in found)
    }
    gains = sources(result)
    return Card(
        recipe=result.recipe,
        equal=at_equal_accuracy(result),
        lead=_lead(result, found),
        accuracy=_accuracy(result),
        rungs=[RUNG_NAMES[rung] if rung != "ort" else "in process" for rung in rungs],
        speed=speed,
        notes=_notes(found),
        source=_source(gains),
        sources={
            asked(*kind): ["–" if gain is None else times(gain) for gain in gains[kind]]
            for kind in gains
        },
    )


def headlines(result: Result) -> list[Row]:
    """The speed-ups of a recipe; those in process of older results too."""
    told = {(it["rung"], it["protocol"], it["batch"]): it for it in result.headlines}
    for name, ratio in result.ratios.items():
        own = OWN.fullmatch(name)
        if own:
            protocol = own[1]
            whole = (it.batch for it in result.measurements if it.protocol == protocol)
            batch = int(own[2]) if own[2] else next(whole, 0)
            plain: Row = ratio or {"ratio": None, "low": None, "high": None}
            reasons = [] if ratio else _doubts(result.measurements, protocol, batch)
            row = {"rung": "ort", "protocol": protocol, "batch": batch, "against": "ort", **plain}
            told.setdefault(("ort", protocol, batch), {**row, "reasons": reasons})
    return list(told.values())


def _doubts(measured: Iterable[Measurement], protocol: str, batch: int) -> list[str]:
    """Why a ratio was not formed."""
    reasons = [
        f"{it.role}: {reason}"
        for it in measured
        if it.protocol == protocol and (protocol == "C" or it.batch == batch)
        for reason in it.reasons
    ]
    return [*dict.fromkeys(reasons)] or ["one side was not measured"]


def at_equal_accuracy(result: Result) -> bool | None:
    """Whether the student is no worse than its teacher; None where that was not measured."""
    if result.accuracy is None:
        return None
    return bool(result.accuracy["equal"]) and not result.accuracy["reasons"]


def _kinds(found: Iterable[Asked]) -> list[Asked]:
    return sorted(set(found), key=lambda kind: ("ABCRKF".find(kind[0]), kind[1]))


def _cell(found: Sequence[Row], rung: str, kind: Asked) -> Cell | None:
    for it in found:
        if (it["rung"], it["protocol"], it["batch"]) == (rung, *kind):
            if it["ratio"] is None:
                return Cell("–", "", False)
            return Cell(times(it["ratio"]), span(it["low"], it["high"]), not it["reasons"])
    return None


def _lead(result: Result, found: Sequence[Row]) -> str:
    """How many times as fast, on each path; and whether at equal accuracy."""
    teachers = [it.model for it in result.measurements if it.role == "teacher"]
    teacher = teachers[0] if teachers else "its teacher"
    parts: list[str] = []
    for rung in SPOKEN:
        ratios = [
            it["ratio"] for it in found if it["rung"] == rung and it["ratio"] and not it["reasons"]
        ]
        if ratios:
            compared = "" if parts else f" as fast as {teacher}"
            parts.append(f"{_range(ratios)} times{compared} {IN_WORDS[rung]}")
    if not parts:
        return "No speed-up of this recipe counts; the reasons stand below."
    return f"{listed(parts)}{EQUAL[at_equal_accuracy(result)]}."


EQUAL = {
    True: ", at equal accuracy",
    False: ", but not at equal accuracy",
    None: "; whether at equal accuracy was not measured",
}


def _range(found: Sequence[float]) -> str:
    """The least and the most of several numbers."""
    low, high = digits(min(found)), digits(max(found))
    return low if low == high else f"{low} to {high}"


def _accuracy(result: Result) -> str:
    """Accuracy of both, the interval of their difference, and what follows."""
    it = result.accuracy
    if it is None:
        return (
            "Accuracy was not measured together with latency, so this is no comparison at equal "
            "accuracy."
        )
    metric = str(it["metric"])
    path = it.get("through", "")
    through = IN_WORDS.get(path, f"through {path}" if path else "")
    better = ", where less is better" if it["lower"] else ""

    def signed(value: float) -> str:
        return change(metric, value, it["lower"])

    text = (
        f"{metric_name(metric)}{better}: student {quality(metric, it['student'])}, teacher "
        f"{quality(metric, it['teacher'])}; difference in the student's favour "
        f"{signed(it['change'])}, 95 % interval {signed(it['low'])} to {signed(it['high'])}, over "
        f"{it['rows']:,} rows{through and f' asked {through}'}. "
    )
    if it["reasons"]:
        return f"{text}This accuracy does not count: {'; '.join(it['reasons'])}."
    allowed = signed(-it["epsilon"])
    if it["equal"]:
        return f"{text}The interval lies above {allowed}: equal accuracy."
    return f"{text}The interval reaches below {allowed}: not shown to be as accurate."


def _notes(found: Sequence[Row]) -> list[str]:
    """Against what, where that is not the same path; and why something does not count."""
    against = {
        (it["rung"], it["against"]): None
        for it in found
        if it["against"] and it["against"] != it["rung"]
    }
    notes = [
        f"{RUNG_NAMES.get(rung, rung)}: the teacher was asked through "
        f"{RUNG_NAMES.get(other, other)}, as it cannot be asked through the same path, so what "
        f"{RUNG_NAMES.get(rung, rung)} adds is counted for the student alone."
        for rung, other in against
    ]
    places: dict[str, list[str]] = {}
    for it in found:
        for reason in it["reasons"]:
            place = f"{RUNG_NAMES[it['rung']]}, {asked(it['protocol'], it['batch'])}"
            places.setdefault(reason, []).append(place)
    for reason, those in places.items():
        few = " and ".join(those) if len(those) <= FEW else f"{len(those)} speed-ups"
        notes.append(f"{few} {'does' if len(those) == 1 else 'do'} not count: {reason}.")
    return notes


def sources(result: Result) -> dict[Asked, tuple[float | None, float | None, float | None]]:
    """Gains of distillation and architecture, of export, and of int8, from medians that count."""
    fastest: dict[tuple[Any, ...], float] = {}
    for it in result.rungs:
        if it.p50_ms and not it.reasons:
            key = (it.rung, it.role, it.protocol, it.batch)
            fastest[key] = min(it.p50_ms.value, fastest.get(key, it.p50_ms.value))
    pairs = (
        (("ort", "teacher"), ("ort", "student")),
        (("torch", "student"), ("ort", "student")),
        (("ort", "student"), ("ort-int8", "student")),
    )
    gains = {}
    for kind in _kinds(key[2:] for key in fastest):
        ratios = [
            _over(fastest.get((*slow, *kind)), fastest.get((*fast, *kind))) for slow, fast in pairs
        ]
        if any(ratio is not None for ratio in ratios):
            gains[kind] = (ratios[0], ratios[1], ratios[2])
    return gains


def _over(slow: float | None, fast: float | None) -> float | None:
    return slow / fast if slow and fast else None


def _source(gains: Mapping[Asked, Sequence[float | None]]) -> str:
    """Where the speed-up comes from, in words."""
    text = (
        "Both run as ONNX graphs in the same runtime with equal threads and precision, so the "
        "speed-up is what distillation into a smaller architecture gains"
    )
    extra = []
    for place, name in ((1, "the export from PyTorch"), (2, "int8")):
        found = [ratio for gain in gains.values() if (ratio := gain[place]) is not None]
        if found:
            extra.append(f"{name} {_range(found)} times for the student")
    if not extra:
        return f"{text}; what export or int8 add was not measured."
    return f"{text}. Not counted in it: {listed(extra)}."
