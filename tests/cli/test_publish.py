"""``leanzoo publish --target``: what is published for a machine that is not this one."""

from __future__ import annotations

from pathlib import Path

import pytest

from export.lint.served import Machine
from export.triton_config import read_config
from tests.cli.conftest import RECIPE, Leanzoo, Published, assert_one_line
from zoo.artifact import Artifact

NETS = {RECIPE, f"{RECIPE}-rank"}


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine has none, whichever it is."""
    monkeypatch.setattr("export.repository.this_machine", lambda: Machine(cores=1, gpu=False))


@pytest.mark.parametrize("target", ["gpu-ort", "gpu-ort-trt"])
def test_a_gpu_is_published_for_without_one(
    leanzoo: Leanzoo, clicks: Published, tmp_path: Path, target: str
) -> None:
    where = ("--repository", tmp_path, "--runs", clicks.runs, "--json")
    said = leanzoo("publish", RECIPE, "--target", target, *where).json
    assert (said["recipe"], said["target"]) == (RECIPE, target)
    assert {one["precision"] for one in said["published"]} == {"fp32"}
    assert len(said["published"]) == 6 and all(one["changed"] for one in said["published"])
    kinds = {one["model"]: _kind(tmp_path / one["model"]) for one in said["published"]}
    assert {model for model, kind in kinds.items() if kind == "KIND_GPU"} == NETS
    again = leanzoo("publish", RECIPE, "--target", target, *where).json
    assert not any(one["changed"] for one in again["published"])
    assert leanzoo("lint", tmp_path, "--gpu").code == 0
    here = leanzoo("lint", tmp_path, "--no-gpu", "--json")
    assert here.code == 1
    errors = [one for one in here.json["findings"] if one["severity"] == "error"]
    assert {(one["rule"], one["model"]) for one in errors} == {("gpu-missing", n) for n in NETS}


def _kind(folder: Path) -> str:
    """Triton's name of where a model's instances are; empty where it has none."""
    groups = read_config(folder).instance_group
    return groups[0].Kind.Name(groups[0].kind) if groups else ""


def test_the_usual_target_runs_anywhere(
    leanzoo: Leanzoo, clicks: Published, tmp_path: Path
) -> None:
    call = ("publish", RECIPE, "--repository", tmp_path, "--runs", clicks.runs, "--json")
    said = leanzoo(*call).json
    assert said["target"] == "any" and all(one["changed"] for one in said["published"])
    assert not any(one["changed"] for one in leanzoo(*call, "--target", "any").json["published"])
    assert _kind(tmp_path / RECIPE) == "KIND_AUTO"
    assert Artifact.load(tmp_path / RECIPE / "1").metrics["target"] == "any"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            "gpu-plan",
            "finalmlp-clicks in fp32 has no plan: run 'leanzoo export --tensorrt plan' on",
        ),
        ("gpu", "unknown target 'gpu': did you mean cpu, gpu-ort, gpu-plan?"),
    ],
)
def test_what_cannot_be_published_is_one_line(
    leanzoo: Leanzoo, clicks: Published, tmp_path: Path, target: str, message: str
) -> None:
    root = tmp_path / "models"
    where = ("--repository", root, "--runs", clicks.runs)
    assert_one_line(leanzoo("publish", RECIPE, "--target", target, *where), message)
    assert not root.exists()
