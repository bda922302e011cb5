"""Publishing: what is written, when a version is new, and that nothing is ever half there."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from export.errors import ExportError
from export.repository import check_published, publish, versions_of
from export.triton_config import config_of
from zoo.artifact import Artifact, ArtifactError
from zoo.contract import Signature, TensorSpec
from zoo.steps import Step


@pytest.fixture
def onnx_folder(exported: dict[str, Artifact], tmp_path: Path) -> Path:
    """A private copy of the sparse student's artifact."""
    folder = tmp_path / "onnx" / "mlp-toy-sparse"
    shutil.copytree(exported["mlp-toy-sparse"].path, folder)
    return folder


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


def tree(root: Path) -> dict[str, bytes]:
    """Every file of a repository."""
    files = sorted(p for p in root.rglob("*") if p.is_file())
    return {str(p.relative_to(root)): p.read_bytes() for p in files}


def test_published_folder_serves(onnx_folder: Path, root: Path) -> None:
    published = publish(onnx_folder, root, card="# card\n")
    assert (published.model, published.version, published.changed) == ("mlp-toy-sparse", 1, True)
    assert sorted(tree(root / "mlp-toy-sparse")) == [
        *("1/artifact.json", "1/golden.json", "1/model.onnx", "1/report.json"),
        "1/rows.safetensors",
        *("card.md", "config.pbtxt", "labels.txt"),
        *("warmup/feature_ids-1", "warmup/feature_values-1"),
    ]
    artifact = check_published(root / "mlp-toy-sparse")
    assert artifact.kind == "published"
    assert artifact.parents["onnx"] == Artifact.load(onnx_folder).digest
    ids = np.fromfile(root / "mlp-toy-sparse/warmup/feature_ids-1", "<i8").reshape(1, 24)
    values = np.fromfile(root / "mlp-toy-sparse/warmup/feature_values-1", "<f4").reshape(1, 24)
    session = onnxruntime.InferenceSession(published.path / "model.onnx")
    answer = session.run(None, {"feature_ids": ids, "feature_values": values})[0]
    assert answer.shape == (1, 4)
    assert answer.sum() == pytest.approx(1, abs=1e-5)


def test_config_is_read_back_as_triton_reads_it(onnx_folder: Path, root: Path) -> None:
    publish(onnx_folder, root)
    text = (root / "mlp-toy-sparse/config.pbtxt").read_text()
    config = text_format.Parse(text, model_config_pb2.ModelConfig())
    assert config == config_of(Artifact.load(onnx_folder))
    assert (config.backend, config.max_batch_size) == ("onnxruntime", 256)
    assert [(i.name, i.data_type, list(i.dims)) for i in config.input] == [
        ("feature_ids", model_config_pb2.TYPE_INT64, [24]),
        ("feature_values", model_config_pb2.TYPE_FP32, [24]),
    ]
    assert config.output[0].label_filename == "labels.txt"
    assert [warmup.batch_size for warmup in config.model_warmup] == [1, 256]
    assert config.HasField("dynamic_batching")
    assert not config.dynamic_batching.HasField("default_queue_policy")
    assert [(group.count, group.kind) for group in config.instance_group] == [(1, 0)]  # any kind


def test_model_without_batch_axis_has_dynamic_dims_and_no_batching() -> None:
    x = TensorSpec("x", "float32", ("nodes", 3), "test")
    words = TensorSpec("words", "object", ("nodes",), "test")
    logits = TensorSpec("logits", "float32", ("nodes", 2), "test")
    config = config_of(Artifact(Path("a"), "onnx", "gcn-a", Signature((x, words), (logits,), 0)))
    assert [list(i.dims) for i in (*config.input, *config.output)] == [[-1, 3], [-1], [-1, 2]]
    assert config.input[1].data_type == model_config_pb2.TYPE_STRING
    assert not config.HasField("dynamic_batching")
    assert not config.model_warmup


def test_same_content_is_published_once(onnx_folder: Path, root: Path) -> None:
    first = publish(onnx_folder, root, card="one")
    before = tree(root)
    assert publish(onnx_folder, root, card="one") == replace(first, changed=False)
    assert tree(root) == before
    assert publish(onnx_folder, root, card="two").version == 2


def test_other_weights_are_a_new_version_and_the_old_one_stays(
    onnx_folder: Path, root: Path
) -> None:
    old = publish(onnx_folder, root, card="gone in version 2")
    before = tree(old.path)
    new = publish(changed(onnx_folder), root)
    assert (new.version, new.changed) == (2, True)
    assert tree(old.path) == before
    assert not (root / "mlp-toy-sparse/card.md").exists()
    assert check_published(root / "mlp-toy-sparse").path == new.path


def test_other_signature_brings_its_config(
    onnx_folder: Path, root: Path, exported: dict[str, Artifact]
) -> None:
    publish(onnx_folder, root)
    dense = onnx_folder.parent / "dense"
    shutil.copytree(exported["mlp-toy"].path, dense)
    replace(Artifact.load(dense), model="mlp-toy-sparse").write(dense)
    assert publish(dense, root).version == 2
    text = (root / "mlp-toy-sparse/config.pbtxt").read_text()
    config = text_format.Parse(text, model_config_pb2.ModelConfig())
    assert [i.name for i in config.input] == ["x"]
    assert [p.name for p in (root / "mlp-toy-sparse/warmup").iterdir()] == ["x-1"]


@pytest.mark.parametrize(
    "file", ["config.pbtxt", "labels.txt", "warmup/feature_ids-1", "1/model.onnx"]
)
def test_damaged_repository_is_found_and_healed(onnx_folder: Path, root: Path, file: str) -> None:
    publish(onnx_folder, root)
    target = root / "mlp-toy-sparse"
    (target / file).write_bytes(b"?")
    with pytest.raises(ArtifactError, match=Path(file).name):
        check_published(target)
    assert publish(onnx_folder, root).version == 2
    check_published(target)


def break_model(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"?")


def other_golden(folder: Path) -> None:
    raw = json.loads((folder / "golden.json").read_text())
    largest = np.argmax(raw["outputs"]["probabilities"][0])
    raw["outputs"]["probabilities"][0][largest] += 7  # its class stays the likeliest
    (folder / "golden.json").write_text(json.dumps(raw))
    Artifact.load(folder, verify=False).write(folder)


def no_golden(folder: Path) -> None:
    (folder / "golden.json").unlink()
    Artifact.load(folder, verify=False).write(folder)


def break_manifest(folder: Path) -> None:
    (folder / "artifact.json").unlink()


def other_kind(folder: Path) -> None:
    replace(Artifact.load(folder), kind="checkpoint").write(folder)


def for_benchmarks(folder: Path) -> None:
    artifact = Artifact.load(folder)
    replace(artifact, metrics={**artifact.metrics, "served": False}).write(folder)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (break_model, "was changed"),
        (break_manifest, "not an artifact, or half-written"),
        (other_kind, "is a checkpoint artifact: expected onnx or ensemble"),
        (other_golden, r"its golden rows wrongly \(output 'probabilities' differs by 7: .*again"),
        (no_golden, "has no golden rows: export and publish again"),
        (for_benchmarks, "exported for benchmarks: it cannot be published"),
    ],
)
def test_what_cannot_be_trusted_is_refused(
    onnx_folder: Path, root: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(onnx_folder)
    with pytest.raises((ArtifactError, ExportError), match=message):
        publish(onnx_folder, root)
    assert not root.exists()


class Failing:
    """A function that fails at one call: disk full, or an interrupt."""

    def __init__(self, real: Callable[..., object], at: int, error: BaseException) -> None:
        self.real, self.left, self.error = real, at, error

    def __call__(self, *args: object, **named: object) -> object:
        self.left -= 1
        if self.left == 0:
            raise self.error
        return self.real(*args, **named)


FIRST = [
    *((shutil, "copyfile", at) for at in (1, 2, 3, 4, 5)),  # model, golden, labels, two warm-ups
    *((Path, "write_text", at) for at in (1, 2, 3)),  # config, card, manifest
    *((Path, "mkdir", at) for at in (1, 2, 3)),
    (os, "rename", 1),
]
NEXT = [
    *FIRST,
    *((shutil, "copyfile", at) for at in (6, 7, 8, 9, 10)),  # the old shared files
    *((os, "replace", at) for at in (1, 2, 3, 4, 5)),  # the new ones
]
ERRORS = [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt("by the user")]


@pytest.mark.parametrize("error", ERRORS, ids=["disk full", "interrupted"])
@pytest.mark.parametrize(
    ("owner", "name", "at", "first"),
    [*((*step, True) for step in FIRST), *((*step, False) for step in NEXT)],
)
def test_failure_at_any_step_leaves_the_repository_as_it_was(
    onnx_folder: Path,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: object,
    name: str,
    at: int,
    first: bool,
    error: BaseException,
) -> None:
    root.mkdir()
    if not first:
        publish(onnx_folder, root, card="old")
        changed(onnx_folder)
    before = tree(root)
    failing = Failing(getattr(owner, name), at, error)
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, lambda *args, **named: failing(*args, **named))
        with pytest.raises((ExportError, KeyboardInterrupt)) as caught:
            publish(onnx_folder, root, card="new")
    assert str(caught.value) == "by the user" or "left on device; free space" in str(caught.value)
    assert tree(root) == before
    assert [p.name for p in root.iterdir()] == ([] if first else ["mlp-toy-sparse"])
    assert publish(onnx_folder, root, card="new").version == (1 if first else 2)


def test_version_numbers_are_numbers(tmp_path: Path) -> None:
    for name in ("1", "10", "2", "03", "x", "²"):
        (tmp_path / name).mkdir()
    assert versions_of(tmp_path) == [1, 2, 10]


def test_what_a_server_would_refuse_is_not_published(
    onnx_folder: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def impatient(artifact: Artifact, steps: Sequence[Step], *_: object) -> Any:
        config = config_of(artifact, steps)
        config.dynamic_batching.default_queue_policy.default_timeout_microseconds = 100
        return config

    monkeypatch.setattr("export.repository.config_for", impatient)
    with pytest.raises(ExportError, match="^mlp-toy-sparse: .*timeout"):
        publish(onnx_folder, root)
    assert not tree(root)
