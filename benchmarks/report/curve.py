"""Latency against throughput, and the knee, after which waiting takes over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.measurement import RUNGS, Measurement
from benchmarks.report.drawing import (
    COLOURS,
    HOLLOW,
    INK,
    ROLE_KEY,
    Figure,
    label,
    log_ticks,
    mark,
    panel,
    time_axis,
)
from benchmarks.report.results import Result
from benchmarks.report.words import RUNG_NAMES, asked, per_s, time_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINES = (("muted", "──", "p99"), ("muted", "┄┄", "p50"), ("muted", "◯", "knee"))
LEAST_RATES = 2
KNEE = 3.0  # times the p99 at the lowest rate
Curves = dict[str, list[Measurement]]  # role → by rate


def knee(points: Sequence[Measurement]) -> Measurement | None:
    """The highest rate at which the tail is still that of an idle server.

    That is the highest rate that counts and whose p99 is at most three times that at the lowest
    rate that counts; None where fewer than two count.

    Args:
        points: one model in open loops.
    """
    counted = sorted((p for p in points if not p.reasons and p.p99_ms), key=_rate)
    if len(counted) < LEAST_RATES:
        return None
    first = counted[0].p99_ms
    assert first is not None
    good = [p for p in counted if p.p99_ms and p.p99_ms.value <= KNEE * first.value]
    return good[-1]


def _rate(found: Measurement) -> float:
    return found.achieved_per_s or found.offered_per_s or 0.0


def _place(found: Measurement) -> tuple[int, int, float]:
    return found.batch, [*RUNGS].index(found.rung), found.offered_per_s or 0.0


def curve_figure(result: Result) -> Figure | None:
    """Latency–throughput curves of a recipe, one panel per path and batch."""
    groups: dict[tuple[str, str, int], Curves] = {}
    for found in sorted(result.curves, key=_place):
        if found.p50_ms and _rate(found):
            curves = groups.setdefault((found.rung, found.protocol, found.batch), {})
            curves.setdefault(found.role, []).append(found)
    panels = []
    heights = [ms.value for it in result.curves for ms in (it.p50_ms, it.p99_ms) if ms]
    for (rung, protocol, batch), curves in groups.items():

        def draw(axes: Axes, curves: Curves = curves) -> None:
            axes.set_ylim(min(heights) / 1.6, max(heights) * 1.6)
            _curves(axes, curves)

        ident = f"curve-{result.recipe}-{rung}-{protocol}-{batch}"
        title = f"{RUNG_NAMES[rung]}, {asked(protocol, batch)}"
        panels.append(panel(ident, title, _in_words(curves), draw, 2.8))
    if not panels:
        return None
    caption = (
        f"{result.recipe}: latency against the rate that was answered; up to the knee the tail is "
        "that of an idle server, beyond it queries wait for each other."
    )
    return Figure(f"curve-{result.recipe}", panels, caption, (*ROLE_KEY[:2], *LINES, HOLLOW))


def _curves(axes: Axes, curves: Curves) -> None:
    for role, points in curves.items():
        rates = [_rate(p) for p in points]
        medians = [p.p50_ms.value for p in points if p.p50_ms]
        axes.plot(rates, medians, color=COLOURS[role], lw=1.0, linestyle=(0, (3, 2)))
        tails = [(rate, p) for rate, p in zip(rates, points, strict=True) if p.p99_ms]
        heights = [p.p99_ms.value for _, p in tails if p.p99_ms]
        axes.plot([rate for rate, _ in tails], heights, color=COLOURS[role], lw=1.3)
        for p in points:
            for ms, size in ((p.p99_ms, 4.5), (p.p50_ms, 2.5)):
                if ms:
                    look = mark(role, not p.reasons, size)
                    axes.plot(_rate(p), ms.value, linestyle="", **look)
        _ring(axes, points, role)
    _scale(axes)


def _scale(axes: Axes) -> None:
    axes.margins(x=0.1)
    axes.set_xscale("log")
    time_axis(axes, "y")
    log_ticks(axes.xaxis, lambda rate: f"{rate:,.0f}" if rate >= 1 else f"{rate:g}")
    axes.set_xlabel("answered queries per second")


def _ring(axes: Axes, points: Sequence[Measurement], role: str) -> None:
    """Mark the knee, above the slower teacher's and below the student's."""
    found = knee(points)
    if found and found.p99_ms:
        at = _rate(found), found.p99_ms.value
        axes.plot(*at, "o", markersize=10, color=INK, markerfacecolor="none", markeredgewidth=0.9)
        up, offset = ("bottom", (0, 6)) if role == "teacher" else ("top", (0, -6))
        label(axes, per_s(at[0]), at, offset, (COLOURS[role], "center", up))


def _in_words(curves: Curves) -> str:
    parts = []
    for role, points in curves.items():
        found = knee(points)
        at = f"knee at {per_s(_rate(found))}" if found else "no knee"
        ends = f"p99 {time_of(points[0].p99_ms)} at {per_s(_rate(points[0]))}"
        last = f"{time_of(points[-1].p99_ms)} at {per_s(_rate(points[-1]))}"
        parts.append(f"{role}: {ends}, {last}, {at}")
    return "; ".join(parts) + "."
