"""What was exported, as rows for machines and as a table for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from zoo.artifact import Artifact


def export_rows(artifacts: Sequence[Artifact]) -> list[dict[str, Any]]:
    """Of each artifact what it says of itself, and what its gates measured."""
    from export.report import read_report

    return [
        {
            "model": artifact.model,
            "artifact": str(artifact.path),
            **artifact.metrics,
            "gates": read_report(artifact.path),
        }
        for artifact in artifacts
    ]


def exports_table(
    recipe: str, rows: Sequence[dict[str, Any]], refused: Sequence[dict[str, Any]]
) -> Table:
    """Size, latency and cost of every variant side by side, refused ones too."""
    from rich.table import Table

    table = Table(title=f"{recipe}: exports", title_justify="left")
    table.add_column("model", overflow="fold")
    table.add_column("precision", no_wrap=True)
    tasks = [one["task"] for one in (*(row["gates"] for row in rows), *refused) if one["task"]]
    metric = next(iter(tasks[0]["metrics"])) if tasks else "metric"
    for heading in ("MB", "µs", "max |Δ|", metric, "at worst"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        numeric, p50 = row["gates"]["numeric"], row.get("p50_batch1_us")
        size = row["gates"]["check"].get("size_bytes")
        table.add_row(
            row["model"],
            row["precision"],
            "–" if size is None else f"{size / 1e6:.2f}",
            "–" if p50 is None else f"{p50:.0f}",
            f"{numeric['max_abs_diff']:.0e}",
            *_cost(row["gates"]["task"]),
        )
    for one in refused:
        table.add_row(one["model"], one["precision"], "–", "–", "refused", *_cost(one["task"]))
    table.caption = (
        f"µs: median of one row, in process. {metric}: of the whole test set. at worst: the lower "
        "end of its change's 95 % interval; above 0 the graph is better than the trained model"
    )
    table.caption_justify = "left"
    return table


def _cost(task: dict[str, Any] | None) -> tuple[str, str]:
    """The first metric of the test set, and its change at worst."""
    if task is None:
        return "–", "–"
    one = next(iter(task["metrics"].values()))
    return f"{one['graph']:.4f}", f"{one['low']:+.1e}"


def engine_rows(engines: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    """A line per engine."""
    for made in engines["engines"]:
        for one in made["engines"]:
            yield (
                f"{made['model']} {made['precision']} SM {one['sm']}: "
                f"{one['size_bytes'] / 1e6:.2f} MB, built in {one['build_s']:.1f} s"
            )
