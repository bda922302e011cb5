"""Keys at the door, ids of requests, and what is said of them: in answers, logs and measures."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from serving.errors import DeadlineExceeded, RequestRefused, ServerBusy, ServingError
from tests.serving.gateway.inside import (
    CLASSIFY,
    JSON,
    KEY,
    KEYED,
    ONE_ROW,
    Scripted,
    ask,
    entered,
    gated,
    is_problem,
    keyed,
)


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
