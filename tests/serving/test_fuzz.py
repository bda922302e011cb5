"""The gateway with requests that nobody wrote; ``python -m benchmarks.faults fuzz`` tries more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.faults.fuzz import Findings, fuzz_api, fuzz_bodies
from benchmarks.faults.gateway import Gateway, gateway
from benchmarks.faults.questions import questions_of
from benchmarks.faults.wires import Wire, answer_to
from tests.serving.tiny_models import CLICKS, CODES, FORECAST, MLP, RAW

CASES, BODIES = 300, 300


@pytest.fixture(scope="module")
def offered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of one model per endpoint."""
    root = tmp_path_factory.mktemp("fuzz") / "models"
    for model in (MLP, CODES, CLICKS, RAW, FORECAST):
        model.publish(root)
    return root


@pytest.fixture(scope="module")
def running(offered: Path) -> Iterator[Gateway]:
    """A gateway over it, which answers in process."""
    with gateway(offered, "--in-process") as found:
        yield found


def test_nothing_that_the_api_describes_fails(running: Gateway) -> None:
    host, port = running.address
    found = fuzz_api(f"http://{host}:{port}", CASES)
    assert found.cases >= CASES and not found.faults
    assert {200, 422} <= set(found.statuses)  # such as it takes, and such as it refuses
    assert running.get("/readyz")[0] == 200


def test_nothing_byte_by_byte_fails(running: Gateway, offered: Path) -> None:
    questions = questions_of(offered)
    found = fuzz_bodies(*running.address, questions, BODIES)
    assert found.cases >= BODIES and not found.faults
    assert {400, 422} <= set(found.statuses)
    assert running.get("/readyz")[0] == 200


def test_a_right_request_is_right_on_a_plain_socket(running: Gateway, offered: Path) -> None:
    for question in questions_of(offered):
        head = (
            f"POST {question.path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(question.body)}\r\n\r\n"
        )
        status, _ = answer_to(*running.address, Wire("right", head.encode() + question.body))
        assert status == 200


def test_what_is_a_finding() -> None:
    found = Findings()
    for status, took_s in ((200, 0.1), (422, 0.1), (0, 0.1), (500, 0.1), (-1, 10.0), (200, 6.0)):
        found.add(status, took_s, "asked")
    assert found.cases == 6 and found.slowest_s == 10.0
    assert found.faults == [
        "500 after 0.10 s: asked",
        "-1 after 10.00 s: asked",
        "200 after 6.00 s: asked",
    ]
