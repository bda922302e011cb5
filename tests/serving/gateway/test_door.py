"""What every request passes: bounds, keys, deadlines, and what is said of it afterwards."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from serving.errors import DeadlineExceeded, RequestRefused, ServerBusy, ServingError
from serving.gateway.access import hashed
from serving.gateway.app import Gateway
from serving.gateway.door import read_rate
from tests.serving.gateway.inside import (
    CLASSIFY,
    ONE_ROW,
    Scripted,
    ask,
    counted,
    entered,
    settings,
    until,
)

KEY = "lz_secret-of-a-team"
KEYED = {"Authorization": f"Bearer {KEY}"}
JSON = {"content-type": "application/json"}


def gated(scripted: Scripted, **more: Any) -> Gateway:
    return Gateway(settings(scripted.local.repository, **more), scripted)


def keyed(scripted: Scripted, **more: Any) -> Gateway:
    return Gateway(settings(scripted.local.repository, **more), scripted, [hashed("team-a", KEY)])


def is_problem(response: Any, status: int, detail: str) -> bool:
    body = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert body["status"] == response.status_code == status, body
    assert set(body) == {"type", "title", "status", "detail", "request_id"}
    assert body["request_id"] == response.headers["x-request-id"]
    assert re.search(detail, body["detail"]), body["detail"]
    return True


@pytest.mark.parametrize("path", ["/v1/models", "/metrics", "/openapi.json", "/nowhere", "/page"])
def test_without_a_key_nothing_is_told(scripted: Scripted, path: str) -> None:
    async def scene() -> None:
        async with entered(keyed(scripted)) as client:
            for headers in ({}, {"Authorization": "Bearer lz_other"}, {"Authorization": KEY}):
                answer = await client.get(path, headers=headers)
                assert is_problem(answer, 401, "expected a key")
                assert answer.headers["www-authenticate"] == "Bearer"
            assert (await client.get(path, headers=KEYED)).status_code != 401

    asyncio.run(scene())


def test_without_a_key_nothing_is_asked(scripted: Scripted) -> None:
    async def scene() -> None:
        async with entered(keyed(scripted)) as client:
            assert is_problem(await client.post(CLASSIFY, json=ONE_ROW), 401, "expected a key")
            assert scripted.asked == []
            answer = await client.post(CLASSIFY, json=ONE_ROW, headers=KEYED)
            assert answer.status_code == 200 and scripted.asked == [("mlp-tiny", 1)]

    asyncio.run(scene())


@pytest.mark.parametrize("path", ["/", "/livez", "/readyz", "/page/page.js"])
def test_page_and_health_need_no_key(scripted: Scripted, path: str) -> None:
    assert ask(keyed(scripted), "GET", path).status_code == 200


@pytest.mark.parametrize("path", ["/page/../v1/models", "/page/%2e%2e/metrics", "//v1/models"])
def test_no_way_around_the_key(scripted: Scripted, path: str) -> None:
    assert ask(keyed(scripted), "GET", path).status_code in (401, 404)


def test_a_large_body_is_refused_by_its_length(scripted: Scripted) -> None:
    gateway = gated(scripted, max_body_bytes=100)
    answer = ask(gateway, "POST", CLASSIFY, content=b" " * 101, headers=JSON)
    assert is_problem(answer, 413, "more than 100 bytes")
    assert answer.headers["connection"] == "close"
    fits = ask(gated(scripted, max_body_bytes=100), "POST", CLASSIFY, json=ONE_ROW)
    assert fits.status_code == 200


def test_a_large_body_is_cut_off_on_the_stream(scripted: Scripted) -> None:
    sent = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            sent.append(40)
            yield b" " * 40

    answer = ask(
        gated(scripted, max_body_bytes=100), "POST", CLASSIFY, content=endless(), headers=JSON
    )
    assert is_problem(answer, 413, "more than 100 bytes") and len(sent) == 3
    assert scripted.asked == []


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_other_types_than_json_are_refused(scripted: Scripted, kind: str) -> None:
    headers = {"content-type": kind} if kind else {}
    answer = ask(gated(scripted), "POST", CLASSIFY, content=b"{}", headers=headers)
    assert is_problem(answer, 415, "application/json")


def test_json_with_a_charset_is_json(scripted: Scripted) -> None:
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    content = json.dumps(ONE_ROW).encode()
    assert ask(gated(scripted), "POST", CLASSIFY, content=content, headers=headers).is_success


def test_a_key_that_asks_too_often_waits(scripted: Scripted) -> None:
    async def scene() -> None:
        keys = [hashed("a", "lz_a"), hashed("b", "lz_b")]
        told = settings(scripted.local.repository, rate="3/hour")
        async with entered(Gateway(told, scripted, keys)) as client:
            first, second = ({"Authorization": f"Bearer lz_{name}"} for name in "ab")
            for _ in range(3):
                assert (await client.get("/v1/models", headers=first)).status_code == 200
            answer = await client.get("/v1/models", headers=first)
            assert is_problem(answer, 429, "more than 3 per 1 hour with this key")
            assert 1 <= int(answer.headers["retry-after"]) <= 3600
            assert (await client.get("/v1/models", headers=second)).status_code == 200
            assert (await client.get("/livez")).status_code == 200

    asyncio.run(scene())


def test_a_rate_that_is_none() -> None:
    assert read_rate("") is None
    for text in ("fast", "10", "10/fortnight"):
        with pytest.raises(ServingError, match=f"rate '{text}': expected one such as 100/second"):
            read_rate(text)


def test_more_at_a_time_than_is_taken_is_refused_at_once(scripted: Scripted) -> None:
    async def scene() -> None:
        go = asyncio.Event()

        async def waits(*_: Any) -> None:
            await go.wait()

        gateway = gated(scripted, max_in_flight=2)
        async with entered(gateway) as client:
            scripted.before = waits
            held = [asyncio.create_task(client.post(CLASSIFY, json=ONE_ROW)) for _ in range(2)]
            await until(lambda: len(scripted.asked) == 2)
            assert counted(gateway.measures, "leanzoo_in_flight") == 2
            answer = await client.post(CLASSIFY, json=ONE_ROW)
            assert is_problem(answer, 503, "too many requests at a time")
            assert answer.headers["retry-after"] == "1" and len(scripted.asked) == 2
            assert (await client.get("/readyz")).status_code == 200
            go.set()
            assert [one.status_code for one in await asyncio.gather(*held)] == [200, 200]
            assert counted(gateway.measures, "leanzoo_in_flight") == 0
            assert (await client.post(CLASSIFY, json=ONE_ROW)).status_code == 200

    asyncio.run(scene())


def test_the_deadline_cancels_what_is_asked(scripted: Scripted) -> None:
    async def hangs(*_: Any) -> None:
        await asyncio.sleep(60)

    async def scene() -> None:
        gateway = gated(scripted, deadline_s=0.2)
        async with entered(gateway) as client:
            scripted.before = hangs
            answer = await client.post(CLASSIFY, json=ONE_ROW)
            assert is_problem(answer, 504, "no answer within the deadline")
            assert scripted.cancelled == 1
            assert counted(gateway.measures, "leanzoo_in_flight") == 0

    asyncio.run(scene())


def test_a_body_that_never_comes_ends_too(scripted: Scripted) -> None:
    async def stalls() -> AsyncIterator[bytes]:
        yield b'{"features": '
        await asyncio.sleep(60)

    gateway = gated(scripted, deadline_s=0.2)
    answer = ask(gateway, "POST", CLASSIFY, content=stalls(), headers=JSON)
    assert is_problem(answer, 408, "the body did not come")
    assert gateway.app.in_flight == 0  # type: ignore[attr-defined]


@dataclass
class Wire:
    """A client on the ASGI interface, which may leave."""

    body: bytes
    left: asyncio.Event = field(default_factory=asyncio.Event)
    sent: list[Any] = field(default_factory=list)
    whole: bool = True
    given: bool = False

    async def receive(self) -> Any:
        if not self.given:
            self.given = True
            return {"type": "http.request", "body": self.body, "more_body": not self.whole}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)


SCOPE = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "method": "POST",
    "scheme": "http",
    "path": CLASSIFY,
    "raw_path": CLASSIFY.encode(),
    "root_path": "",
    "query_string": b"",
    "headers": [(b"content-type", b"application/json")],
}


def test_a_client_that_leaves_cancels_what_is_asked(scripted: Scripted) -> None:
    async def hangs(*_: Any) -> None:
        await asyncio.sleep(60)

    async def scene() -> None:
        gateway = gated(scripted, deadline_s=30.0)
        async with entered(gateway):
            scripted.before = hangs
            wire = Wire(json.dumps(ONE_ROW).encode())
            asking = asyncio.create_task(gateway.app(dict(SCOPE), wire.receive, wire.send))
            await until(lambda: scripted.asked)
            wire.left.set()
            await asyncio.wait_for(asking, 10)
            assert scripted.cancelled == 1 and wire.sent == []
            labels = {"route": "classify", "model": "mlp-tiny", "version": "1", "status": "499"}
            assert counted(gateway.measures, "leanzoo_requests_total", **labels) == 1
            outcomes = gateway.core.router.state["mlp-tiny", 1].outcomes
            assert [answered for answered, _ in outcomes] == [True]  # no fault of the version

    asyncio.run(scene())


def test_a_client_that_leaves_while_it_sends(scripted: Scripted) -> None:
    async def scene() -> None:
        gateway = gated(scripted)
        async with entered(gateway):
            wire = Wire(b"{", whole=False)
            wire.left.set()
            await asyncio.wait_for(gateway.app(dict(SCOPE), wire.receive, wire.send), 10)
            assert wire.sent[0]["status"] == 400 and scripted.asked == []

    asyncio.run(scene())


@pytest.mark.parametrize("given", ["abc-123", "x" * 100])
def test_a_request_id_is_returned(scripted: Scripted, given: str) -> None:
    headers = {"X-Request-Id": given}
    answer = ask(gated(scripted), "POST", CLASSIFY, json=ONE_ROW, headers=headers)
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == given


@pytest.mark.parametrize("given", ["", "x" * 101, "tab\there", "ü"])
def test_a_request_id_that_does_not_fit_is_made_anew(scripted: Scripted, given: str) -> None:
    headers = {"X-Request-Id": given.encode("latin-1")}
    answer = ask(gated(scripted), "GET", "/livez", headers=headers)
    assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"])


def test_draining_says_no_to_readiness_and_closes_connections(scripted: Scripted) -> None:
    async def scene() -> None:
        gateway = gated(scripted)
        async with entered(gateway) as client:
            before = await client.get("/readyz")
            assert before.status_code == 200 and "connection" not in before.headers
            gateway.core.draining = True
            ready = await client.get("/readyz")
            assert ready.status_code == 503
            assert ready.json()["reasons"] == {"gateway": "it is about to stop"}
            for answer in (ready, await client.get("/livez")):
                assert answer.headers["connection"] == "close"
            answer = await client.post(CLASSIFY, json=ONE_ROW)  # is still answered
            assert answer.status_code == 200 and answer.headers["connection"] == "close"

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (ServerBusy("10.0.0.1 queue of 64"), 503, "queue is full"),
        (DeadlineExceeded("10.0.0.1 gave none"), 504, "no answer within the deadline"),
        (RequestRefused("10.0.0.1 refused"), 422, "refused the request"),
        (ServingError("10.0.0.1 (INTERNAL): onnxruntime says 0.1234"), 503, "the model failed"),
    ],
)
def test_what_a_backend_says_stays_inside(
    scripted: Scripted, error: ServingError, status: int, detail: str
) -> None:
    async def fails(*_: Any) -> None:
        raise error

    scripted.before = fails
    answer = ask(gated(scripted), "POST", CLASSIFY, json=ONE_ROW)
    assert is_problem(answer, status, detail)
    assert "10.0.0.1" not in answer.text and "onnxruntime" not in answer.text


def test_a_fault_of_the_gateway_is_a_problem_too(scripted: Scripted) -> None:
    async def fails(*_: Any) -> None:
        raise KeyError("0.1234 of a user")

    scripted.before = fails
    with capture_logs() as logs:
        answer = ask(gated(scripted), "POST", CLASSIFY, json=ONE_ROW)
    assert is_problem(answer, 500, "the gateway failed")
    assert "0.1234" not in answer.text
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["failed"]


def test_log_lines_hold_nothing_of_what_was_asked(scripted: Scripted) -> None:
    bodies: list[Any] = [
        {"features": [[0.123456, 0.2, 0.3, 0.4]]},
        {"features": [[0.123456]]},
        {"features": [["Ada Lovelace"]]},
        {"Ada Lovelace": 0.123456},
    ]
    click = {"rows": [{"user": "Ada Lovelace", "item": "b", "price": 0.123456}]}

    async def scene() -> None:
        async with entered(keyed(scripted), **KEYED) as client:
            for body in bodies:
                await client.post(CLASSIFY, json=body)
            assert (await client.post("/v1/ctr/clicks/predict", json=click)).status_code == 200
            await client.post("/v1/ctr/Ada%20Lovelace/predict", json=click)

    with capture_logs() as logs:
        asyncio.run(scene())
    lines = [line for line in logs if line["event"] == "request"]
    assert [line["status"] for line in lines] == [200, 422, 422, 422, 200, 404]
    assert {line["key"] for line in lines} == {"team-a"}
    assert (lines[0]["model"], lines[0]["version"]) == ("mlp-tiny", 1)
    for secret in ("123456", "Ada", "Lovelace", KEY):
        assert secret not in str(logs)


def test_what_is_counted(scripted: Scripted) -> None:
    async def scene() -> None:
        gateway = gated(scripted)
        async with entered(gateway) as client:
            await client.post(CLASSIFY, json=ONE_ROW)
            await client.post(CLASSIFY, json={})
            await client.get("/somewhere/else")
            text = (await client.get("/metrics")).text
            asked = 'route="classify",status="200",version="1"'
            assert f'leanzoo_requests_total{{model="mlp-tiny",{asked}}} 1.0' in text
            assert (
                'leanzoo_requests_total{model="",route="classify",status="422",version=""}' in text
            )
            assert 'route="other",status="404"' in text and "somewhere" not in text
            assert 'leanzoo_model_ready{model="clicks-raw",version="1"} 1.0' in text
            assert (
                "process_resident_memory_bytes" in text and "leanzoo_triton_restarts_total" in text
            )

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", CLASSIFY, 405), ("DELETE", "/v1/models", 405), ("POST", "/livez", 405)],
)
def test_other_methods(
    offered: Path, scripted: Scripted, method: str, path: str, status: int
) -> None:
    answer = ask(gated(scripted), method, path, headers=JSON)
    assert is_problem(answer, status, "method") and answer.headers["allow"]
