"""What every request passes: bounds, rates and deadlines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from serving.errors import ServingError
from serving.gateway.access import hashed
from serving.gateway.app import Gateway
from serving.gateway.door import read_rate
from tests.serving.gateway.inside import (
    CLASSIFY,
    JSON,
    ONE_ROW,
    Scripted,
    ask,
    counted,
    entered,
    gated,
    is_problem,
    settings,
    until,
)


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
