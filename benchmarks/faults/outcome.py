"""What was found of one fault, what was asked of it, and where that is written down.

results/faults.json    {name: {"figures": [{"name", "value", "least", "most", "met"}], "conditions",
                        "counts", "machine", "versions", "git_sha"}}; a value is null where what
                        was waited for never came
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.conditions import Watch, git_sha
from benchmarks.faults.connection import Asked
from zoo.artifact import versions
from zoo.results import write_json

RESULTS = Path(__file__).parents[1] / "results" / "faults.json"
SHOWN = 5  # different faults


@dataclass(frozen=True)
class Figure:
    """A number, and what was asked of it.

    Attributes:
        name: of it, with its unit.
        value: that was measured.
        least, most: that it may be; None where that is not asked.
    """

    name: str
    value: float
    least: float | None = None
    most: float | None = None

    @property
    def met(self) -> bool:
        """Whether it is what was asked; NaN never is."""
        above = self.least is None or self.value >= self.least
        return above and (self.most is None or self.value <= self.most)


@dataclass(frozen=True)
class Outcome:
    """What one run found.

    Attributes:
        figures: what was asked, and measured.
        conditions: of the load, by name with unit.
        counts: what else there is to know, such as how many requests got which status.
    """

    figures: tuple[Figure, ...]
    conditions: dict[str, Any]
    counts: dict[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        """Whether all figures are."""
        return all(figure.met for figure in self.figures)


def outcome_dict(outcome: Outcome, watch: Watch) -> dict[str, Any]:
    """An outcome as plain JSON, with machine, versions and commit."""
    return {
        "figures": [
            {
                "name": one.name,
                "value": one.value if math.isfinite(one.value) else None,
                "least": one.least,
                "most": one.most,
                "met": one.met,
            }
            for one in outcome.figures
        ],
        "conditions": outcome.conditions,
        "counts": outcome.counts,
        "machine": watch.machine(),
        "versions": versions("onnxruntime", "tritonclient", "fastapi", "uvicorn"),
        "git_sha": git_sha(),
    }


def write_outcome(file: Path, name: str, found: dict[str, Any]) -> None:
    """Replace what is written of one fault; the others stay."""
    known = json.loads(file.read_text()) if file.is_file() else {}
    write_json(file, dict(sorted({**known, name: found}.items())))


def statuses(asked: Sequence[Asked]) -> dict[str, int]:
    """How many requests got which status; 0 is none."""
    return {str(status): n for status, n in sorted(Counter(one.status for one in asked).items())}


def faults(asked: Sequence[Asked], among: str = "") -> int:
    """How many requests have a fault that begins so."""
    return sum(1 for one in asked if one.fault and one.fault.startswith(among))


def worst(asked: Sequence[Asked]) -> list[str]:
    """The most frequent faults, with how often each came."""
    found = Counter(one.fault for one in asked if one.fault)
    return [f"{n}: {fault}" for fault, n in found.most_common(SHOWN)]
