"""Ensembles: published after their steps, which they name by version."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from export.errors import ExportError
from export.repository import publish, publish_all
from export.triton_config import config_of
from zoo.artifact import Artifact
from zoo.steps import read_steps


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty repository."""
    return tmp_path / "models"


def changed(folder: Path) -> Path:
    """The artifact with other weights' bytes: a metadata entry more."""
    artifact = Artifact.load(folder)
    with (folder / "model.onnx").open("ab") as stream:
        stream.write(b"\x72\x06\x0a\x01k\x12\x01v")  # metadata_props: k = v
    artifact.write(folder)
    return folder


def tree(root: Path) -> list[str]:
    """Every file of a folder."""
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())


@pytest.fixture
def click_folders(exported_clicks: dict[str, Artifact], tmp_path: Path) -> dict[str, Path]:
    """Private copies of the click model's artifacts, by model."""
    folders = {name: tmp_path / "clicks" / name for name in exported_clicks}
    for name, artifact in exported_clicks.items():
        shutil.copytree(artifact.path, folders[name])
    return folders


def ensemble_config(root: Path, model: str) -> model_config_pb2.ModelConfig:
    text = (root / model / "config.pbtxt").read_text()
    return text_format.Parse(text, model_config_pb2.ModelConfig())


def test_ensembles_are_published_after_their_steps(
    click_folders: dict[str, Path], root: Path
) -> None:
    folders = [click_folders[n] for n in sorted(click_folders, reverse=True)]
    published = publish_all(folders, root, lambda artifact: f"# {artifact.model}\n")
    names = [version.model for version in published]
    assert sorted(names[-2:]) == ["toy-clicks-rank-raw", "toy-clicks-raw"] and len(names) == 6
    assert tree(root / "toy-clicks-raw") == [
        *("1/artifact.json", "1/golden.json", "1/report.json", "1/steps.json"),
        *("card.md", "config.pbtxt"),
    ]
    assert "1/vocabulary.json" in tree(root / "toy-clicks-encode")
    config = ensemble_config(root, "toy-clicks-raw")
    assert (config.platform, config.backend, config.max_batch_size) == ("ensemble", "", 1024)
    assert not config.instance_group and not config.model_warmup
    assert [(i.name, i.data_type, list(i.dims)) for i in config.input] == [
        ("values", model_config_pb2.TYPE_STRING, [6]),
        ("numeric", model_config_pb2.TYPE_FP32, [1]),
    ]
    encode, net = config.ensemble_scheduling.step
    assert (encode.model_name, encode.model_version, net.model_version) == (names[1], 1, 1)
    assert dict(net.input_map) == {"ids": "ids", "numeric": "numeric"}
    assert dict(net.output_map) == {"score": "score", "logit": "logit"}
    assert not any(v.changed for v in publish_all(folders, root, lambda a: f"# {a.model}\n"))


def test_new_net_brings_a_new_ensemble_that_asks_it(
    click_folders: dict[str, Path], root: Path
) -> None:
    publish_all(click_folders.values(), root, lambda _: None)
    net = changed(click_folders["toy-clicks"])
    publish(net, root)
    raw = click_folders["toy-clicks-raw"]
    with pytest.raises(ExportError, match="toy-clicks-raw asks toy-clicks, which is of another"):
        publish(raw, root)
    artifact = Artifact.load(raw)
    parents = {**artifact.parents, "net": Artifact.load(net).digest}
    replace(artifact, parents=parents).write(raw)
    assert publish(raw, root).version == 2
    steps = ensemble_config(root, "toy-clicks-raw").ensemble_scheduling.step
    assert [(s.model_name, s.model_version) for s in steps] == [
        ("toy-clicks-encode", 1),
        ("toy-clicks", 2),
    ]
    assert [s.version for s in read_steps(root / "toy-clicks-raw" / "2")] == [1, 2]
    assert [s.version for s in read_steps(root / "toy-clicks-raw" / "1")] == [1, 1]


def test_ensemble_without_its_steps_is_refused(click_folders: dict[str, Path], root: Path) -> None:
    with pytest.raises(ExportError, match="asks toy-clicks-encode, which is not published: publ"):
        publish(click_folders["toy-clicks-raw"], root)
    assert not root.exists()


def test_ensemble_is_held_to_its_golden_rows(click_folders: dict[str, Path], root: Path) -> None:
    for name in ("toy-clicks", "toy-clicks-encode"):
        publish(click_folders[name], root)
    folder = click_folders["toy-clicks-raw"]
    golden = json.loads((folder / "golden.json").read_text())
    golden["inputs"]["values"][1] = ["another", *golden["inputs"]["values"][0][1:]]
    (folder / "golden.json").write_text(json.dumps(golden))
    Artifact.load(folder, verify=False).write(folder)
    with pytest.raises(ExportError, match="toy-clicks-raw answers its golden rows wrongly"):
        publish(folder, root)


def test_artifacts_of_different_checkpoints_are_refused(
    click_folders: dict[str, Path], root: Path
) -> None:
    folder = click_folders["toy-clicks-rank"]
    artifact = Artifact.load(folder)
    replace(artifact, parents={**artifact.parents, "checkpoint": "00"}).write(folder)
    with pytest.raises(ExportError, match="toy-clicks-rank comes from another checkpoint"):
        publish_all(click_folders.values(), root, lambda _: None)
    assert not root.exists()


def test_ranking_model_is_warmed_up_with_a_request(click_folders: dict[str, Path]) -> None:
    config = config_of(Artifact.load(click_folders["toy-clicks-rank"]))
    (warmup,) = config.model_warmup
    dims = {name: list(tensor.dims) for name, tensor in warmup.inputs.items()}
    assert dims == {"request_ids": [2], "item_ids": [100, 4], "item_numeric": [100, 1]}
    assert (warmup.batch_size, config.max_batch_size) == (1, 0)
    size = (click_folders["toy-clicks-rank"] / "warmup/item_ids-1").stat().st_size
    assert size == 100 * 4 * 8
