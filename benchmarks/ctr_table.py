"""The click models beside their teachers, as Markdown from ``ctr_accuracy.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks import markdown

BASELINE = "logreg"  # the model that others should beat on the same data
ROLES = {"teacher": "teacher", "student": "student", "vanilla": "labels alone"}
DIGITS = 4

Row = Mapping[str, Any]


def ctr(rows: Mapping[str, Row]) -> str:
    """A row per recipe: AUC and logloss by role, in bold what is deployed; empty without any."""
    baselines = {row["dataset"]: row for row in rows.values() if row["model"] == BASELINE}
    models = {name: row for name, row in rows.items() if row["model"] != BASELINE}
    if not models:
        return ""
    head = ["recipe", "dataset", "seeds", "logistic regression", *ROLES.values(), "Σp / Σy, ECE"]
    body = [
        [
            *(f"`{name}`", row["dataset"], str(len(row["seeds"]))),
            _quality(baselines.get(row["dataset"]), "student"),
            *(_deployed(row, role, _quality(_by_what(row), role)) for role in ROLES),
            f"{_mean(row, 'test_calibration', 3)}, {_mean(row, 'test_ece')}",
        ]
        for name, row in models.items()
    ]
    return markdown.table(head, body, texts=2)


def _deployed(row: Row, role: str, text: str) -> str:
    """In bold where this role is deployed, and another one might be."""
    chosen = "vanilla" in row["roles"] and role == row["deployed"]
    return f"**{text}**" if chosen else text


def _by_what(row: Row) -> Row:
    """A row whose model without a teacher is filed under what it learned from."""
    if row["teacher"]:
        return row
    return {**row, "roles": {"vanilla": row["roles"]["student"]}}


def _quality(row: Row | None, role: str) -> str:
    """AUC / logloss of a role, with the AUC's deviation over several seeds."""
    if row is None or role not in row["roles"]:
        return "–"
    auc, logloss = (row["roles"][role][f"test_{metric}"] for metric in ("auc", "logloss"))
    spread = f" ± {auc['std']:.{DIGITS}f}" if len(row["seeds"]) > 1 else ""
    return f"{auc['mean']:.{DIGITS}f}{spread} / {logloss['mean']:.{DIGITS}f}"


def _mean(row: Row, metric: str, digits: int = DIGITS) -> str:
    """The deployed role's mean of a metric."""
    return f"{row['roles'][row['deployed']][metric]['mean']:.{digits}f}"
