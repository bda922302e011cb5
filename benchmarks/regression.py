"""Compares two results of ``leanzoo bench``: what became slower, by intervals and not by points.

slower, faster        the intervals lie apart, and the values by more than LEAST
same                  anything less
worse, better         the same of accuracy, by more than the epsilon of its gate
not comparable        one does not count, or was measured elsewhere or otherwise: it says which
missing in A, in B    measured in the other alone

Intervals of 95 % that lie apart by chance: 1 in about 180 comparisons, where all that differs is
drawn anew; and an interval of one run knows nothing of how runs differ. Hence LEAST. A run is worse
than another where its student, its path (the identity) or a ratio of teacher over student is
slower, or its accuracy worse; a teacher that is slower is only shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.intervals import Interval
from benchmarks.regression_pairs import Pair, Side, pairs
from benchmarks.report.results import Result, find, parse, read
from benchmarks.report.tables import machine_of
from zoo.artifact import ArtifactError

LEAST = 0.05
SLOWER, FASTER, SAME, WORSE, BETTER = "slower", "faster", "same", "worse", "better"
NOT_COMPARABLE, MISSING = "not comparable", "missing in"


@dataclass(frozen=True)
class Line:
    """One thing that both runs measured, or should have.

    Attributes:
        what: in words.
        a: in the first run, with its interval; None where it is missing or does not count.
        b: in the second.
        verdict: see the module.
        why: where the verdict needs a reason.
        counts: a worse verdict makes the second run a regression.
    """

    what: str
    a: Interval | None
    b: Interval | None
    verdict: str
    why: str = ""
    counts: bool = True


@dataclass(frozen=True)
class Comparison:
    """Two results of one recipe.

    Attributes:
        recipe: its name.
        lines: what was compared.
        least: the least relative difference that counts.
        loads: the highest load average of either run; a busy machine makes everything slower.
    """

    recipe: str
    lines: tuple[Line, ...]
    least: float = LEAST
    loads: tuple[float | None, float | None] = (None, None)

    @property
    def regressed(self) -> bool:
        """Whether the second run is worse than the first."""
        return any(one.verdict in (SLOWER, WORSE) and one.counts for one in self.lines)

    @property
    def compared(self) -> int:
        """How many things were compared."""
        return sum(one.a is not None for one in self.lines)

    @property
    def verdicts(self) -> dict[str, int]:
        """How often each verdict was found."""
        return dict(Counter(one.verdict for one in self.lines).most_common())

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "recipe": self.recipe,
            "regressed": self.regressed,
            "compared": self.compared,
            "least": self.least,
            "loads": list(self.loads),
            "verdicts": self.verdicts,
            "lines": [asdict(one) for one in self.lines],
        }


def compare_places(a: Path, b: Path, least: float = LEAST) -> list[Comparison]:
    """Compare the results at two places, recipe by recipe.

    Args:
        a: a file that ``leanzoo bench`` wrote, or a folder of them.
        b: the later one.
        least: the least relative difference that counts.

    Raises:
        ArtifactError: there is none, it cannot be read, or the places share no recipe.
    """
    first, second = ({one.recipe: one for one in read(find([place], place))} for place in (a, b))
    if not {*first} & {*second}:
        raise ArtifactError(
            f"{a} has {', '.join(sorted(first))}, {b} has {', '.join(sorted(second))}: name two "
            "results of one recipe"
        )
    return [
        _compare(recipe, first.get(recipe), second.get(recipe), least)
        for recipe in sorted({*first, *second})
    ]


def compare_runs(a: Mapping[str, Any], b: Mapping[str, Any], least: float = LEAST) -> Comparison:
    """Compare two results of one recipe, as ``leanzoo bench`` returns them."""
    return _compare(str(a["recipe"]), parse(dict(a)), parse(dict(b)), least)


def exit_code(comparisons: Sequence[Comparison]) -> int:
    """1 where a recipe is worse; 2 where nothing could be compared, which is no pass either."""
    if not any(one.compared for one in comparisons):
        return 2
    return int(any(one.regressed for one in comparisons))


def terminal(comparison: Comparison) -> Table:
    """A comparison for the terminal: what differs in full, what cannot be compared in brief."""
    said = ", ".join(f"{count} {verdict}" for verdict, count in comparison.verdicts.items())
    table = Table(title=f"{comparison.recipe}: {said}", title_justify="left")
    for heading, justify in (("what", "left"), ("A", "right"), ("B", "right"), ("B / A", "right")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    table.add_column("verdict")
    differ = [one for one in comparison.lines if one.verdict in (SLOWER, FASTER, WORSE, BETTER)]
    for one in differ:
        table.add_row(one.what, *_values(one), one.verdict)
    others = [one for one in comparison.lines if one not in differ and one.verdict != SAME]
    for (verdict, why), some in _by_reason(others).items():
        what = some[0].what + (f" and {len(some) - 1} more" if len(some) > 1 else "")
        table.add_row(what, "", "", "", f"{verdict}{f': {why}' if why else ''}")
    end = "B is worse than A" if comparison.regressed else "B is not worse than A"
    loads = "load average {} in A, {} in B".format(*comparison.loads)
    counted = f"intervals that lie apart and values more than {comparison.least:.0%}"
    table.caption = (
        f"{end}: of {comparison.compared} compared, {counted}; {loads}"
        if comparison.compared
        else "nothing could be compared"
    )
    return table


def _by_reason(lines: Sequence[Line]) -> dict[tuple[str, str], list[Line]]:
    found: dict[tuple[str, str], list[Line]] = {}
    for one in lines:
        found.setdefault((one.verdict, one.why), []).append(one)
    return found


def _values(one: Line) -> tuple[str, str, str]:
    assert one.a is not None
    assert one.b is not None
    shown = [f"{at.value:.3g} [{at.low:.3g}, {at.high:.3g}]" for at in (one.a, one.b)]
    times = "" if one.verdict in (WORSE, BETTER) else f"{one.b.value / one.a.value:.2f}"
    return shown[0], shown[1], times


def _compare(recipe: str, a: Result | None, b: Result | None, least: float) -> Comparison:
    if a is None or b is None:
        missing = Line("all of it", None, None, f"{MISSING} {'A' if a is None else 'B'}")
        return Comparison(recipe, (missing,), least)
    loads = machine_of(a).get("load_average"), machine_of(b).get("load_average")
    return Comparison(recipe, tuple(_lines(a, b, least)), least, loads)


def _lines(a: Result, b: Result, least: float) -> Iterator[Line]:
    for pair in pairs(a, b):
        yield from _judge(pair, least)


def _judge(pair: Pair, least: float) -> Iterator[Line]:
    """A verdict for each value of a pair."""
    if pair.a is None or pair.b is None:
        place = "A" if pair.a is None else "B"
        yield Line(pair.what, None, None, f"{MISSING} {place}", counts=False)
        return
    why = _unlike(pair.a, pair.b)
    for name in sorted({*pair.a.values, *pair.b.values}):
        what = f"{pair.what}, {name}" if name else pair.what
        before, after = pair.a.values.get(name), pair.b.values.get(name)
        if why or before is None or after is None:
            reason = why or "too few samples for an interval"
            yield Line(what, None, None, NOT_COMPARABLE, reason, counts=False)
        else:
            verdict, note = judge(before, after, least, pair)
            yield Line(what, before, after, verdict, note, counts=pair.counts)


def judge(a: Interval, b: Interval, least: float, pair: Pair) -> tuple[str, str]:
    """The verdict on two values, and why where that is not plain.

    Args:
        a: of the first run.
        b: of the second.
        least: the least relative difference that counts, unless the pair has an epsilon.
        pair: what they are of.
    """
    if a.low <= b.high and b.low <= a.high:
        return SAME, ""
    higher, lower = max(a.value, b.value), min(a.value, b.value)
    near = higher - lower <= pair.epsilon if pair.epsilon else higher <= lower * (1 + least)
    if near:
        return SAME, "the intervals lie apart, the values hardly"
    bad = (b.value > a.value) == pair.lower_is_better
    verdicts = (WORSE, BETTER) if pair.epsilon else (SLOWER, FASTER)
    return verdicts[0 if bad else 1], ""


def _unlike(a: Side, b: Side) -> str:
    """Why two sides cannot be compared; empty where they can."""
    for place, side in (("A", a), ("B", b)):
        if side.reasons:
            return f"INVALID in {place}: {side.reasons[0]}"
    for name in sorted({*a.conditions, *b.conditions}):
        before, after = a.conditions.get(name), b.conditions.get(name)
        if before != after:
            return f"{name}: {before} in A, {after} in B"
    return ""
