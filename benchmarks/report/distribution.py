"""Latency distributions in full: every percentile that the samples support."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.histograms import decode
from benchmarks.measurement import Measurement
from benchmarks.report.drawing import COLOURS, MUTED, Figure, label, panel, time_axis
from benchmarks.report.pareto import lowest
from benchmarks.report.results import Result
from benchmarks.report.words import RUNG_NAMES, asked, listed, per_s, time_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TICKS = {0.5: "p50", 0.9: "p90", 0.99: "p99", 0.999: "p99.9", 0.9999: "p99.99"}
BEYOND = 5  # samples above the last percentile that is drawn: p99 of 500, p99.9 of 5,000


@dataclass(frozen=True)
class Line:
    """One distribution in a panel."""

    name: str
    found: Measurement
    colour: str
    dashed: bool = False


def nines(fraction: np.ndarray) -> np.ndarray:
    """How many nines a percentile has: 0.9 → 1, 0.99 → 2."""
    return np.asarray(-np.log10(1 - fraction))


def percentiles(found: Measurement) -> tuple[np.ndarray, np.ndarray]:
    """Cumulative fractions and latencies in ms, as far as the samples support them."""
    steps = [(float(part), float(ms)) for ms, part in decode(found.histogram)]
    most = 1 - BEYOND / max(found.samples, BEYOND + 1)
    kept = [(part, ms) for part, ms in steps if part <= most]
    below = [(0.0, steps[0][1]), *kept]
    return np.array([part for part, _ in below]), np.array([ms for _, ms in below])


def distribution_figure(result: Result) -> Figure | None:
    """Distributions of a recipe: in process, and of the served paths the open loop's."""
    groups = [(ident, title, _lines(found)) for ident, title, found in _groups(result)]
    limits = span_of([lines for _, _, lines in groups])
    panels = [
        distribution_panel(
            f"distribution-{result.recipe}-{ident}", title, lines, columns=3, limits=limits
        )
        for ident, title, lines in groups
        if lines
    ]
    if not panels:
        return None
    kinds = [asked(it.found.protocol, it.found.batch) for *_, lines in groups for it in lines]
    caption = (
        f"{result.recipe}, {listed([*dict.fromkeys(kinds)])}: each step to the right is another "
        "nine, so the tail is as wide as the middle: a line that stays flat keeps its promise, and "
        "it ends where the samples say no more (dashed: INVALID)."
    )
    return Figure(f"distribution-{result.recipe}", panels, caption, columns=3)


def _lines(measured: Sequence[Measurement]) -> list[Line]:
    return [
        Line(_name(it), it, COLOURS[it.role], bool(it.reasons))
        for it in measured
        if it.samples >= 2 * BEYOND  # else there is not even a median
    ]


def _name(found: Measurement) -> str:
    rate = f", {per_s(found.offered_per_s)}" if found.offered_per_s is not None else ""
    return f"{found.role}{rate}"


def span_of(panels: Sequence[Sequence[Line]]) -> tuple[float, float]:
    """Limits in ms that hold every line, with room for names."""
    ends = [percentiles(line.found)[1] for lines in panels for line in lines]
    if not ends:
        return 1.0, 10.0
    return min(ms[0] for ms in ends) / 4, max(ms[-1] for ms in ends) * 3


def _groups(result: Result) -> Iterable[tuple[str, str, list[Measurement]]]:
    """Anchor, title and measurements of each panel, of the query that load is put on."""
    sides = ("student", "teacher")
    served = {
        rung: [it for it in (lowest(result.curves, rung, role) for role in sides) if it]
        for rung in ("grpc", "gateway")
    }
    inside = [it for it in result.rungs if it.rung == "ort" and it.histogram]
    loaded = {(it.batch, it.protocol) for found in served.values() for it in found}
    kinds = {(it.batch, it.protocol) for it in inside}
    if kinds:
        kind = min(kinds & loaded or kinds)
        fastest: dict[str, Measurement] = {}
        for found in inside:
            if (found.batch, found.protocol) == kind and found.role in sides:
                fastest.setdefault(found.role, found)
        served = {"ort": [*fastest.values()], **served}
    for rung, measured in served.items():
        shown = [it for it in measured if it.histogram]
        if shown:
            yield rung, "in process" if rung == "ort" else RUNG_NAMES[rung], shown


def distribution_panel(
    ident: str,
    title: str,
    lines: Sequence[Line],
    columns: int = 2,
    level: tuple[float, str] | None = None,
    limits: tuple[float, float] | None = None,
) -> str:
    """Percentiles on an axis of nines, each line labelled at its end.

    Args:
        ident, title: of the panel.
        lines: what is drawn.
        columns: how many such pictures stand side by side.
        level: a latency in ms that is marked, and its name.
        limits: of the latency in ms; by default those of the lines.
    """
    slowest = max(lines, key=lambda line: percentiles(line.found)[1][-1])

    def draw(axes: Axes) -> None:
        last = max(reach(line) for line in lines)
        for line in lines:
            _draw_line(axes, line, line is slowest, last)
        axes.set_ylim(*(limits or span_of([lines])))
        _name_axes(axes, last)
        if level:
            axes.axhline(level[0], color=MUTED, lw=0.8, linestyle=(0, (1, 2)))
            label(axes, level[1], (0.05, level[0]), (0, 2))

    return panel(ident, title, _in_words(lines), draw, 2.5, columns)


def reach(line: Line) -> float:
    """How many nines a line reaches."""
    return float(nines(percentiles(line.found)[0])[-1])


def _name_axes(axes: Axes, last: float) -> None:
    """Time upwards; percentiles across, as far as the lines reach."""
    time_axis(axes, "y")
    ticks = {float(nines(np.array(part))): name for part, name in TICKS.items()}
    shown = {place: name for place, name in ticks.items() if place <= last + 0.02}
    axes.set_xticks([*shown], [*shown.values()])
    axes.set_xlim(0, last * 1.02)


def _draw_line(axes: Axes, line: Line, above: bool, last: float) -> None:
    """Draw one distribution with its name above or below its end.

    Args:
        axes: that are drawn on.
        line: the distribution.
        above: where its name is.
        last: how many nines the panel reaches.
    """
    parts, ms = percentiles(line.found)
    dashes: Any = (0, (3, 2)) if line.dashed else "-"
    axes.plot(nines(parts), ms, color=line.colour, lw=1.4, linestyle=dashes)
    end = float(nines(parts)[-1]), float(ms[-1])
    up, down = ("bottom", 4) if above else ("top", -8)
    side = "right" if end[0] > last / 2 else "left"
    label(axes, line.name, end, (-2, down), (line.colour, side, up))


def _in_words(lines: Sequence[Line]) -> str:
    parts = []
    for line in lines:
        found = line.found
        tail = f", p99.9 {time_of(found.p999_ms)}" if found.p999_ms else ""
        parts.append(f"{line.name}: p50 {time_of(found.p50_ms)}, p99 {time_of(found.p99_ms)}{tail}")
    return "; ".join(parts) + "."
