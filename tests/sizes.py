"""Sizes in which every model of the registry is built small, weights as they are drawn."""

from __future__ import annotations

from typing import Any

from zoo.families.ctr.datasets import LOGS

SPARSE = {"features": 64, "classes": 3, "max_nnz": 8, "row_normalise": True}
DENSE = {"features": 16, "classes": 3, "max_nnz": 16, "row_normalise": False}


def log_of(dataset: str) -> dict[str, Any]:
    """Sizes of a log with the fields of a known one."""
    fields = [
        {
            "name": name,
            "kind": kind,
            "role": entry.get("role", "request"),
            "size": 0 if kind == "numeric" else 9,
            "length": {"categorical": 1, "multi": 3, "numeric": 0}[kind],
        }
        for name, entry in LOGS[dataset].schema["fields"].items()
        for kind in [entry.get("kind", "categorical")]
    ]
    return {"layout": {"fields": fields}}


# Task → (id, what a config must be told)
SIZES: dict[str, dict[str, dict[str, Any]]] = {
    "node-classification": {
        name: {"layers": 2, "hidden": 8, "dropout": 0.5, **sizes}
        for name, sizes in (("sparse", SPARSE), ("dense", DENSE))
    },
    "click-prediction": {name: log_of(name) for name in ("clicks", "frappe")},
    "forecasting": {
        "hourly": {"lookback": 96, "horizon": 24, "channels": 3},
        "daily": {"lookback": 49, "horizon": 48, "channels": 1},
    },
}
CHOICES: dict[str, dict[str, Any]] = {
    "ctr_ensemble": {"members": [{"model": "dcnv2"}, {"model": "logreg", "config": {}}]}
}
