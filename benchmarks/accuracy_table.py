"""The accuracy of graph students beside their teachers', as Markdown from ``accuracy.json``."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from benchmarks import markdown

ROLES = {"teacher": "teacher", "student": "student", "vanilla": "vanilla MLP"}
ABLATIONS = {"glnn": "GLNN", "low": "low only", "high": "high only"}


def brief(rows: Mapping[str, Any]) -> str:
    """A row per dataset, and the averages; empty where nothing was trained."""
    return "\n\n".join([_dataset_table(rows), averages(rows)]) if rows else ""


def full(rows: Mapping[str, Any]) -> str:
    """A row per recipe, and the ablations; empty where nothing was trained."""
    head = ["recipe", "dataset", "teacher is", "seeds", *ROLES.values(), "student − teacher"]
    body = [
        [
            *(f"`{name}`", row["dataset"], row["teacher"], str(len(row["seeds"]))),
            *(_per_cent(row, role) for role in ROLES),
            _points(_difference(row, "teacher")),
        ]
        for name, row in rows.items()
    ]
    ablated = {name: row for name, row in rows.items() if set(ABLATIONS) <= set(row["roles"])}
    parts = [markdown.table(head, body, texts=3)] if body else []
    if ablated:
        parts += ["The same student by what it learns from:", _ablation_table(ablated)]
    return "\n\n".join(parts)


def averages(rows: Mapping[str, Any]) -> str:
    """One sentence on the mean differences over rows, and on what they rest."""
    paper = [row for row in rows.values() if not row["beyond_paper"]]
    counts = [len(row["seeds"]) for row in paper]
    seeds = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    teacher = statistics.fmean(_difference(row, "teacher") for row in paper)
    vanilla = statistics.fmean(_difference(row, "vanilla") for row in paper)
    return (
        f"Mean over the paper's {len(paper)} pairs above ({seeds} seeds each, "
        f"{sum(counts)} students): "
        f"student − teacher **{_points(teacher)}** points, "
        f"student − vanilla **{_points(vanilla)}** points."
    )


def _dataset_table(rows: Mapping[str, Any]) -> str:
    """Teacher and student by kind of teacher; a recipe beyond the paper is a row of its own."""
    by_row: dict[str, dict[str, Any]] = {}
    for name, row in rows.items():
        title = f"{row['dataset']}, `{name}`" if row["beyond_paper"] else row["dataset"]
        by_row.setdefault(title, {})[row["teacher"]] = row
    kinds = list(dict.fromkeys(row["teacher"] for row in rows.values()))
    head = ["dataset", ROLES["vanilla"], *(f"{kind} → student" for kind in kinds)]
    body = []
    for title, found in by_row.items():
        vanilla = statistics.fmean(row["roles"]["vanilla"]["mean"] for row in found.values())
        pairs = [
            f"{_per_cent(found[kind], 'teacher')} → {_per_cent(found[kind], 'student')}"
            if kind in found
            else ""
            for kind in kinds
        ]
        body.append([title, f"{100 * vanilla:.1f}", *pairs])
    return markdown.table(head, body, texts=1)


def _ablation_table(rows: Mapping[str, Any]) -> str:
    roles = {"vanilla": "labels only", **ABLATIONS, "student": "FF-G2M"}
    body = [
        [f"`{name}`", str(len(row["seeds"])), *(_per_cent(row, role) for role in roles)]
        for name, row in rows.items()
    ]
    return markdown.table(["recipe", "seeds", *roles.values()], body, texts=1)


def _per_cent(row: Mapping[str, Any], role: str) -> str:
    """Mean, and over several seeds its deviation, in per cent."""
    values = row["roles"][role]
    spread = f" ± {100 * values['std']:.1f}" if len(row["seeds"]) > 1 else ""
    return f"{100 * values['mean']:.1f}{spread}"


def _difference(row: Mapping[str, Any], role: str) -> float:
    """The student's mean over another role's, as a fraction."""
    return float(row["roles"]["student"]["mean"] - row["roles"][role]["mean"])


def _points(fraction: float) -> str:
    return f"{100 * fraction:+.1f}".replace("-", "−")
