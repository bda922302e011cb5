"""A student and its teacher, trained on the toy graph in seconds, and what was exported."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.progress import Progress

from export.to_onnx import export_checkpoint
from zoo.artifact import Artifact
from zoo.distill import Workshop, train
from zoo.registry import get_recipe, get_spec
from zoo.spec import Recipe

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torch_geometric scripts its classes when first imported
    import torch_geometric.nn  # noqa: F401


def toy_recipe(name: str = "mlp-cora") -> Recipe:
    """A shipped recipe, made small and moved to the toy graph."""
    recipe = get_recipe(name)
    assert recipe.teacher is not None
    kind = recipe.teacher.model
    teacher = replace(
        recipe.teacher,
        name=f"{kind}-toy",
        dataset="toy",
        config={**recipe.teacher.config, "hidden": 16, "layers": 2},
        epochs=15,
    )
    return replace(
        recipe,
        name="mlp-toy",
        dataset="toy",
        config={**recipe.config, "hidden": 16},
        epochs=15,
        teacher=teacher,
    )


def train_toy(recipe: Recipe, runs: Path) -> dict[str, Any]:
    """Train a toy recipe; its result."""
    with Progress(disable=True) as progress:
        shop = Workshop(runs, "cpu", progress)
        return train(recipe, [0], ["ffg2m", "vanilla"], also=False, shop=shop)


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of checkpoints."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="session")
def result(runs: Path) -> dict[str, Any]:
    """Of training the toy student."""
    return train_toy(toy_recipe(), runs)


@pytest.fixture(scope="session")
def student(runs: Path, result: dict[str, Any]) -> Path:
    """The student's checkpoint."""
    return runs / result["run"]


@pytest.fixture(scope="session")
def data() -> Any:
    """The toy graph, as the recipe uses it."""
    return get_spec("mlp").data(toy_recipe())


@pytest.fixture(scope="session")
def exported(
    student: Path, data: Any, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Artifact]:
    """The student's ONNX artifacts, by model name; to be left as they are."""
    artifacts = export_checkpoint(student, None, tmp_path_factory.mktemp("onnx"), data)
    return {artifact.model: artifact for artifact in artifacts}
