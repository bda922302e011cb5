"""Accuracy against latency: which models no other beats in both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.measurement import Measurement
from benchmarks.report.drawing import (
    HOLLOW,
    INK,
    MUTED,
    ROLE_KEY,
    Figure,
    label,
    mark,
    panel,
    time_axis,
)
from benchmarks.report.results import Result
from benchmarks.report.words import metric_name, per_s, quality, time
from zoo.contract import LeanzooError
from zoo.registry import get_recipe

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WAYS = {"grpc": "gRPC", "gateway": "gateway"}  # in order of preference


@dataclass(frozen=True)
class Point:
    """One model at its lowest measured rate.

    Attributes:
        name: of the model.
        role: teacher or student.
        p99_ms: from the scheduled arrival to the answer.
        quality: the task's metric.
        rate_per_s: that was offered.
        valid: it counts.
        way: how it was asked, in a word.
    """

    name: str
    role: str
    p99_ms: float
    quality: float
    rate_per_s: float
    valid: bool
    way: str


def pareto_figure(results: Sequence[Result]) -> Figure | None:
    """All students and teachers, one panel per data set and metric."""
    groups: dict[tuple[str, str, bool], list[Point]] = {}
    for result in results:
        if result.accuracy:
            metric, lower = str(result.accuracy["metric"]), bool(result.accuracy["lower"])
            group = groups.setdefault((dataset_of(result.recipe), metric, lower), [])
            group += [point for point in _points(result) if point not in group]
    panels = []
    for (dataset, metric, lower), points in groups.items():
        if not points:
            continue

        def draw(
            axes: Axes, points: list[Point] = points, metric: str = metric, lower: bool = lower
        ) -> None:
            _scatter(axes, points, metric, lower)

        ident, title = f"pareto-{dataset}-{metric}", f"{dataset}: {metric_name(metric)}"
        panels.append(panel(ident, title, _in_words(points, metric), draw, 2.7))
    if not panels:
        return None
    caption = (
        "Up and to the left is better: the line joins the models that no other model for the same "
        "data beats in both accuracy and p99 of an open loop, each at the lowest rate that counts: "
        "over gRPC, or through the gateway where no rate does there. Both stand beside it."
    )
    return Figure("pareto-models", panels, caption, (*ROLE_KEY[:2], HOLLOW))


def dataset_of(recipe: str) -> str:
    """The data that a recipe is about; of one that is not in the registry, as its name says."""
    try:
        return get_recipe(recipe).dataset
    except LeanzooError:
        return recipe.partition("-")[2] or recipe


def lowest(curves: Iterable[Measurement], rung: str, role: str) -> Measurement | None:
    """The open loop at the lowest rate; of one query, where batches differ."""
    found = [it for it in curves if (it.rung, it.role, it.load) == (rung, role, "open")]
    return min(found, key=lambda it: (it.batch, it.offered_per_s or 0.0), default=None)


def _points(result: Result) -> list[Point]:
    points = []
    for role in ("teacher", "student"):
        found = _shown(result, role)
        value = result.accuracy[role] if result.accuracy else None
        if found and found.p99_ms and value is not None:
            doubts = result.accuracy["reasons"] if result.accuracy else []
            rate, valid = found.offered_per_s or 0.0, not (found.reasons or doubts)
            p99_ms, way = found.p99_ms.value, WAYS[found.rung]
            points.append(Point(found.model, role, p99_ms, value, rate, valid, way))
    return points


def _shown(result: Result, role: str) -> Measurement | None:
    """The lowest rate that counts, over gRPC if one does; else the lowest over gRPC."""
    counting = [it for it in result.curves if not it.reasons]
    for rung in WAYS:
        if found := lowest(counting, rung, role):
            return found
    return lowest(result.curves, "grpc", role)


def front(points: Iterable[Point], lower: bool) -> list[Point]:
    """The points that count and that no other beats in both, from the fastest on.

    Args:
        points: in any order.
        lower: the least metric is best.
    """
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (p.p99_ms, p.quality if lower else -p.quality)):
        gains = not best or (
            point.quality < best[-1].quality if lower else point.quality > best[-1].quality
        )
        if point.valid and gains:
            best.append(point)
    return best


def _scatter(axes: Axes, points: Sequence[Point], metric: str, lower: bool) -> None:
    best = front(points, lower)
    across, up = [p.p99_ms for p in best], [p.quality for p in best]
    axes.step(across, up, where="post", color=MUTED, lw=1.0, alpha=0.7)
    axes.margins(0.12, 0.28)
    for point in points:
        axes.plot(point.p99_ms, point.quality, linestyle="", **mark(point.role, point.valid, 6))
    axes.set_xlim(min(p.p99_ms for p in points) / 1.6, max(p.p99_ms for p in points) * 1.6)
    middle = (axes.get_xlim()[0] * axes.get_xlim()[1]) ** 0.5
    for point in points:
        side = "right" if point.p99_ms > middle else "left"
        text = f"{point.name}\n{per_s(point.rate_per_s)}, {point.way}"
        label(axes, text, (point.p99_ms, point.quality), (0, 6), (INK, side, "bottom"))
    time_axis(axes, "x")
    axes.yaxis.set_major_formatter(lambda value, _: quality(metric, value))
    axes.locator_params(axis="y", nbins=5)
    axes.set_xlabel("p99, open loop")
    if lower:
        axes.invert_yaxis()


def _in_words(points: Sequence[Point], metric: str) -> str:
    parts = [
        f"{p.name} ({p.role}): {quality(metric, p.quality)}, p99 {time(p.p99_ms)} at "
        f"{per_s(p.rate_per_s)}"
        for p in points
    ]
    return "; ".join(parts) + "."
