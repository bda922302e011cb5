"""What two results of a recipe have in common: measurements, ratios and accuracy, side by side.

Not compared: floors, which are computed; costs, which have no interval; the stall, which is made.
Rates of an open loop are shares of a capacity that each run finds anew, so curves are paired point
by point, and compared where the rates are alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.intervals import Interval
from benchmarks.measurement import Measurement
from benchmarks.report.results import Result
from benchmarks.report.words import asked

FLOOR, IN_PROCESS = "floor", ("torch", "ort", "ort-int8")
MACHINE = ("cpu", "cores", "threads")
RATES_ALIKE = 0.10
TEACHER = "teacher"

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Side:
    """What one run says.

    Attributes:
        values: by name, such as ``p50``.
        conditions: that must be the same in both.
        reasons: why it does not count.
    """

    values: Mapping[str, Interval | None]
    conditions: Mapping[str, Any] = field(default_factory=dict)
    reasons: Sequence[str] = ()


@dataclass(frozen=True)
class Pair:
    """The same thing in two runs.

    Attributes:
        what: in words.
        a: in the first; None where it is missing.
        b: in the second.
        lower_is_better: of its values.
        epsilon: the least absolute difference that counts; None: differences are relative.
        counts: it is the student's, or the path's.
    """

    what: str
    a: Side | None
    b: Side | None
    lower_is_better: bool = True
    epsilon: float | None = None
    counts: bool = True


def pairs(a: Result, b: Result) -> Iterator[Pair]:
    """Everything that is compared, in the order of a result."""
    yield from _measured(a, b)
    for name, read in (("ratio", _ratios), ("headline", _headlines)):
        before, after = read(a), read(b)
        for what in dict.fromkeys([*before, *after]):
            yield Pair(f"{name} {what}", before.get(what), after.get(what), lower_is_better=False)
    if a.accuracy or b.accuracy:
        sides = [_accuracy(one.accuracy) if one.accuracy else None for one in (a, b)]
        epsilon = float((a.accuracy or b.accuracy or {})["epsilon"])
        yield Pair("accuracy, student less teacher", sides[0], sides[1], False, epsilon)


def _measured(a: Result, b: Result) -> Iterator[Pair]:
    before, after = dict(_by_key(a)), dict(_by_key(b))
    for key in dict.fromkeys([*before, *after]):
        first, second = before.get(key), after.get(key)
        known = first or second
        assert known is not None
        apart = _rates_differ(first, second)
        sides = [
            None if one is None else _side(one, str(run.conditions.get("server", "")), apart)
            for one, run in ((first, a), (second, b))
        ]
        yield Pair(_words(key[0], known, key[-1]), sides[0], sides[1], counts=known.role != TEACHER)


def _by_key(result: Result) -> Iterator[tuple[Key, Measurement]]:
    """Measurements by what tells them from the others of a result."""
    places: dict[Key, int] = {}
    curves = sorted(result.curves, key=lambda one: one.offered_per_s or 0)
    parts = (("protocol", result.measurements), ("rung", result.rungs), ("curve", curves))
    for part, one in ((part, one) for part, some in parts for one in some):
        if one.rung != FLOOR:
            key = (part, one.rung, one.protocol, one.load, one.role, one.form, one.batch)
            places[key] = places.get(key, 0) + 1
            yield (*key, places[key]), one


def _side(found: Measurement, server: str = "", rate: bool = False) -> Side:
    """What a run says of one measurement.

    Args:
        found: it.
        server: that the run had.
        rate: the rate is a condition too.
    """
    values = {"p50": found.p50_ms}
    if found.load == "open" and found.p99_ms is not None:
        values["p99"] = found.p99_ms
    conditions = {name: found.machine.get(name) for name in MACHINE}
    runtime = "torch" if found.rung == "torch" else "onnxruntime"
    conditions[runtime] = found.versions.get(runtime)
    conditions |= {"target": found.target, "precision": found.precision}
    if found.rung not in IN_PROCESS:
        conditions["server"] = server
    if rate:
        conditions["offered"] = f"{found.offered_per_s:.0f}/s"
    return Side(values, conditions, found.reasons)


def _rates_differ(a: Measurement | None, b: Measurement | None) -> bool:
    if a is None or b is None or not a.offered_per_s or not b.offered_per_s:
        return False
    return abs(a.offered_per_s / b.offered_per_s - 1) > RATES_ALIKE


def _words(part: str, found: Measurement, place: int) -> str:
    """A measurement in words, such as ``rung grpc, R · 100 rows, student rows``."""
    rate = f", rate {place}" if found.load == "open" else ""
    what = asked(found.protocol, found.batch)
    return f"{part} {found.rung}, {what}, {found.role} {found.form}{rate}"


def _ratios(result: Result) -> dict[str, Side]:
    """The ratios of the protocols; None stands for one that does not count."""
    first = result.measurements[0]
    conditions = _side(first).conditions
    return {
        name: Side({"": _interval(one)}, conditions, () if one else ("it does not count",))
        for name, one in result.ratios.items()
    }


def _headlines(result: Result) -> dict[str, Side]:
    first = _side(result.measurements[0]).conditions
    server = {"server": result.conditions.get("server", "")}
    found = {}
    for one in result.headlines:
        conditions = {**first, "against": one["against"]}
        conditions |= {} if one["rung"] in IN_PROCESS else server
        what = f"{one['rung']}, {asked(one['protocol'], one['batch'])}"
        found[what] = Side({"": _interval(one)}, conditions, one["reasons"])
    return found


def _accuracy(found: Mapping[str, Any]) -> Side:
    interval = Interval(found["change"], found["low"], found["high"])
    return Side({"": interval}, {"metric": found["metric"]}, found["reasons"])


def _interval(found: Mapping[str, Any] | None) -> Interval | None:
    if found is None or found["ratio"] is None:
        return None
    return Interval(found["ratio"], found["low"], found["high"])
