"""The same answers, errors and retries from coroutines."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

from serving.client import Client
from serving.dialogue import Pause, hold, hold_later
from serving.errors import (
    DeadlineExceeded,
    ModelUnknown,
    RequestRefused,
    ServerUnreachable,
)
from serving.triton import Triton
from serving.triton_aio import AsyncClient
from serving.triton_calls import Call, TritonCalls

Result = TypeVar("Result")

REFUSED = InferenceServerException(
    "failed to connect to all addresses; last error: refused", "StatusCode.UNAVAILABLE"
)
LOST = InferenceServerException("Stream removed (Socket closed)", "StatusCode.UNAVAILABLE")


def asked(
    url: str, ask: Callable[[AsyncClient], Awaitable[Result]], timeout_s: float = 30
) -> Result:
    async def inside() -> Result:
        async with AsyncClient(url, timeout_s) as client:
            return await ask(client)

    return asyncio.run(inside())


@pytest.mark.triton
def test_answers_as_the_other_client(server: Triton, tiny_models: dict) -> None:
    rows = tiny_models["mlp-tiny"].signature.sample(5, seed=1)
    words = {"word": np.array([["kéks"], ["unheard of"]], object)}
    records: list[dict[str, Any]] = [
        {"user": "a", "item": "b", "price": 0.5},
        {"item": "ünseen"},
        {},
    ]
    history = np.arange(9.0).reshape(1, 9)

    async def answers(client: AsyncClient) -> tuple:
        return (
            await client.ready(),
            await client.models(),
            await client.signature("mlp-tiny"),
            (await client.infer("mlp-tiny", rows))["probabilities"].tolist(),
            (await client.infer("encode-tiny", words))["echo"].tolist(),
            await client.classify("mlp-tiny", rows, 2),
            await client.predict("clicks-raw", records),
            await client.rank("clicks-rank", {"user": "a"}, records[1:2]),
            (await client.forecast("forecast-tiny", history, 7)).quantiles.tolist(),
        )

    with Client(server.grpc_url, timeout_s=30) as client:
        assert asked(server.grpc_url, answers) == (
            client.ready(),
            client.models(),
            client.signature("mlp-tiny"),
            client.infer("mlp-tiny", rows)["probabilities"].tolist(),
            client.infer("encode-tiny", words)["echo"].tolist(),
            client.classify("mlp-tiny", rows, 2),
            client.predict("clicks-raw", records),
            client.rank("clicks-rank", {"user": "a"}, records[1:2]),
            client.forecast("forecast-tiny", history, 7).quantiles.tolist(),
        )


@pytest.mark.triton
def test_raw_answers_name_their_version_and_read_no_signature(
    server: Triton, tiny_models: dict
) -> None:
    rows = tiny_models["mlp-tiny"].signature.sample(3)

    async def ask(client: AsyncClient) -> None:
        answers, version = await client.infer_raw("mlp-tiny", rows, "", ["probabilities"])
        assert version == "1" and answers["probabilities"].shape == (3, 3)
        assert not client._calls._models
        with pytest.raises(ModelUnknown, match="no version '5' loaded: it has \\['1'\\]"):
            await client.infer_raw("mlp-tiny", rows, "5", ["probabilities"])
        with pytest.raises(RequestRefused, match="'mlp-tiny' refused the request"):
            await client.infer_raw("mlp-tiny", {"x": np.zeros((1, 3), np.float32)}, "", [])
        slow = tiny_models["embed-tiny"].signature.sample(1)
        with pytest.raises(DeadlineExceeded, match="within 0.05 s"):
            await client.infer_raw("embed-tiny", slow, "", ["score"], timeout_s=0.05)

    asked(server.grpc_url, ask)


@pytest.mark.triton
def test_many_at_once_are_batched_and_a_bad_one_fails_alone(server: Triton) -> None:
    async def ask(client: AsyncClient) -> list:
        rows = [np.array([[i, 99 if i == 3 else 0]]) for i in range(8)]
        calls = [client.infer_raw("embed-tiny", {"ids": ids}, "", ["score"]) for ids in rows]
        return await asyncio.gather(*calls, return_exceptions=True)

    for i, answer in enumerate(asked(server.grpc_url, ask)):
        if i == 3:
            assert isinstance(answer, Exception) and "99" in str(answer)
        else:
            np.testing.assert_array_equal(answer[0]["score"], [[i, 0]])


@pytest.mark.triton
def test_cancelling_reaches_the_server(server: Triton, tiny_models: dict) -> None:
    """embed-tiny waits 0.3 s for company; a request cancelled by then is never computed."""
    rows = tiny_models["embed-tiny"].signature.sample(1)

    def computed() -> int:
        client = InferenceServerClient(server.grpc_url)
        stats = client.get_inference_statistics("embed-tiny").model_stats[0]
        client.close()
        return int(stats.inference_count)

    async def ask(client: AsyncClient) -> None:
        await client.infer_raw("embed-tiny", rows, "", ["score"])
        before = computed()
        task = asyncio.create_task(client.infer_raw("embed-tiny", rows, "", ["score"]))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await client.infer_raw("embed-tiny", rows, "", ["score"])
        assert computed() == before + 1

    asked(server.grpc_url, ask)


@pytest.mark.parametrize(
    ("failures", "calls"), [([], 1), ([REFUSED], 2), ([REFUSED, REFUSED], 3), ([LOST], 1)]
)
def test_only_what_was_not_sent_is_asked_again(failures: list, calls: int) -> None:
    answers = [*failures, SimpleNamespace(models=[])]
    sent: list[Call] = []

    def send(call: Call) -> SimpleNamespace:
        sent.append(call)
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def send_later(call: Call) -> SimpleNamespace:
        return send(call)

    dialogue = TritonCalls("host:1", timeout_s=60).models()
    if LOST in failures:
        with pytest.raises(ServerUnreachable, match="Socket closed"):
            hold(dialogue, send)
    else:
        assert asyncio.run(hold_later(dialogue, send_later)) == []
    assert len(sent) == calls
    assert [call.timeout_s for call in sent] == sorted((c.timeout_s for c in sent), reverse=True)


@pytest.mark.parametrize(
    ("timeout_s", "retries", "expected"),
    [(60, 3, [0.1, 0.2, 0.4]), (60, 0, []), (0.15, 3, [0.1]), (0.05, 3, [])],
)
def test_retries_end_with_their_number_and_with_the_time(
    timeout_s: float, retries: int, expected: list[float]
) -> None:
    dialogue = TritonCalls("host:1", timeout_s, retries).models()
    next(dialogue)
    for seconds in expected:
        assert dialogue.throw(REFUSED) == Pause(seconds)
        next(dialogue)
    with pytest.raises(ServerUnreachable):
        dialogue.throw(REFUSED)


def test_a_connection_lost_after_sending_is_an_error_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        async def ask(client: AsyncClient) -> None:
            task = asyncio.create_task(client.models())
            connection, _ = await asyncio.to_thread(listener.accept)
            connection.sendall(bytes.fromhex("000000040000000000"))  # HTTP/2 settings
            received = b""
            while b"RepositoryIndex" not in received:
                received += await asyncio.to_thread(connection.recv, 65_536)
            connection.close()
            with pytest.raises(ServerUnreachable):
                await task

        asked(f"127.0.0.1:{listener.getsockname()[1]}", ask)
        listener.settimeout(0.3)
        with contextlib.suppress(TimeoutError):  # it may connect again, but asks nothing there
            connection, _ = listener.accept()
            assert b"RepositoryIndex" not in connection.recv(65_536)


def test_nobody_there() -> None:
    async def ask(client: AsyncClient) -> None:
        assert not await client.ready()
        with pytest.raises(ServerUnreachable, match="127.0.0.1:9.*`leanzoo serve`"):
            await client.models()

    asked("127.0.0.1:9", ask, timeout_s=5)
