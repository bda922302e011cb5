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
from zoo.steps import Step

COMMITTED = sorted((Path(__file__).parents[2] / "model_repository").glob("*/config.pbtxt"))


def test_there_are_some() -> None:
    assert COMMITTED


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.parent.name)
def test_committed_config_is_generated(path: Path) -> None:
    read = text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())
    signature = Signature.from_dict(json.loads(read.parameters["signature"].string_value))
    steps = [
        Step(s.model_name, dict(s.input_map), dict(s.output_map), s.model_version)
        for s in read.ensemble_scheduling.step
    ]
    artifact = Artifact(path.parent, "onnx", path.parent.name, signature)
    assert to_text(config_of(artifact, steps)) == path.read_text()
