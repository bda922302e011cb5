"""How the gateway's clients fail, and what they ask again."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from serving import dialogue
from serving.client import Client, connect, connect_async
from serving.errors import (
    AccessRefused,
    DeadlineExceeded,
    ModelUnavailable,
    ModelUnknown,
    RequestRefused,
    ServerBusy,
    ServerUnreachable,
    ServingError,
)
from serving.gateway.problems import OF_A_BACKEND
from serving.http_aio import AsyncGatewayClient
from serving.http_client import GatewayClient
from serving.triton_aio import AsyncClient
from tests.serving.stub_gateway import StubGateway, problem, running
from zoo.contract import Signature, TensorSpec

PATH = "/v1/ctr/ads/predict"
GOOD = (200, {"version": 1, "scores": [0.5]})


@pytest.fixture
def stub() -> Iterator[StubGateway]:
    with running() as stub:
        yield stub


def in_thread(url: str, **options: Any) -> Any:
    with GatewayClient(url, **options) as client:
        return client.ask(PATH, {"rows": []})


def in_coroutine(url: str, **options: Any) -> Any:
    async def inside() -> Any:
        async with AsyncGatewayClient(url, **options) as client:
            return await client.ask(PATH, {"rows": []})

    return asyncio.run(inside())


both = pytest.mark.parametrize("ask", [in_thread, in_coroutine])
Ask = Callable[..., Any]


@pytest.mark.parametrize(
    ("status", "detail", "expected"),
    [
        (400, "not JSON", RequestRefused),
        (401, "no key", AccessRefused),
        (403, "not on the list", AccessRefused),
        (404, "no model 'ads': did you mean mlp?", ModelUnknown),
        (413, "body over 16 MiB", RequestRefused),
        (415, "expected application/json", RequestRefused),
        (422, "row 0 has unknown field 'pirce'", RequestRefused),
        (429, "more than 100/second", ServerBusy),
        (500, "bug", ServingError),
        (503, "64 requests are in flight: ask again", ServerBusy),
        (503, OF_A_BACKEND[ServerBusy][1], ServerBusy),
        (503, OF_A_BACKEND[ModelUnavailable][1], ModelUnavailable),
        (503, OF_A_BACKEND[ServerUnreachable][1], ServerUnreachable),
        (503, OF_A_BACKEND[ServingError][1], ServingError),
        (504, "no answer within the deadline", DeadlineExceeded),
    ],
)
def test_refusals_get_a_type(
    stub: StubGateway, status: int, detail: str, expected: type[ServingError]
) -> None:
    stub.answers[PATH] = [problem(status, detail)]
    with pytest.raises(ServingError) as caught:
        in_thread(stub.url)
    assert type(caught.value) is expected
    assert str(caught.value) == f"{detail} (request r-1)"
    assert caught.value.retry_after_s == (0.0 if status in (429, 503) else None)
    assert len(stub.asked) == 1


@both
@pytest.mark.parametrize("status", [200, 502])
def test_another_server_is_recognised(stub: StubGateway, ask: Ask, status: int) -> None:
    stub.answers[PATH] = [(status, {"raw": b"<html>\n"})]
    with pytest.raises(ServingError, match=f"{stub.url} answered .*gateway") as caught:
        ask(stub.url)
    assert "\n" not in str(caught.value)
    stub.answers["/v1/models"] = [(200, {"models": 3})]
    with (
        GatewayClient(stub.url) as client,
        pytest.raises(ServingError, match="something else than a leanzoo gateway"),
    ):
        client.models()


@both
def test_what_was_too_much_is_asked_again_only_on_request(stub: StubGateway, ask: Ask) -> None:
    stub.answers[PATH] = [problem(503, "in flight: ask again"), problem(429, "rate"), GOOD]
    assert ask(stub.url, retry_busy=True)["scores"] == [0.5]
    assert len(stub.asked) == 3
    stub.answers[PATH] = [problem(*OF_A_BACKEND[ServerUnreachable]), GOOD]
    with pytest.raises(ServerUnreachable):
        ask(stub.url, retry_busy=True)
    assert len(stub.asked) == 4


@both
def test_a_refused_connection_is_tried_again(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    pauses: list[float] = []
    with ExitStack() as stack:

        def begin(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 2:
                stack.enter_context(running(port)).answers[PATH] = [GOOD]

        async def begin_later(seconds: float) -> None:
            begin(seconds)

        monkeypatch.setattr(dialogue, "time", SimpleNamespace(sleep=begin, monotonic=monotonic))
        monkeypatch.setattr(dialogue, "asyncio", SimpleNamespace(sleep=begin_later))
        with pytest.raises(ServerUnreachable, match="no gateway answers"):
            ask(f"http://127.0.0.1:{port}", retries=1)
        pauses.clear()
        assert ask(f"http://127.0.0.1:{port}", retries=2)["scores"] == [0.5]
    assert pauses == [0.1, 0.2]


@contextmanager
def mute(reply: bytes, wait: bool = False) -> Iterator[tuple[str, list[bytes]]]:
    """A server that reads a request, sends so much of an answer and hangs up, or waits."""
    seen: list[bytes] = []
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def serve() -> None:
            while not done.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    seen.append(connection.recv(65_536))
                    connection.sendall(reply)
                    if wait:
                        done.wait(10)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", seen
        finally:
            done.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@both
@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{"])
def test_what_was_sent_is_never_sent_again(ask: Ask, reply: bytes) -> None:
    with mute(reply) as (url, seen):
        with pytest.raises(ServerUnreachable, match="broke off before it answered"):
            ask(url, retries=5, retry_busy=True)
        assert len(seen) == 1


@both
def test_no_answer_in_time(ask: Ask) -> None:
    with mute(b"", wait=True) as (url, seen):
        with pytest.raises(DeadlineExceeded, match=r"no answer within 0\.1 s: raise timeout_s"):
            ask(url, timeout_s=0.1)
        assert len(seen) == 1


@both
def test_nobody_there(ask: Ask) -> None:
    with pytest.raises(ServerUnreachable, match="no gateway answers at http://127.0.0.1:9 "):
        ask("http://127.0.0.1:9", timeout_s=5)


def test_connections_are_kept(stub: StubGateway) -> None:
    stub.answers[PATH] = [GOOD]
    with GatewayClient(stub.url) as client:
        for _ in range(5):
            client.ask(PATH, {})
    assert stub.connections == 1


def test_a_proxy_of_the_environment_is_not_used(
    stub: StubGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    stub.answers[PATH] = [GOOD]
    assert in_thread(stub.url)["scores"] == [0.5]


def test_what_json_cannot_hold_is_not_sent(stub: StubGateway) -> None:
    taken, given = (
        TensorSpec("values", "object", (1,), ""),
        TensorSpec("score", "float32", (1,), ""),
    )
    stub.describe("ads", "ctr", {"ads": Signature((taken,), (given,), 8)})
    with GatewayClient(stub.url) as client:
        with pytest.raises(RequestRefused, match="cannot be sent as JSON"):
            client.predict("ads", [{"user": object()}])
        with pytest.raises(RequestRefused, match="'ads': row 0: field 'age' is inf: expected"):
            client.predict("ads", [{"age": np.inf}])
        with pytest.raises(RequestRefused, match="'mlp': input 'x' holds infinite values"):
            client.classify("mlp", {"x": np.full((1, 2), np.inf)})
        with pytest.raises(RequestRefused, match="'mlp': inputs are y: expected 'x', or"):
            client.classify("mlp", {"y": np.zeros((1, 2))})
    assert [one.method for one in stub.asked] == ["GET"]


def test_one_door() -> None:
    for url in ("far:8001", "grpc://far:8001"):
        client = connect(url, timeout_s=3)
        assert isinstance(client, Client) and (client.url, client.timeout_s) == ("far:8001", 3)
        client.close()
        assert isinstance(connect_async(url), AsyncClient)
    gateway = connect("https://far/", key="lz_1")
    assert isinstance(gateway, GatewayClient) and gateway.url == "https://far"
    gateway.close()
    assert isinstance(connect_async("http://far:8080"), AsyncGatewayClient)
    with pytest.raises(RequestRefused, match="url 'ftp://far': expected host:port of a Triton"):
        connect("ftp://far")
    with pytest.raises(RequestRefused, match="url 'http://': expected http://host:port"):
        connect("http://")
    with pytest.raises(RequestRefused, match="takes no key: leave out the key"):
        connect("far:8001", key="lz_1")
    with pytest.raises(RequestRefused, match="characters that no key has"):
        connect("http://far", key="lz_1\n")
