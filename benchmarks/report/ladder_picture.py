"""The ladder: from the arithmetic to the caller, student, teacher and identity on one time axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks.intervals import Interval
from benchmarks.measurement import RUNGS, Measurement
from benchmarks.report.drawing import (
    COLOURS,
    HOLLOW,
    MUTED,
    ROLE_KEY,
    Figure,
    label,
    mark,
    panel,
    time_axis,
)
from benchmarks.report.gains import ordered
from benchmarks.report.results import Result
from benchmarks.report.words import ROLES, RUNG_NAMES, asked, time_of, times

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Steps = Mapping[tuple[str, str], Measurement]  # (rung, role) → the fastest form
ROW_IN = 0.27
GAP = ("muted", "t ÷ s", "the teacher's median over the student's")


def ladder_figure(result: Result) -> Figure | None:
    """The ladder of a recipe, one panel per protocol and batch; None where it was not measured."""
    measured = [found for found in (*floors_of(result), *result.rungs) if found.p50_ms]
    kinds = ordered((found.protocol, found.batch) for found in measured)
    rungs = [rung for rung in RUNGS if any(found.rung == rung for found in measured)]
    bounds = [found.p50_ms.value for found in measured if found.p50_ms]
    if not bounds:
        return None
    limits = min(bounds) / 1.8, max(bounds) * 1.8
    panels = []
    for protocol, batch in kinds:
        steps = _fastest(measured, protocol, batch)

        def draw(axes: Axes, steps: Steps = steps) -> None:
            _ladder(axes, steps, rungs, limits)

        ident = f"ladder-{result.recipe}-{protocol}-{batch}"
        height_in = 0.85 + ROW_IN * len(rungs)
        panels.append(panel(ident, asked(protocol, batch), _in_words(steps), draw, height_in))
    caption = (
        f"{result.recipe}: the gap between student and teacher is the speed-up at each rung; where "
        "it closes, callers wait for the path, as the identity does, rather than for the model."
    )
    return Figure(f"ladder-{result.recipe}", panels, caption, (*ROLE_KEY, HOLLOW, GAP))


def floors_of(result: Result) -> list[Measurement]:
    """The floor as a rung of its own, of the models that were measured; where it is not one yet."""
    floors = {(it["model"], it["form"], it["batch"]): it["floor_ms"] for it in result.floors}
    found: dict[tuple[str, str, str, int], Measurement] = {}
    if any(it.rung == "floor" for it in result.rungs):
        return []
    for it in result.rungs:
        ms = floors.get((it.model, it.form, it.batch))
        if ms is not None:
            key = it.model, it.form, it.protocol, it.batch
            found[key] = replace(it, rung="floor", p50_ms=Interval(ms, ms, ms), reasons=())
    return [*found.values()]


def _fastest(measured: Sequence[Measurement], protocol: str, batch: int) -> Steps:
    """Of each rung and role the fastest form; those that count come first."""

    def order(found: Measurement) -> tuple[bool, float]:
        return bool(found.reasons), found.p50_ms.value if found.p50_ms else 0.0

    steps: dict[tuple[str, str], Measurement] = {}
    for found in sorted(measured, key=order):
        if (found.protocol, found.batch) == (protocol, batch):
            steps.setdefault((found.rung, found.role), found)
    return steps


def _ladder(axes: Axes, steps: Steps, rungs: Sequence[str], limits: tuple[float, float]) -> None:
    """One panel: rungs from the top, medians with their intervals."""
    for role in reversed(ROLES):  # the student on top
        line = [
            (steps[rung, role], place) for place, rung in enumerate(rungs) if (rung, role) in steps
        ]
        centres = [found.p50_ms.value for found, _ in line if found.p50_ms]
        axes.plot(centres, [place for _, place in line], color=COLOURS[role], lw=0.8, alpha=0.35)
        for found, place in line:
            if found.p50_ms:
                ends = [found.p50_ms.low, found.p50_ms.high]
                axes.plot(ends, [place, place], color=COLOURS[role], lw=2.2, alpha=0.6)
                axes.plot(found.p50_ms.value, place, linestyle="", **mark(role, not found.reasons))
    axes.set_yticks(range(len(rungs)), [RUNG_NAMES[rung] for rung in rungs])
    axes.set_ylim(len(rungs) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.set_xlim(*limits)
    time_axis(axes, "x")
    for place, rung in enumerate(rungs):
        label(axes, _gap(steps, rung), (1.0, place), (30, 0), AT_RIGHT, "axes fraction")
    label(axes, "t ÷ s", (1.0, -0.5), (30, 5), AT_RIGHT, "axes fraction")


AT_RIGHT = (MUTED, "right", "center")


def _gap(steps: Steps, rung: str) -> str:
    """The teacher's median over the student's."""
    teacher, student = steps.get((rung, "teacher")), steps.get((rung, "student"))
    if not (teacher and student and teacher.p50_ms and student.p50_ms):
        return ""
    return times(teacher.p50_ms.value / student.p50_ms.value)


def _in_words(steps: Steps) -> str:
    """The panel for those who do not see it."""
    parts = [
        f"{RUNG_NAMES[rung]}, {role}: {time_of(found.p50_ms)}"
        + (" (INVALID)" if found.reasons else "")
        for (rung, role), found in sorted(
            steps.items(), key=lambda step: ([*RUNGS].index(step[0][0]), step[0][1])
        )
    ]
    return "Median latency. " + "; ".join(parts) + "."
