"""Which tests run where: a marked test needs what its marker names."""

from __future__ import annotations

import importlib.util
import os

import pytest


def _reasons() -> dict[str, str]:
    """Marker → why its tests cannot run here."""
    reasons = {}
    if not os.environ.get("LEANZOO_DATA"):
        reasons["data"] = "LEANZOO_DATA is not set"
    if not _has_cuda():
        reasons["gpu"] = "no CUDA device"
    return reasons


def _has_cuda() -> bool:
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, what cannot run here."""
    for marker, reason in _reasons().items():
        for item in items:
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))
