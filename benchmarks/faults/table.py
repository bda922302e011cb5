"""The outcomes of ``results/faults.json`` as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.markdown import table

TITLES = {
    "kill": "kill −9 of Triton",
    "rollouts": "publish, roll back, canary",
    "overload": "twice the capacity",
    "soak": "soak",
    "poison": "poison pill",
    "sigterm": "SIGTERM under load",
    "fuzz": "fuzzing",
}


def faults(found: Mapping[str, Any]) -> str:
    """One row per figure; empty where nothing was measured."""
    rows = [
        [
            TITLES.get(name, name) if not index else "",
            figure["name"],
            "–" if figure["value"] is None else f"{figure['value']:g}",
            _asked(figure),
            "yes" if figure["met"] else "**no**",
        ]
        for name in (*TITLES, *sorted(set(found) - set(TITLES)))
        if name in found
        for index, figure in enumerate(found[name]["figures"])
    ]
    return table(["fault", "figure", "measured", "asked", "met"], rows, 2) if rows else ""


def _asked(figure: Mapping[str, Any]) -> str:
    least, most = figure["least"], figure["most"]
    parts = [f"≥ {least:g}" if least is not None else "", f"≤ {most:g}" if most is not None else ""]
    return ", ".join(part for part in parts if part)
