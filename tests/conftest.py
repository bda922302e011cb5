"""Which tests run where, and the toy models that many tests share."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


def _reasons() -> dict[str, str]:
    """Marker → why its tests cannot run here."""
    reasons = {}
    if not os.environ.get("LEANZOO_DATA"):
        reasons["data"] = "LEANZOO_DATA is not set"
    if not _has_cuda():
        reasons["gpu"] = "no CUDA device"
    if importlib.util.find_spec("tensorrt_rtx") is None:
        reasons["tensorrt"] = "tensorrt_rtx is not installed: run 'make test-tensorrt'"
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


@dataclass(frozen=True)
class Trained:
    """The toy recipe, trained: its runs folder and what ``train`` returned."""

    runs: Path
    result: dict[str, Any]

    def folders(self, model: str) -> list[Path]:
        """Checkpoints of one model."""
        return sorted(self.runs.glob(f"{model}-*"))


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """``leanzoo train mlp-toy``: teacher, student and vanilla, in both settings. Read only."""
    from rich.progress import Progress

    from zoo import distill
    from zoo.registry import get_recipe

    runs = tmp_path_factory.mktemp("toy") / "runs"
    distill.prepare(threads=1, device="cpu")
    shop = distill.Workshop(runs, "cpu", Progress(disable=True))
    recipe = get_recipe("mlp-toy")
    methods = ["ffg2m", "vanilla"]
    return Trained(runs, distill.train(recipe, [recipe.seed], methods, True, shop))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One browser; it ends with its module, whose loop would be in the way of others'."""
    from tests.serving.page_browser import CHROMIUM, QUIET

    sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    if not CHROMIUM.exists():
        pytest.skip(f"needs {CHROMIUM}")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield started
        started.close()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where screenshots are left: a folder that is named, else one of the test."""
    folder = Path(os.environ.get("LEANZOO_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
