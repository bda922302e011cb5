"""Answers of a running Triton server."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from serving.client import Client
from serving.errors import (
    DeadlineExceeded,
    ModelUnavailable,
    ModelUnknown,
    RequestRefused,
    ServerBusy,
    ServerUnreachable,
    ServingError,
)
from serving.failures import failed_call
from serving.local import Local
from serving.triton import Triton


@pytest.fixture
def client(server: Triton) -> Iterator[Client]:
    with Client(server.grpc_url, timeout_s=30) as client:
        yield client


@pytest.mark.triton
@pytest.mark.parametrize(
    "name", ["mlp-tiny", "mlp-nodes", "embed-tiny", "encode-tiny", "clicks", "clicks-raw"]
)
def test_answers_equal_those_in_process(
    client: Client, shared_repository: Path, tiny_models: dict, name: str
) -> None:
    rows = tiny_models[name].signature.sample(5, seed=1)
    expected = Local(shared_repository).infer(name, rows)
    answers = client.infer(name, rows)
    assert list(answers) == list(expected)
    for output in expected:
        assert answers[output].dtype == expected[output].dtype
        if expected[output].dtype == np.dtype(object):
            np.testing.assert_array_equal(answers[output], expected[output])
        else:
            np.testing.assert_allclose(answers[output], expected[output], rtol=0, atol=1e-6)


@pytest.mark.triton
def test_strings_reach_the_vocabulary(client: Client, shared_repository: Path) -> None:
    words = {"word": np.array([["kéks"], ["bread"], ["unheard of"], [""]], object)}
    answers = client.infer("encode-tiny", words)
    np.testing.assert_array_equal(answers["id"], [[1], [2], [0], [0]])
    np.testing.assert_array_equal(answers["echo"], words["word"])


@pytest.mark.triton
def test_asked_with_records_as_in_process(client: Client, shared_repository: Path) -> None:
    records = [{"user": "a", "item": "b", "price": 0.5}, {"item": "ünseen"}, {}]
    items = [{"item": "a"}, {"item": ""}, {"item": "ünseen"}]
    with Local(shared_repository) as local:
        for _ in range(2):  # the signature is read once, then known
            assert client.predict("clicks-raw", records) == local.predict("clicks-raw", records)
            asked = ("clicks-rank", {"user": "a"}, items)
            assert client.rank(*asked) == local.rank(*asked) == [0.0, -2.0, -2.0]
    with pytest.raises(RequestRefused, match="row 0 has unknown field 'pirce': .*price"):
        client.predict("clicks-raw", [{"pirce": 1}])
    with pytest.raises(RequestRefused, match="'clicks-rank': .* has 0 candidates"):
        client.rank("clicks-rank", {}, [])


@pytest.mark.triton
def test_long_strings_and_many_of_them(client: Client) -> None:
    words = {"word": np.array([["kéks" * 100], ["b" * 300], [""], ["bread"]], object)}
    answers = client.infer("encode-tiny", words)
    np.testing.assert_array_equal(answers["id"], [[0], [0], [0], [2]])
    np.testing.assert_array_equal(answers["echo"], words["word"])


@pytest.mark.triton
def test_classifies_as_in_process(
    client: Client, shared_repository: Path, tiny_models: dict
) -> None:
    rows = tiny_models["mlp-tiny"].signature.sample(8)
    for top in (1, 3, 9):
        expected = Local(shared_repository).classify("mlp-tiny", rows, top)
        answers = client.classify("mlp-tiny", rows, top)
        assert [[label for label, _ in row] for row in answers] == [
            [label for label, _ in row] for row in expected
        ]
        assert answers[0][0][1] == pytest.approx(expected[0][0][1], abs=1e-6)
    with pytest.raises(RequestRefused, match="no labels: use infer"):
        client.classify("embed-tiny", tiny_models["embed-tiny"].signature.sample(1))


def ask_unchecked(url: str, ids: list[list[int]]) -> np.ndarray:
    """A request to embed-tiny as a client without our checks would send it."""
    array = np.array(ids)
    tensor = InferInput("ids", array.shape, "INT64").set_data_from_numpy(array)
    client = InferenceServerClient(url)
    try:
        return client.infer("embed-tiny", [tensor], client_timeout=30).as_numpy("score")
    finally:
        client.close()


@pytest.mark.triton
def test_requests_are_batched_and_a_bad_one_fails_alone(server: Triton) -> None:
    def counts() -> tuple[int, int]:
        client = InferenceServerClient(server.grpc_url)
        stats = client.get_inference_statistics("embed-tiny").model_stats[0]
        client.close()
        return stats.inference_count, stats.execution_count

    requests = [[[i, (i + 1) % 10]] for i in range(8)]
    ask_unchecked(server.grpc_url, [[0, 0]])
    before = counts()
    with ThreadPoolExecutor(9) as pool:
        answers = [pool.submit(ask_unchecked, server.grpc_url, ids) for ids in requests]
        for ids, answer in zip(requests, answers, strict=True):
            np.testing.assert_array_equal(answer.result(), ids)
        requested, executed = np.subtract(counts(), before)
        assert requested == 8 and executed < 8
        bad = pool.submit(ask_unchecked, server.grpc_url, [[99, 0]])
        answers = [pool.submit(ask_unchecked, server.grpc_url, ids) for ids in requests]
        for ids, answer in zip(requests, answers, strict=True):
            np.testing.assert_array_equal(answer.result(), ids)
        with pytest.raises(InferenceServerException, match="99"):
            bad.result()


@pytest.mark.triton
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((1, 4)), "dtype float64: expected float32"),
        (np.zeros((1, 5), np.float32), "expected \\(batch, 4\\)"),
        (np.full((1, 4), np.inf, np.float32), "NaN or infinite"),
        (np.zeros((0, 4), np.float32), "0 rows: expected 1 to 8"),
        (np.zeros((9, 4), np.float32), "9 rows: expected 1 to 8; split it"),
    ],
)
def test_bad_requests_are_refused(client: Client, rows: np.ndarray, message: str) -> None:
    with pytest.raises(RequestRefused, match=f"'mlp-tiny': input 'x'.*{message}"):
        client.infer("mlp-tiny", {"x": rows})


@pytest.mark.triton
def test_unknown_names_are_answered_with_known_ones(client: Client, tiny_models: dict) -> None:
    rows = tiny_models["mlp-tiny"].signature.sample(1)
    assert {"mlp-tiny", "embed-tiny"} <= set(client.models())
    with pytest.raises(ModelUnknown, match="no model 'mlp-tinny'.*did you mean mlp-tiny"):
        client.infer("mlp-tinny", rows)
    with pytest.raises(ModelUnknown, match="no version '5' loaded: it has \\['1'\\]"):
        client.infer("mlp-tiny", rows, version="5")


@pytest.mark.triton
def test_new_version_with_a_new_signature_is_noticed(
    server: Triton, client: Client, shared_repository: Path, tiny_models: dict
) -> None:
    first = replace(tiny_models["mlp-tiny"], name="mlp-versions")
    first.publish(shared_repository)
    server.load("mlp-versions")
    client.infer("mlp-versions", first.signature.sample(8))
    second = replace(first, signature=replace(first.signature, max_batch=12))
    second.publish(shared_repository, version=2)
    server.load("mlp-versions")
    client.infer("mlp-versions", second.signature.sample(12))
    server.unload("mlp-versions")
    with pytest.raises(ModelUnavailable, match="'mlp-versions' is not loaded.*load it first"):
        client.infer("mlp-versions", second.signature.sample(1))


@pytest.mark.triton
def test_changed_model_is_not_loaded(
    server: Triton, client: Client, shared_repository: Path, tiny_models: dict
) -> None:
    folder = replace(tiny_models["mlp-tiny"], name="mlp-changed").publish(shared_repository)
    with (folder / "model.onnx").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(ModelUnavailable, match=r"model\.onnx was changed"):
        server.load("mlp-changed")
    with pytest.raises(ServingError, match=r"model\.onnx was changed") as caught:
        client.load("mlp-changed")
    assert "\n" not in str(caught.value)
    shutil.rmtree(folder.parent)


@pytest.mark.triton
def test_slow_answer_ends_at_the_deadline(server: Triton, tiny_models: dict) -> None:
    with (
        Client(server.grpc_url, timeout_s=0.1) as hasty,
        pytest.raises(DeadlineExceeded, match="within 0.1 s: raise timeout_s"),
    ):
        hasty.infer("embed-tiny", tiny_models["embed-tiny"].signature.sample(1))


def test_nobody_there(tiny_models: dict) -> None:
    with Client("127.0.0.1:9", timeout_s=5) as client:
        assert not client.ready()
        with pytest.raises(ServerUnreachable, match="127.0.0.1:9.*`leanzoo serve`"):
            client.infer("mlp-tiny", tiny_models["mlp-tiny"].signature.sample(1))


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        ("UNAVAILABLE", "Exceeds maximum queue size", ServerBusy),
        ("INVALID_ARGUMENT", "unexpected shape", RequestRefused),
        ("INTERNAL", "two\nlines", ServingError),
    ],
)
def test_failures_get_a_type(status: str, message: str, expected: type[ServingError]) -> None:
    failure = InferenceServerException(message, f"StatusCode.{status}")
    error = failed_call(failure, "host:1", "mlp", 1.0)
    assert type(error) is expected and "'mlp'" in str(error) and "\n" not in str(error)
