"""Forecasters beside their teachers and baselines, as Markdown from ``forecast_accuracy.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks import markdown
from zoo.recipes import VANILLA
from zoo.results import STUDENT

BASELINES = {"last_value": "last value", "seasonal_naive": "seasonal naive", "ridge": "ridge"}
DIGITS = 4
NOTE = (
    "MSE of the output `mean`, on values less their mean and over their deviation in the training "
    "part, over all test windows; in bold the method that is deployed, the better one on "
    "validation. Of that one also the MAE of `median`, the CRPS of the nine quantiles, and how "
    "much of what came lies between quantiles 0.1 and 0.9."
)
DRAWN = "The MSE of gpd is that of the mean of its paths, over evenly spaced test windows."

Row = Mapping[str, Any]


def forecast(rows: Mapping[str, Row]) -> str:
    """A row per recipe, and what its numbers are; empty where nothing was trained."""
    if not rows:
        return ""
    trained = ["teacher", "distilled", "labels alone", "MAE, CRPS, in 80 %"]
    head = ["recipe", "history → horizon", "seeds", *BASELINES.values(), *trained]
    body = [
        [
            *(f"`{name}`", f"{row['lookback']} → {row['horizon']}", str(len(row["seeds"]))),
            *(_mse(row, role) for role in BASELINES),
            _taught_by(row),
            *(_mse(row, role) for role in _by_what(row)),
            ", ".join(_mean(row, metric) for metric in ("mae", "crps", "coverage80")),
        ]
        for name, row in rows.items()
    ]
    drawn = any("gpd" in (row["model"], row["teacher"]) for row in rows.values())
    notes = f"{NOTE} {DRAWN}" if drawn else NOTE
    return f"{markdown.table(head, body, texts=2)}\n\n{notes}"


def _by_what(row: Row) -> tuple[str, str]:
    """The roles that learned from a teacher and from labels alone."""
    return (STUDENT, VANILLA) if row["teacher"] else ("", STUDENT)


def _taught_by(row: Row) -> str:
    return f"{row['teacher']} {_mse(row, 'teacher')}" if row["teacher"] else "–"


def _mse(row: Row, role: str) -> str:
    """Mean, over several seeds with its deviation where it was trained; bold where deployed."""
    if role not in row["roles"]:
        return "–"
    found = row["roles"][role]["test_mse"]
    several = len(row["seeds"]) > 1 and role not in BASELINES
    spread = f" ± {found['std']:.{DIGITS}f}" if several else ""
    text = f"{found['mean']:.{DIGITS}f}{spread}"
    return f"**{text}**" if role == row["deployed"] else text


def _mean(row: Row, metric: str) -> str:
    """The deployed method's mean of a metric."""
    mean = row["roles"][row["deployed"]][f"test_{metric}"]["mean"]
    return f"{mean:.{3 if metric == 'coverage80' else DIGITS}f}"
