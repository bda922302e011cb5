"""Plans are published beside their graph, and nothing is published for a plan that is not there."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from export.engines import check_engines
from export.errors import ExportError
from export.lint.repository import lint_repository
from export.lint.served import Machine
from export.targets import ANY, parse_target
from export.triton_config import read_config
from export.verify import verify_all
from tests.export.retrained import publish_for, retrained
from zoo.artifact import Artifact, ArtifactError
from zoo.kept import versions_of
from zoo.rollout import Rollout, write_rollout

GPU = Machine(cores=1, gpu=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository that nothing is in yet."""
    return tmp_path / "models"


def test_plans_lie_beside_the_graph_that_they_were_built_from(
    exported: dict[str, Artifact], root: Path, tmp_path: Path, build: Any
) -> None:
    artifact = exported["mlp-toy"]
    build([artifact], tmp_path)
    publish_for([artifact], root, parse_target("gpu-plan"), tmp_path)
    version = root / "mlp-toy/1"
    assert {"sm89.plan", "engines.json", "model.onnx"} <= set(Artifact.load(version).files)
    assert check_engines(version)["flavour"] == "plan"
    config = read_config(root / "mlp-toy")
    assert config.default_model_filename == "sm89.plan"
    assert [*config.parameters] == ["signature"]
    (verified,) = verify_all(root)
    assert verified.checks["engines"] == "plan 1.0, SM 89, of this graph"
    assert "the plans were not run when it was published" in (root / "mlp-toy/card.md").read_text()
    (version / "sm89.plan").write_bytes(b"?")
    with pytest.raises(ArtifactError, match="sm89.plan was changed"):
        verify_all(root)


def no_plan(folder: Path) -> None:
    shutil.rmtree(folder)


def other_export(folder: Path) -> None:
    with (folder / "model.onnx").open("ab") as stream:
        stream.write(b"\x72\x06\x0a\x01k\x12\x01v")
    Artifact.load(folder, verify=False).write(folder)


def changed_plan(folder: Path) -> None:
    (folder / "sm89.plan").write_bytes(b"?")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            no_plan,
            "^mlp-toy in fp32 has no plan: run 'leanzoo export --tensorrt plan' on a machine",
        ),
        (other_export, "were built from another model.onnx: build them again"),
        (changed_plan, "sm89.plan was changed"),
    ],
)
def test_without_its_plan_nothing_is_published(
    exported: dict[str, Artifact], root: Path, tmp_path: Path, build: Any, damage: Any, message: str
) -> None:
    build([*exported.values()], tmp_path / "engines")
    damage(tmp_path / "engines/fp32/mlp-toy")
    with pytest.raises((ExportError, ArtifactError), match=message):
        publish_for([*exported.values()], root, parse_target("gpu-plan"), tmp_path / "engines")
    assert not root.exists()


def test_plans_of_an_earlier_export_are_refused(
    exported: dict[str, Artifact], root: Path, tmp_path: Path, build: Any
) -> None:
    build([exported["mlp-toy"]], tmp_path / "engines")
    (folder,) = retrained([exported["mlp-toy"]], tmp_path / "b", "b")
    with pytest.raises(ExportError, match="the plans in .* were built from another export: run"):
        publish_for([Artifact.load(folder)], root, parse_target("gpu-plan"), tmp_path / "engines")


def test_engines_of_rtx_are_no_plans(
    exported: dict[str, Artifact], root: Path, tmp_path: Path, build: Any
) -> None:
    build([exported["mlp-toy"]], tmp_path, "rtx")
    with pytest.raises(ExportError, match="holds engines of TensorRT-RTX, which Triton does not"):
        publish_for([exported["mlp-toy"]], root, parse_target("gpu-plan"), tmp_path)


def test_versions_without_a_plan_are_not_served_beside_one(
    exported: dict[str, Artifact], root: Path, tmp_path: Path, build: Any
) -> None:
    artifact, plan = exported["mlp-toy"], parse_target("gpu-plan")
    build([artifact], tmp_path)
    publish_for([artifact], root, ANY)
    write_rollout(root / "mlp-toy", Rollout(1))
    with pytest.raises(ExportError, match="version 1 of mlp-toy, which is rolled out, holds no pl"):
        publish_for([artifact], root, plan, tmp_path)
    assert versions_of(root / "mlp-toy") == [1]
    write_rollout(root / "mlp-toy", Rollout())
    publish_for([artifact], root, plan, tmp_path)
    assert list(read_config(root / "mlp-toy").version_policy.specific.versions) == [2]
    assert lint_repository(root, GPU)["mlp-toy"] == []
    publish_for([artifact], root, ANY)  # the graph lies beside a plan, so that version is kept
    assert read_config(root / "mlp-toy").version_policy.latest.num_versions == 2
