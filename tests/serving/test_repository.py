"""What is read from a model repository, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from serving import repository as repo
from serving.errors import ModelUnavailable, ModelUnknown


def test_lists_models_and_versions(repository: Path) -> None:
    for other in ("7", "notes", "01", "0"):
        (repository / "mlp-tiny" / other).mkdir()
    assert repo.list_models(repository) == ["embed-tiny", "encode-tiny", "mlp-nodes", "mlp-tiny"]
    assert repo.list_versions(repository, "mlp-tiny") == [1, 7]


def test_reads_artifact_labels_and_canary(repository: Path, tiny_models: dict) -> None:
    model = tiny_models["mlp-tiny"]
    assert repo.load_artifact(repository, "mlp-tiny").signature == model.signature
    assert repo.load_labels(repository, "mlp-tiny") == ("probabilities", list(model.labels))
    assert repo.load_labels(repository, "embed-tiny") == ("", [])
    rows = repo.canary_rows(repository, "mlp-tiny")
    np.testing.assert_array_equal(rows["x"], model.signature.sample(1)["x"])


@pytest.mark.parametrize("name", ["mlp-tiny", "mlp-nodes", "embed-tiny", "encode-tiny"])
def test_canaries_fit_the_signature_with_and_without_warmup(
    repository: Path, tiny_models: dict, name: str
) -> None:
    tiny_models[name].signature.check(repo.canary_rows(repository, name))
    config = repository / name / "config.pbtxt"
    text = config.read_text()
    config.write_text(text[: text.index("model_warmup")] + 'backend: "onnxruntime"\n')
    tiny_models[name].signature.check(repo.canary_rows(repository, name))


def test_unknown_model_names_the_near_ones(repository: Path) -> None:
    with pytest.raises(ModelUnknown, match="no model 'mlp-tinny'.*did you mean mlp-tiny"):
        repo.load_artifact(repository, "mlp-tinny")
    with pytest.raises(ModelUnknown, match="no version '3'.*it has \\[1\\]"):
        repo.load_artifact(repository, "mlp-tiny", "3")
    with pytest.raises(ModelUnknown, match="no model repository at .*publish"):
        repo.list_models(repository / "nowhere")


def test_half_written_version_is_refused(repository: Path) -> None:
    (repository / "mlp-tiny" / "2").mkdir()
    with pytest.raises(ModelUnavailable, match="mlp-tiny' version 2.*half-written; make it again"):
        repo.load_artifact(repository, "mlp-tiny")
    assert repo.load_artifact(repository, "mlp-tiny", "1").model == "mlp-tiny"


def test_damage_is_named(repository: Path) -> None:
    (repository / "mlp-tiny" / "labels.txt").unlink()
    with pytest.raises(ModelUnavailable, match=r"labels\.txt is missing: publish"):
        repo.load_labels(repository, "mlp-tiny")
    (repository / "mlp-tiny" / "warmup" / "x-1").write_bytes(b"123")
    with pytest.raises(ModelUnavailable, match=r"x-1 cannot be read.*publish"):
        repo.canary_rows(repository, "mlp-tiny")
    (repository / "embed-tiny" / "config.pbtxt").write_text("max_batch: 1")
    with pytest.raises(ModelUnavailable, match=r"config\.pbtxt cannot be read.*max_batch"):
        repo.load_config(repository, "embed-tiny")
    shutil.rmtree(repository / "mlp-nodes" / "1")
    with pytest.raises(ModelUnavailable, match="mlp-nodes' has no versions"):
        repo.load_artifact(repository, "mlp-nodes")
