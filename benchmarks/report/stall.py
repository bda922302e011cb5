"""The worked example: a server that stops for two seconds, seen by two load generators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.report.distribution import Line, distribution_panel
from benchmarks.report.drawing import INK, MUTED, STUDENT, TEACHER, Figure, label, panel
from benchmarks.report.results import Result, Stall
from benchmarks.report.tables import Table
from benchmarks.report.words import time_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RATE_PER_S, SERVICE_S, BEGINS_S, ENDS_S = 4.0, 0.06, 1.6, 6.0  # of the drawing
LATE_S = 0.1


@dataclass(frozen=True)
class Query:
    """One query of the drawing: when it was due, and when its answer came."""

    due_s: float
    answered_s: float

    @property
    def late(self) -> bool:
        """It waited."""
        return self.answered_s - self.due_s > LATE_S


def drawn_open(stall_s: float) -> list[Query]:
    """Queries that are sent when they are due, whether or not the last one was answered."""
    due = [k / RATE_PER_S for k in range(int(ENDS_S * RATE_PER_S))]
    return [Query(at, _answer(at, stall_s)) for at in due]


def drawn_closed(stall_s: float) -> list[Query]:
    """Queries of one client that waits for each answer before it asks again."""
    found, at = [], 0.0
    while at < ENDS_S:
        found.append(Query(at, _answer(at, stall_s)))
        at = max(at + 1 / RATE_PER_S, found[-1].answered_s)
    return found


def _answer(sent_s: float, stall_s: float) -> float:
    """When the server answers; while it stands still, nothing."""
    stands = sent_s + SERVICE_S > BEGINS_S and sent_s < BEGINS_S + stall_s
    return (BEGINS_S + stall_s if stands else sent_s) + SERVICE_S


def example_figure(stall: Stall) -> Figure:
    """Drawn, not measured: the same pause through both generators."""
    kinds = (
        ("closed", "Closed loop: ask, wait, ask again", drawn_closed(stall.stall_s)),
        ("open", "Open loop: ask when the user would", drawn_open(stall.stall_s)),
    )
    panels = []
    for ident, title, queries in kinds:
        late = sum(query.late for query in queries)
        about = f"{late} of {len(queries)} queries are late."

        def draw(axes: Axes, queries: list[Query] = queries, about: str = about) -> None:
            _timeline(axes, queries, stall.stall_s, about)

        panels.append(panel(f"stall-drawn-{ident}", title, about, draw, 2.6))
    caption = (
        "A drawing, not a measurement, of four queries a second: each line runs from the moment a "
        "query was due to its answer, and during the same pause one generator counts a single late "
        "query where the other counts everyone who waited."
    )
    return Figure("stall-drawn", panels, caption)


def _timeline(axes: Axes, queries: Sequence[Query], stall_s: float, about: str) -> None:
    axes.axvspan(BEGINS_S, BEGINS_S + stall_s, color=MUTED, alpha=0.13, lw=0)
    for place, query in enumerate(queries):
        colour = TEACHER if query.late else STUDENT
        axes.plot([query.due_s, query.answered_s], [place, place], color=colour, lw=1.6)
        axes.plot(query.due_s, place, "o", color=colour, markersize=2.6)
    rows = int(ENDS_S * RATE_PER_S)
    axes.set_ylim(rows, -2.5)
    axes.set_xlim(0, ENDS_S)
    axes.set_yticks([])
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("seconds")
    middle = BEGINS_S + stall_s / 2, -1.5
    label(axes, "the server stands still", middle, look=(MUTED, "center", "center"))
    label(axes, about, (0.05, rows - 0.8), look=(INK, "left", "bottom"))


def measured_figure(result: Result, stall: Stall) -> Figure | None:
    """Measured: the distribution that each generator would report."""
    lines = [
        Line("open loop", stall.open, TEACHER),
        Line("closed loop", stall.closed, STUDENT),
    ]
    if not all(line.found.histogram for line in lines):
        return None
    title = f"{result.recipe}, {stall.rate_per_s:,.3g} queries a second"
    made = distribution_panel(
        "stall-measured", title, lines, level=(stall.stall_s * 1e3, "the pause")
    )
    caption = (
        f"Measured, a pause of {stall.stall_s:g} s within {stall.seconds:g} s: the p99 is "
        f"{time_of(stall.open.p99_ms)} in the open loop, {time_of(stall.closed.p99_ms)} in the "
        "closed one."
    )
    return Figure("stall-measured", [made], caption)


def stall_table(results: Sequence[Result]) -> Table:
    """What each generator says about the same pause."""
    body = []
    for result in results:
        if result.stall:
            for name, found in (("closed", result.stall.closed), ("open", result.stall.open)):
                cells = [time_of(getattr(found, f"{at}_ms")) for at in ("p50", "p99", "p999")]
                body.append([result.recipe, f"{name} loop", f"{found.samples:,}", *cells])
    head = ["recipe", "generator", "queries", "p50", "p99", "p99.9"]
    return Table("stall-table", head, body, 2)
