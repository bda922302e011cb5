"""The configurations in git are the ones that publishing writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from export.triton_config import config_of, to_text
from zoo.artifact import Artifact
from zoo.contract import Signature

COMMITTED = sorted((Path(__file__).parents[2] / "model_repository").glob("mlp-*/config.pbtxt"))


def test_there_are_some() -> None:
    assert COMMITTED


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.parent.name)
def test_committed_config_is_generated(path: Path) -> None:
    read = text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())
    signature = Signature.from_dict(json.loads(read.parameters["signature"].string_value))
    artifact = Artifact(path.parent, "onnx", path.parent.name, signature)
    assert to_text(config_of(artifact)) == path.read_text()
