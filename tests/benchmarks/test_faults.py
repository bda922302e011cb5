"""Faults: what is asked of a server, and how answers are judged.

The server here is a stub that answers as a gateway would, or misbehaves in one way.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.faults.connection import Asked
from benchmarks.faults.generator import Generator, ask_for, lag_ms
from benchmarks.faults.load import Load, Plan
from benchmarks.faults.questions import Question, distance, numbers_of, questions_of
from benchmarks.faults.wires import Wire, answer_to, planted
from tests.serving.tiny_models import CLICKS, CODES, FORECAST, MLP, RANK, RAW
from zoo.contract import LeanzooError
from zoo.golden import Golden

ONE = Question("predict", "clicks", "clicks", "/v1/ctr/clicks/predict", b"{}", ((0.25,), (0.75,)))
PARTS = (0.0, 0.25, 0.5, 0.75, 1.0)


class Stub(BaseHTTPRequestHandler):
    """Answers version 1 to every request."""

    protocol_version = "HTTP/1.1"
    behaviour: Callable[[Stub, int], None]
    count = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        Stub.count += 1
        self.behaviour(Stub.count)

    def reply(self, status: int, body: dict[str, Any], close: bool = False) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        if close:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


RIGHT = {"version": 1, "scores": [0.25]}


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[str, int]]]:
    """Starts a stub that behaves in some way; its address."""
    servers = []

    def start(behaviour: Callable[[Stub, int], None]) -> tuple[str, int]:
        Stub.count = 0
        kind = type("Behaving", (Stub,), {"behaviour": behaviour})
        server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return "127.0.0.1", server.server_address[1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def ask(address: tuple[str, int], requests: int, **options: Any) -> list[Asked]:
    """What became of so many requests, asked in this process."""
    import asyncio

    plan = Plan(*address, (ONE,), **{"rate": 200.0, "timeout_s": 0.5, **options})
    load = Load(plan, lambda: len(load.asked) >= requests)
    asyncio.run(load.run())
    return load.asked


def test_right_answers_have_no_fault(serve: Any) -> None:
    asked = ask(serve(lambda stub, _: stub.reply(200, RIGHT)), 20)
    assert [one.number for one in asked] == list(range(20))
    assert {(one.status, one.version, one.fault) for one in asked} == {(200, 1, "")}
    assert all(one.due_s <= one.sent_s <= one.done_s for one in asked)
    steps = np.diff([one.due_s for one in asked])
    assert np.allclose(steps, 1 / 200.0)  # due when it is due, whatever came before


def test_closed_loop_asks_again_when_answered(serve: Any) -> None:
    asked = ask(serve(lambda stub, _: stub.reply(200, RIGHT)), 20, rate=0, clients=2)
    assert len(asked) >= 20 and not any(one.fault for one in asked)
    for before, after in zip(asked, asked[2:], strict=False):
        assert after.sent_s >= before.sent_s


def test_a_wrong_answer_is_called_so(serve: Any) -> None:
    def behave(stub: Stub, count: int) -> None:
        stub.reply(200, {"version": 1 + count % 2, "scores": [0.25]})  # what version 1 says

    asked = ask(serve(behave), 10)
    wrong = [one for one in asked if one.version == 2]
    assert wrong and all(one.fault.startswith("wrong: ") for one in wrong)
    assert all(not one.fault for one in asked if one.version == 1)


def test_a_connection_that_closes_loses_its_request(serve: Any) -> None:
    def behave(stub: Stub, count: int) -> None:
        if count == 3:
            stub.close_connection = True
            stub.connection.close()
        else:
            stub.reply(200, RIGHT)

    faults = [one.fault for one in ask(serve(behave), 10) if one.fault]
    assert len(faults) == 1 and faults[0].startswith("lost: ")


def test_a_request_that_hangs_is_given_up(serve: Any) -> None:
    def behave(stub: Stub, count: int) -> None:
        if count == 2:
            time.sleep(1.5)
        stub.reply(200, RIGHT)

    faults = [one.fault for one in ask(serve(behave), 10) if one.fault]
    assert faults == ["hung: no answer in 0.5 s"]


def test_nothing_that_listens_refuses(serve: Any) -> None:
    asked = ask(("127.0.0.1", 1), 3)
    assert all(one.fault.startswith("refused: ") and not one.sent_s for one in asked)


def test_an_announced_close_is_seen(serve: Any) -> None:
    asked = ask(serve(lambda stub, count: stub.reply(200, RIGHT, count % 2 == 0)), 10)
    assert sum(one.closing for one in asked) == 5 and not any(one.fault for one in asked)


def test_the_generator_asks_from_a_process_of_its_own(serve: Any) -> None:
    plan = Plan(*serve(lambda stub, _: stub.reply(200, RIGHT)), (ONE,), 100.0)
    generator = ask_for(plan, 0.3)
    assert generator.asked and not any(one.fault for one in generator.asked)
    assert generator.cpu_s > 0 and lag_ms(generator.asked, 0.5) >= 0


def test_a_generator_that_dies_is_an_error(serve: Any) -> None:
    generator = Generator(Plan(*serve(lambda stub, _: stub.reply(200, RIGHT)), (ONE,), 10.0))
    generator.__enter__()
    generator._process.kill()
    with pytest.raises(LeanzooError, match="the load generator died"):
        generator.__exit__(None, None, None)


def test_a_fault_of_the_body_is_said() -> None:
    assert ONE.fault(503, b"busy") == (0, "503: busy")
    assert ONE.fault(200, b'{"version": 3, "scores": [0.25]}') == (3, "")
    assert ONE.fault(200, b'{"version": 4, "scores": [0.75]}') == (4, "")
    for body in (b"{", b"[]", b'{"version": 1}', b'{"version": null, "scores": []}', b"3"):
        version, fault = ONE.fault(200, body)
        assert version == 0 and fault.startswith("wrong: no answer")
    assert ONE.fault(200, b'{"version": 1, "scores": []}')[1].startswith("wrong: 0 numbers")


def test_probabilities_are_compared_by_label() -> None:
    rows = [{"label": "b", "probability": 0.75}, {"label": "a", "probability": 0.25}]
    assert numbers_of("classify", {"rows": [rows]}) == (0.25, 0.75)
    assert numbers_of("forecast", {"quantiles": [[[1, 2], [3, 4]]]}) == (1, 2, 3, 4)
    assert distance((1e6,), (1e6 + 50,)) == pytest.approx(0.5, rel=0.01)


def test_questions_are_made_of_golden_rows(tmp_path: Path) -> None:
    for model in (MLP, CODES, CLICKS, RAW, FORECAST):
        model.publish(tmp_path)
    found = {question.path: question for question in questions_of(tmp_path)}
    assert sorted(found) == [
        "/v1/ctr/clicks/predict",
        "/v1/forecast/forecast-tiny",
        "/v1/graph/mlp-tiny/classify",
    ]
    body = json.loads(found["/v1/graph/mlp-tiny/classify"].body)
    golden = Golden.load(tmp_path / "mlp-tiny" / "1", MLP.signature)
    assert body["features"] == golden.inputs["x"].tolist() and body["top"] == 3
    assert np.allclose(
        np.reshape(found["/v1/graph/mlp-tiny/classify"].answers[0], (2, 3)),
        golden.outputs["probabilities"],
    )
    with pytest.raises(LeanzooError, match="no model that the gateway offers"):
        questions_of_codes(tmp_path / "codes")


def questions_of_codes(root: Path) -> None:
    CODES.publish(root)
    questions_of(root)


def test_versions_that_answer_alike_are_refused(tmp_path: Path) -> None:
    MLP.publish(tmp_path)
    MLP.publish(tmp_path, version=2)
    with pytest.raises(LeanzooError, match="two versions of mlp-tiny answer alike"):
        questions_of(tmp_path)


def test_ranking_is_asked_for(tmp_path: Path) -> None:
    RANK.publish(tmp_path)
    question = questions_of(tmp_path)[0]
    assert question.kind == "rank" and set(json.loads(question.body)) == {"request", "candidates"}


def test_something_strange_is_planted_at_any_leaf() -> None:
    body = {"rows": [{"a": 1, "b": ["x", "y"]}, {"a": None}], "top": 2}
    question = replace(ONE, body=json.dumps(body).encode())
    seen = {planted(question, part, "NaN").data.partition(b"\r\n\r\n")[2] for part in PARTS}
    assert len(seen) == 5 and all(text.count(b"NaN") == 1 for text in seen)


def test_a_plain_socket_tells_answers_from_silence(serve: Any) -> None:
    address = serve(lambda stub, _: stub.reply(422, {}))
    head = b"POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: "
    assert answer_to(*address, Wire("right", head + b"2\r\n\r\n{}"))[0] == 422
    stalled = Wire("stalled", head + b"3\r\n\r\n{}", ends=False)
    assert answer_to(*address, stalled, timeout_s=0.3)[0] == -1
