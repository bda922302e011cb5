"""The rest of a result of ``bench`` as tables: speed-ups by rung, ladder, accuracy, load, cost.

Older results, and quick ones, hold less of it; what is not there is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table as RichTable

from benchmarks import markdown
from benchmarks.measurement import RUNGS, Measurement
from benchmarks.report.gains import ordered
from benchmarks.report.headline import Cell, card, headlines
from benchmarks.report.results import Result, Row, parse
from benchmarks.report.tables import Table, cost_table, floor_table, quality_table
from benchmarks.report.words import (
    IN_WORDS,
    RUNG_NAMES,
    asked,
    metric_name,
    per_s,
    quality,
    time,
    times,
)

DOUBT = "†"  # beside what does not count
STRUCK = "Struck through:"  # as the page says it, where it has more than text
NONE = "–"
ROLES = ("student", "teacher", "identity")
SERVED = ("ort", "grpc", "gateway")  # of a brief table
BATCHES = {"A": 10, "K": 1000, "R": 1000, "F": 1}  # that stand for a protocol, in that order
NOT_TRIVIAL = ("teacher", "student")
BRIEFLY = (
    "What remains behind a server: teacher over student, p50, and the quality of both through the "
    "endpoint. Equal means that the lower end of the difference's interval is within its epsilon."
)


@dataclass(frozen=True)
class Section:
    """A table of one recipe, with what is to be said beneath."""

    title: str
    table: Table
    notes: Sequence[str] = ()


def sections(raw: Mapping[str, Any]) -> list[Section]:
    """All that a result holds beyond what is compared in process in turns."""
    result = parse(dict(raw))
    if not (result.rungs or result.headlines):
        return []
    found = [
        _speed(result),
        Section("p50 on the rungs", _ladder(result), _doubts(result.rungs)),
        Section("Quality", quality_table([result])),
        Section("Open loop, p99 at each rate", _curves(result), _doubts(result.curves)),
        Section("The machine's floor", floor_table([result])),
        Section("Cost", cost_table([result])),
    ]
    return [section for section in found if section.table.body]


def served_markdown(raw: Mapping[str, Any]) -> str:
    """The sections as Markdown; empty for older results."""
    parts = []
    for section in sections(raw):
        table = section.table
        made = markdown.table(table.head, table.body, table.texts)
        parts.append("\n\n".join([f"{section.title}:", made, *section.notes]))
    return "\n\n".join(parts)


def served_terminal(raw: Mapping[str, Any]) -> Iterator[RichTable]:
    """The sections for the terminal."""
    for section in sections(raw):
        made = RichTable(title=section.title, title_justify="left")
        for place, heading in enumerate(section.table.head):
            made.add_column(heading, justify="left" if place < section.table.texts else "right")
        for row in section.table.body:
            made.add_row(*row)
        if section.notes:
            made.caption, made.caption_justify = "\n".join(section.notes), "left"
        yield made


def brief_table(results: Iterable[Mapping[str, Any]]) -> str:
    """Per recipe: quality beside a trivial baseline, and what remains of the speed-up when served.

    Empty where nothing was measured behind a server.
    """
    body = [_brief(result) for result in map(parse, map(dict, results)) if result.headlines]
    if not body:
        return ""
    head = ["recipe", "metric", "baseline", "teacher", "student", "equal", "asked"]
    ways = ["in process" if rung == "ort" else RUNG_NAMES[rung] for rung in SERVED]
    told = f"\n\n{DOUBT} does not count, for a reason that the full results name."
    text = f"{BRIEFLY}\n\n{markdown.table([*head, *ways], body, texts=2)}"
    return text + (told if DOUBT in text else "")


def _speed(result: Result) -> Section:
    """Teacher over student, by what is asked and on which rung."""
    found = card(result)
    body = [
        [
            what,
            *(_speed_cell(cell) for cell in cells),
        ]
        for what, cells in found.speed.items()
    ]
    table = Table("speed", ["teacher over student", *found.rungs], body, 1)
    notes = [note.replace(STRUCK, DOUBT) for note in found.notes]
    return Section("Speed-up", table, [found.accuracy, *notes])


def _speed_cell(cell: Cell | None) -> str:
    """A ratio with its interval, marked where it does not count."""
    if cell is None or not cell.interval:
        return NONE
    return f"{cell.ratio} ({cell.interval}){'' if cell.counts else DOUBT}"


def _ladder(result: Result) -> Table:
    """p50 of every role by what is asked, a column per rung."""
    rungs = [name for name in RUNGS if any(it.rung == name for it in result.rungs)]
    kinds = ordered((it.protocol, it.batch) for it in result.rungs)
    found = {(it.protocol, it.batch, it.role, it.rung): it for it in result.rungs}
    body = []
    for kind in kinds:
        for role in ROLES:
            cells = [_p50(found.get((*kind, role, rung))) for rung in rungs]
            if any(cell != NONE for cell in cells):
                body.append([asked(*kind), role, *cells])
    return Table("ladder", ["asked", "model", *(RUNG_NAMES[rung] for rung in rungs)], body, 2)


def _p50(found: Measurement | None) -> str:
    if found is None or found.p50_ms is None:
        return NONE
    return time(found.p50_ms.value) + (DOUBT if found.reasons else "")


def _curves(result: Result) -> Table:
    """p99 at each scheduled rate, a row per rung and role."""
    rows: dict[tuple[str, str, str], list[Measurement]] = {}
    for it in sorted(result.curves, key=lambda it: it.offered_per_s or 0):
        rows.setdefault((it.rung, it.role, asked(it.protocol, it.batch)), []).append(it)
    most = max((len(points) for points in rows.values()), default=0)
    body = [
        [RUNG_NAMES[rung], role, what, *map(_point, points), *[""] * (most - len(points))]
        for (rung, role, what), points in sorted(rows.items(), key=_place)
    ]
    head = ["path", "model", "asked", *(f"rate {number}" for number in range(1, most + 1))]
    return Table("curves", head, body, 3)


def _place(row: tuple[tuple[str, str, str], list[Measurement]]) -> tuple[int, int]:
    """Rungs in the order of the ladder, the student first."""
    (rung, role, _), _ = row
    return [*RUNGS].index(rung), ROLES.index(role)


def _point(found: Measurement) -> str:
    """A p99 and the rate that it is of."""
    p99 = time(found.p99_ms.value) if found.p99_ms else NONE
    return f"{p99} at {per_s(found.offered_per_s)}" + (DOUBT if found.reasons else "")


def _doubts(found: Iterable[Measurement]) -> list[str]:
    """Why some do not count: each reason once, with how many it is said of."""
    counts: dict[str, int] = {}
    for it in found:
        for reason in it.reasons:
            counts[reason] = counts.get(reason, 0) + 1
    said = [
        f"{reason}{f' ({count} measurements)' if count > 1 else ''}"
        for reason, count in sorted(counts.items(), key=lambda item: -item[1])
    ]
    return [f"{DOUBT} {'; '.join(said)}."] if said else []


def _brief(result: Result) -> list[str]:
    told = headlines(result)
    protocol = next((p for p in BATCHES if any(it["protocol"] == p for it in told)), "")
    batches = {it["batch"] for it in told if it["protocol"] == protocol}
    batch = BATCHES[protocol] if BATCHES[protocol] in batches else min(batches)
    by_rung = {it["rung"]: it for it in told if (it["protocol"], it["batch"]) == (protocol, batch)}
    cells = [_ratio(by_rung.get(rung)) for rung in SERVED]
    return [f"`{result.recipe}`", *_qualities(result), asked(protocol, batch), *cells]


def _ratio(found: Row | None) -> str:
    """A ratio; against what, where that is another path."""
    if found is None or found["ratio"] is None:
        return NONE
    other = found["against"]
    against = f" (teacher {IN_WORDS[other]})" if other not in ("", None, found["rung"]) else ""
    return f"{times(found['ratio'])}{against}{DOUBT if found['reasons'] else ''}"


def _qualities(result: Result) -> list[str]:
    """Metric, the best of trivial baselines, teacher, student, and whether they are equal."""
    it = result.accuracy
    if it is None:
        return [NONE] * 5
    metric = str(it["metric"])
    equal = DOUBT if it["reasons"] else ("yes" if it["equal"] else "no")
    both = [quality(metric, it[role]) for role in ("teacher", "student")]
    return [metric_name(metric), _baseline(result, metric, bool(it["lower"])), *both, equal]


def _baseline(result: Result, metric: str, lower: bool) -> str:
    """The best that needs no teacher: a trivial one, else the student on labels alone."""
    values: dict[str, float] = {}
    for role, metrics in result.quality.items():
        value = metrics.get(metric, metrics.get(f"test_{metric}"))
        if role not in NOT_TRIVIAL and value is not None:
            values[role] = value
    trivial = {role: value for role, value in values.items() if role != "vanilla"} or values
    if not trivial:
        return NONE
    best = (min if lower else max)(trivial, key=lambda role: trivial[role])
    name = "labels alone" if best == "vanilla" else best.replace("_", " ")
    return f"{quality(metric, trivial[best])} ({name})"
