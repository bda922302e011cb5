"""Plain model folders: what a server and the gateway need, for graphs that are not published."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from benchmarks.floor.identity import identity
from benchmarks.plain_model import lay_out
from benchmarks.subjects import Pair
from export.lint.repository import lint_model
from export.lint.served import this_machine
from export.triton_config import config_of, read_config
from serving.client import Client
from serving.gateway.catalogue import Catalogue
from serving.repository import load_golden
from serving.triton import Triton
from zoo.artifact import Artifact
from zoo.contract import Signature, TensorSpec

STRINGS = Signature(
    (TensorSpec("values", "object", (2,), ""),), (TensorSpec("ids", "int64", (2,), ""),), 4
)


@pytest.fixture(scope="module")
def student(pair: Pair) -> Artifact:
    return Artifact.load(pair.students["dense"].file.parent)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, pair: Pair, student: Artifact) -> Path:
    """An identity of the toy's student, its teacher, and a graph that nothing is known of."""
    root = tmp_path_factory.mktemp("plain") / "repository"
    assert student.signature is not None
    lay_out(root, "nothing", identity(student.signature), student.signature, student)
    teacher = pair.teacher("blocks")
    lay_out(root, "teacher", teacher.file, teacher.signature, Artifact.load(teacher.file.parent))
    lay_out(root, "words", identity(STRINGS), STRINGS)
    return root


def test_it_is_configured_as_a_published_model(repository: Path, student: Artifact) -> None:
    config, published = read_config(repository / "nothing"), config_of(student)
    config.name = published.name
    assert config == published


def test_its_files_are_its_models_but_for_the_graph(repository: Path, student: Artifact) -> None:
    version = Artifact.load(repository / "nothing" / "1")
    assert (repository / "nothing" / "labels.txt").read_bytes() == (
        student.path / "labels.txt"
    ).read_bytes()
    graph = onnx.load(version.path / "model.onnx")
    assert {node.op_type for node in graph.graph.node} == {"Shape", "Concat", "Expand"}
    answers = load_golden(repository, "nothing").outputs["probabilities"]
    np.testing.assert_allclose(answers, 1 / answers.shape[-1])


def test_nothing_in_it_is_known_to_go_wrong(repository: Path) -> None:
    for folder in repository.iterdir():
        assert lint_model(folder, repository, this_machine()) == []


def test_the_gateway_takes_it_for_a_model_of_its_form(repository: Path) -> None:
    found = Catalogue(repository).scan({})
    assert [one.faults for one in found.values()] == [{}, {}, {}]
    served = found["nothing"].versions[1]
    assert (served.base, served.form) == ("nothing", "dense")


@pytest.mark.triton
def test_triton_serves_all_of_it(repository: Path, pair: Pair) -> None:
    teacher = pair.teacher("blocks")
    arrays = teacher.rows(np.array([3, 5]))
    with Triton(repository) as server, Client(server.grpc_url) as client:
        answer = client.infer("teacher", arrays)["logits"]
        ids = client.infer("words", STRINGS.sample(3))["ids"]
    np.testing.assert_allclose(answer, teacher.run(arrays)[0], atol=1e-5)
    assert ids.tolist() == [[0, 0]] * 3
