"""Answers in process."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from serving.errors import ModelUnavailable, ModelUnknown, RequestRefused
from serving.local import Local
from zoo.artifact import Artifact, sha256_file

NAMES = ["mlp-tiny", "mlp-nodes", "embed-tiny", "encode-tiny", "clicks", "clicks-raw"]


@pytest.mark.parametrize("name", NAMES)
def test_answers_equal_plain_onnxruntime(
    shared_repository: Path, tiny_models: dict, name: str
) -> None:
    rows = tiny_models[name].signature.sample(3)
    with Local(shared_repository) as local:
        answers = local.infer(name, rows)
    expected = tiny_models[name].answer(rows)
    assert list(answers) == list(expected)
    for output in expected:
        np.testing.assert_array_equal(answers[output], expected[output])


def test_classifies(shared_repository: Path, tiny_models: dict) -> None:
    local = Local(shared_repository)
    rows = tiny_models["mlp-tiny"].signature.sample(2)
    probabilities = local.infer("mlp-tiny", rows)["probabilities"]
    answers = local.classify("mlp-tiny", rows, top=2)
    assert [len(row) for row in answers] == [2, 2]
    label, probability = answers[0][0]
    assert label == tiny_models["mlp-tiny"].labels[int(probabilities[0].argmax())]
    assert probability == pytest.approx(float(probabilities[0].max()))
    with pytest.raises(RequestRefused, match="'embed-tiny' has no labels: use infer"):
        local.classify("embed-tiny", tiny_models["embed-tiny"].signature.sample(1))
    with pytest.raises(RequestRefused, match="no batch axis.*use infer"):
        local.classify("mlp-nodes", tiny_models["mlp-nodes"].signature.sample(1))
    with pytest.raises(RequestRefused, match="top is 0"):
        local.classify("mlp-tiny", rows, top=0)


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("mlp-tiny", {"x": np.zeros((1, 4))}, "'x' has dtype float64: expected float32"),
        ("mlp-tiny", {"x": np.zeros((1, 5), np.float32)}, r"shape \(1, 5\): expected \(batch, 4\)"),
        ("mlp-tiny", {"x": np.full((1, 4), np.nan, np.float32)}, "NaN or infinite in row 0"),
        ("mlp-tiny", {"x": np.zeros((0, 4), np.float32)}, "0 rows: expected 1 to 8"),
        ("mlp-tiny", {"x": np.zeros((9, 4), np.float32)}, "9 rows: expected 1 to 8; split it"),
        ("mlp-tiny", {"y": np.zeros((1, 4), np.float32)}, "unknown input 'y'.*x"),
        ("embed-tiny", {"ids": np.array([[0, 10]])}, "holds id 10: expected 0 <= id < 10"),
        ("embed-tiny", {"ids": np.array([[-1, 0]])}, "holds id -1"),
        ("encode-tiny", {"word": np.array([[1]], object)}, "'word' holds 1: expected strings"),
    ],
)
def test_bad_requests_are_refused(
    shared_repository: Path, name: str, rows: dict, message: str
) -> None:
    with pytest.raises(RequestRefused, match=f"model '{name}': .*{message}"):
        Local(shared_repository).infer(name, rows)


def test_changed_model_is_refused(repository: Path, tiny_models: dict) -> None:
    with (repository / "mlp-tiny" / "1" / "model.onnx").open("ab") as stream:
        stream.write(b"x")
    local = Local(repository)
    with pytest.raises(ModelUnavailable, match=r"model\.onnx was changed \(sha256 differs\)"):
        local.infer("mlp-tiny", tiny_models["mlp-tiny"].signature.sample(1))
    with pytest.raises(ModelUnknown, match="did you mean"):
        local.signature("mlp")


def test_changed_files_of_all_versions_are_refused(repository: Path, tiny_models: dict) -> None:
    rows = tiny_models["mlp-tiny"].signature.sample(1)
    folder = repository / "mlp-tiny"
    artifact = Artifact.load(folder / "1")
    shared = {name: sha256_file(folder / name) for name in ("config.pbtxt", "labels.txt")}
    replace(artifact, metrics={"shared": {**shared, "card.md": "0"}}).write(folder / "1")
    assert len(Local(repository).classify("mlp-tiny", rows)) == 1
    for name, content in (("labels.txt", b""), ("config.pbtxt", b"\xff\xfe")):
        (folder / name).write_bytes(content)
        with pytest.raises(ModelUnavailable, match=f"{name} is missing or was changed: publish"):
            Local(repository).classify("mlp-tiny", rows)


def test_imports_neither_torch_nor_export() -> None:
    code = (
        "import sys, serving.client, serving.local, serving.triton\n"
        "assert not {'torch', 'export', 'onnx'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
