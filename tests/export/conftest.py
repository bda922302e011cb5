"""A student and its teacher, trained on the toy graph in seconds, and what was exported."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from rich.progress import Progress

from export.engines import export_engines
from export.to_onnx import export_checkpoint
from export.to_tensorrt import Engine
from zoo import checkpoint, registry
from zoo.artifact import Artifact
from zoo.distill import Workshop, train
from zoo.recipes import Recipe
from zoo.registry import get_recipe, get_spec

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
    artifacts = export_checkpoint(student, None, tmp_path_factory.mktemp("onnx"), data).artifacts
    return {artifact.model: artifact for artifact in artifacts}


@pytest.fixture(scope="session")
def toy_ctr() -> ModuleType:
    """A family that is asked with raw values."""
    name = "toy_ctr"
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def registered(family: ModuleType) -> Iterator[None]:
    """The family's models among the known ones, for as long as the block runs."""
    known = registry.list_models
    with pytest.MonkeyPatch.context() as patch:
        models = {spec.name: spec for spec in family.MODELS}
        patch.setattr(registry, "list_models", lambda: known() | models)
        yield


@pytest.fixture(scope="module", autouse=True)
def toy_family(toy_ctr: ModuleType) -> Iterator[None]:
    """The family is known to these tests, and to no others."""
    with registered(toy_ctr):
        yield


@pytest.fixture(scope="session")
def clicks(toy_ctr: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the family, with weights as drawn."""
    torch.manual_seed(0)
    recipe = Recipe("toy-clicks", "toy", "toy-clicks")
    data = toy_ctr.Data()
    config = toy_ctr.Config(**data.sizes)
    folder = tmp_path_factory.mktemp("clicks") / "run"
    model = toy_ctr.Toy(config).eval()
    checkpoint.save(folder, model, config, recipe, {}, data.attachments, {})
    return folder


@pytest.fixture(scope="session")
def exported_clicks(
    clicks: Path, toy_ctr: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Artifact]:
    """All its artifacts, by model name; to be left as they are."""
    with registered(toy_ctr):
        folder = tmp_path_factory.mktemp("clicks") / "onnx"
        artifacts = export_checkpoint(clicks, None, folder).artifacts
    return {artifact.model: artifact for artifact in artifacts}


class Standing:
    """In place of TensorRT, which builds plans on a GPU."""

    __version__ = "1.0"


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Build engines of all graphs but vocabularies into a folder."""

    def engine(module: Any, graph: Any, profile: Any, sm: int | None, *_: Any) -> Engine:
        return Engine(sm or 89, b"ftrt" + bytes([sm or 89]), 0.5)

    def build_all(artifacts: list[Artifact], out: Path, flavour: str = "plan") -> None:
        for artifact in artifacts:
            if artifact.kind == "onnx" and not artifact.model.endswith("-encode"):
                export_engines(artifact, out / artifact.metrics["precision"], flavour, [89])

    monkeypatch.setattr("export.engines.load_tensorrt", lambda flavour: Standing)
    monkeypatch.setattr("export.engines.build_engine", engine)
    return build_all
