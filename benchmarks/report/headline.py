"""What to know of each recipe first: accuracy, speed-up, where it comes from, and what does not
count."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.measurement import RUNGS, Measurement
from benchmarks.report.gains import NAMES, Asked, gains_of, ordered, source, tried
from benchmarks.report.results import Result, Row
from benchmarks.report.words import (
    IN_WORDS,
    RUNG_NAMES,
    asked,
    begun,
    change,
    listed,
    metric_name,
    quality,
    range_of,
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
        beyond: headings of what the student gains by other means.
        gains: what is asked → that gain.
    """

    recipe: str
    equal: bool | None
    lead: str
    accuracy: str
    rungs: Sequence[str]
    speed: Mapping[str, Sequence[Cell | None]]
    notes: Sequence[str]
    source: str
    beyond: Sequence[str]
    gains: Mapping[str, Sequence[str]]


def card(result: Result) -> Card:
    """The headline of a recipe."""
    found = headlines(result)
    rungs = [rung for rung in RUNGS if any(it["rung"] == rung for it in found)]
    gains = gains_of(result)
    places = [k for k in range(len(NAMES)) if any(pair[k] for pair in gains.values())]
    kinds = ordered([*((it["protocol"], it["batch"]) for it in found), *gains])
    speed = {asked(*kind): [_cell(found, rung, kind) for rung in rungs] for kind in kinds}
    return Card(
        recipe=result.recipe,
        equal=at_equal_accuracy(result),
        lead=_lead(result, found),
        accuracy=_accuracy(result),
        rungs=[RUNG_NAMES[rung] if rung != "ort" else "in process" for rung in rungs],
        speed=speed,
        notes=_notes(found),
        source=source(gains, tried(result)),
        beyond=[NAMES[place] for place in places],
        gains={
            asked(*kind): [times(gain) if (gain := pair[place]) else "" for place in places]
            for kind, pair in gains.items()
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
            parts.append(f"{range_of(ratios)} times{compared} {IN_WORDS[rung]}")
    if not parts:
        return "No speed-up of this recipe counts; the reasons stand below."
    return f"{listed(parts)}{EQUAL[at_equal_accuracy(result)]}."


EQUAL = {
    True: ", at equal accuracy",
    False: ", but not at equal accuracy",
    None: "",  # which is said of the accuracy
}


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
        f"{begun(metric_name(metric))}{better}: student {quality(metric, it['student'])}, teacher "
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
    notes = []
    for rung, other in dict.fromkeys((str(it["rung"]), str(it["against"] or "")) for it in found):
        if other not in ("", rung):
            path, instead = RUNG_NAMES.get(rung, rung), RUNG_NAMES.get(other, other)
            notes.append(
                f"{begun(path)}: the teacher was asked through {instead}, as the {path} has no "
                "endpoint for it; what the way adds beyond that counts against the student alone."
            )
    places: dict[str, list[str]] = {}
    for it in found:
        for reason in it["reasons"]:
            place = f"{RUNG_NAMES[it['rung']]}, {asked(it['protocol'], it['batch'])}"
            places.setdefault(reason, []).append(place)
    doubts = [
        f"{' and '.join(those) if len(those) <= FEW else f'{len(those)} speed-ups'} ({reason})"
        for reason, those in sorted(places.items(), key=lambda item: -len(item[1]))
    ]
    if doubts:
        notes.append(f"Struck through: {'; '.join(doubts)}.")
    return notes
