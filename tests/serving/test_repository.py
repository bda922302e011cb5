"""What is read from a model repository, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from google.protobuf import text_format

from serving import repository as repo
from serving.errors import ModelUnavailable, ModelUnknown
from zoo.artifact import Artifact


def test_lists_models_and_versions(repository: Path) -> None:
    for other in ("7", "notes", "01", "0"):
        (repository / "mlp-tiny" / other).mkdir()
    clicks = ["clicks", "clicks-encode", "clicks-rank", "clicks-raw"]
    tiny = ["embed-tiny", "encode-tiny", "forecast-tiny", "mlp-nodes", "mlp-tiny"]
    assert repo.list_models(repository) == [*clicks, *tiny]
    assert repo.list_versions(repository, "mlp-tiny") == [1, 7]


def test_reads_artifact_labels_and_steps(repository: Path, tiny_models: dict) -> None:
    model = tiny_models["mlp-tiny"]
    artifact = repo.load_artifact(repository, "mlp-tiny")
    assert artifact.signature == model.signature
    assert repo.load_labels(repository, "mlp-tiny") == ("probabilities", list(model.labels))
    assert repo.load_labels(repository, "embed-tiny") == ("", [])
    assert repo.load_steps(artifact) == ()
    ensemble = repo.load_artifact(repository, "clicks-raw")
    assert repo.load_steps(ensemble) == tiny_models["clicks-raw"].steps


def test_golden_rows_are_those_of_the_version(repository: Path, tiny_models: dict) -> None:
    for name, model in tiny_models.items():
        golden = repo.load_golden(repository, name)
        model.signature.check(golden.inputs)
        assert golden.mismatch(model.answer(golden.inputs)) == ""


def test_model_without_golden_rows_is_refused(repository: Path) -> None:
    folder = repository / "mlp-tiny" / "1"
    (folder / "golden.json").unlink()
    Artifact.load(folder, verify=False).write(folder)
    with pytest.raises(ModelUnavailable, match="'mlp-tiny': .*no golden rows: export and publish"):
        repo.load_golden(repository, "mlp-tiny")


def test_ensembles_bring_their_steps(repository: Path, tiny_models: dict) -> None:
    names = ["clicks-encode", "clicks", "clicks-raw"]
    assert repo.with_steps(repository, ["clicks-raw"]) == names
    assert repo.with_steps(repository, ["clicks", "clicks-raw"]) == [names[1], names[0], names[2]]
    tiny_models["clicks"].publish(repository, version=2)
    assert repo.with_steps(repository, ["clicks-raw"]) == names
    tiny_models["clicks"].publish(repository, version=3)
    with pytest.raises(ModelUnavailable, match="needs version 1 of 'clicks', .* 2, 3 are served"):
        repo.with_steps(repository, ["clicks-raw"])
    shutil.rmtree(repository / "clicks" / "1")
    with pytest.raises(ModelUnknown, match="'clicks' has no version '1': it has \\[2, 3\\]"):
        repo.with_steps(repository, ["clicks-raw"])


def test_an_ensemble_answers_where_its_steps_are_served(
    repository: Path, tiny_models: dict
) -> None:
    assert repo.served_versions(repository, "clicks-raw") == [1]
    tiny_models["clicks"].publish(repository, version=2)
    assert repo.served_versions(repository, "clicks") == [1, 2]
    tiny_models["clicks"].publish(repository, version=3)
    assert repo.served_versions(repository, "clicks") == [2, 3]
    assert repo.served_versions(repository, "clicks-raw") == []
    config = repo.load_config(repository, "clicks")
    config.version_policy.specific.versions.extend([1, 3])
    (repository / "clicks" / "config.pbtxt").write_text(text_format.MessageToString(config))
    assert repo.served_versions(repository, "clicks") == [1, 3]
    assert repo.served_versions(repository, "clicks-raw") == [1]


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


def rewrite(file: Path, content: str) -> None:
    """Change a file of a version, and its manifest with it."""
    file.write_text(content)
    Artifact.load(file.parent, verify=False).write(file.parent)


def test_damage_is_named(repository: Path) -> None:
    (repository / "mlp-tiny" / "labels.txt").unlink()
    with pytest.raises(ModelUnavailable, match=r"labels\.txt is missing: publish"):
        repo.load_labels(repository, "mlp-tiny")
    rewrite(repository / "mlp-tiny" / "1" / "golden.json", '{"inputs": {"x": 3}}')
    with pytest.raises(ModelUnavailable, match=r"holds no golden rows .*publish again"):
        repo.load_golden(repository, "mlp-tiny")
    rewrite(repository / "clicks-raw" / "1" / "steps.json", '[{"model": "clicks"}]')
    with pytest.raises(ModelUnavailable, match=r"'clicks-raw': .*steps.json cannot be read"):
        repo.load_steps(repo.load_artifact(repository, "clicks-raw"))
    (repository / "embed-tiny" / "config.pbtxt").write_text("max_batch: 1")
    with pytest.raises(ModelUnavailable, match=r"config\.pbtxt cannot be read.*max_batch"):
        repo.load_config(repository, "embed-tiny")
    (repository / "embed-tiny" / "config.pbtxt").write_bytes(b"\xff\xfe")
    with pytest.raises(ModelUnavailable, match=r"config\.pbtxt cannot be read.*publish it again"):
        repo.load_config(repository, "embed-tiny")
    shutil.rmtree(repository / "mlp-nodes" / "1")
    with pytest.raises(ModelUnavailable, match="mlp-nodes' has no versions"):
        repo.load_artifact(repository, "mlp-nodes")
