"""What the gates of export measured: a file beside the graph, from which verification starts.

report.json    {"check": the graph itself, "numeric": its answers against the trained model's,
               "task": what they are worth on the whole test set, or null}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.artifact import ArtifactError
from zoo.golden import distances

REPORT_FILE = "report.json"
WORST = 3  # rows that a report shows

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Parity:
    """What the gate measured; differences are those of the first output, in the form's unit.

    Attributes:
        rows: distinct real rows compared.
        batches: batch sizes, or numbers of queried nodes or candidates, at which they were.
        max_abs_diff: largest difference from torch.
        outputs: largest difference from torch of every output.
        atol, rtol: largest accepted one, and the share of a value that it may be besides; None
            where the task's metric decides.
        top1_agreement: fraction of rows with torch's own largest value; None without classes.
        alone_max_abs_diff: largest difference between a row alone and in a batch; between a
            candidate ranked and its whole row asked; None where there is neither.
        worst: where answers are farthest off, see ``farthest``.
    """

    rows: int
    batches: tuple[int, ...]
    max_abs_diff: float
    outputs: dict[str, float]
    atol: float | None = None
    rtol: float | None = None
    top1_agreement: float | None = None
    alone_max_abs_diff: float | None = None
    worst: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Report:
    """What every gate measured of one graph.

    Attributes:
        check: what the graph is made of, see ``export.graph.facts_of``; empty of an ensemble.
        numeric: its answers against the trained model's.
        task: what they are worth, see ``export.trial.Trial.check``, and ``kept``: what those of
            the kept rows are; None where nothing is scored.
    """

    check: dict[str, Any]
    numeric: Parity
    task: dict[str, Any] | None = None

    def to_text(self) -> str:
        """The content of ``report.json``."""
        return json.dumps(asdict(self), indent=1, allow_nan=False) + "\n"


def read_report(folder: Path) -> dict[str, Any]:
    """The report of an artifact, as JSON.

    Raises:
        ArtifactError: there is none, or it is no report.
    """
    file = folder / REPORT_FILE
    try:
        raw = json.loads(file.read_text())
        if {"check", "numeric", "task"} <= set(raw):
            return dict(raw)
    except (OSError, ValueError, TypeError):
        pass
    raise ArtifactError(f"{file} is no report of gates: export the model again")


def farthest(
    answer: Arrays, reference: Arrays, ids: np.ndarray, unit: np.ndarray | None = None
) -> tuple[dict[str, Any], ...]:
    """The rows whose first output is farthest off, each with its farthest number.

    Returns:
        Of each ``row`` (its id), ``expected``, ``measured`` and ``difference`` (in the unit).
    """
    name = next(iter(reference))
    right, given = (array[name].reshape(len(ids), -1) for array in (reference, answer))
    found = distances(answer[name], reference[name], unit).reshape(len(ids), -1)
    rows = np.argsort(-found.max(axis=1), kind="stable")
    rows = rows[np.sort(np.unique(ids[rows], return_index=True)[1])][:WORST]
    at = found[rows].argmax(axis=1)
    columns = (ids[rows], right[rows, at], given[rows, at], found[rows, at])
    names = ("row", "expected", "measured", "difference")
    return tuple(
        dict(zip(names, (int(row), *map(_number, numbers)), strict=True))
        for row, *numbers in zip(*columns, strict=True)
    )


def _number(value: Any) -> float | None:
    """As JSON writes it."""
    return float(value) if np.isfinite(value) else None
