"""Load over HTTP: random arrivals, latency from the schedule, and what counts as an error."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from benchmarks.faults.alarm import Alarm
from benchmarks.faults.connection import Asked
from benchmarks.faults.load import arrivals
from benchmarks.load.http import _loaded, closed_loop, open_loop
from zoo.contract import LeanzooError

REQUESTS = [("/a", b"1"), ("/b", b"22"), ("/bad", b"")]


class Server(ThreadingHTTPServer):
    """Answers 200, and 503 to ``/bad``.

    Attributes:
        asked: how often each path and body was.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: Counter[tuple[str, bytes]] = Counter()
        self.lock = threading.Lock()

    @property
    def address(self) -> tuple[str, int]:
        return str(self.server_address[0]), int(self.server_address[1])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        assert isinstance(self.server, Server)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            self.server.asked[self.path, body] += 1
        self.send_response(503 if self.path == "/bad" else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


def test_an_open_loop_over_http(server: Server) -> None:
    found = open_loop(*server.address, REQUESTS[:2], rate=100.0, seconds=1.0)
    assert found.generator == "asyncio open loop" and found.errors == 0
    assert len(found.latencies_ms) == len(found.lag_ms) == server.asked.total()
    assert max(server.asked.values()) - min(server.asked.values()) <= 1
    assert found.latencies_ms.min() > 0 and found.lag_ms.min() >= 0
    assert found.offered_per_s == pytest.approx(100.0, rel=0.4)
    assert 0 < found.achieved_per_s <= found.offered_per_s


def test_a_closed_loop_over_http(server: Server) -> None:
    found = closed_loop(*server.address, REQUESTS, clients=2, seconds=0.5)
    assert found.generator == "asyncio closed loop" and found.offered_per_s is None
    assert not len(found.lag_ms)
    assert found.errors == server.asked["/bad", b""] > 0  # which a status other than 200 is
    assert len(found.latencies_ms) == server.asked.total() - found.errors
    assert found.achieved_per_s == pytest.approx(len(found.latencies_ms) / found.seconds)


def test_latency_and_lag_count_from_the_schedule() -> None:
    asked = [
        Asked(0, 0, due_s=10.0, sent_s=10.001, done_s=10.004),
        Asked(1, 1, due_s=10.5, sent_s=11.5, done_s=11.501),  # held up for a second
        Asked(2, 0, due_s=11.0, sent_s=11.0, done_s=11.6, fault="lost"),
        Asked(3, 0, due_s=12.0, done_s=12.0, fault="unsent"),
    ]
    found = _loaded("open", asked)
    assert found.latencies_ms == pytest.approx([4.0, 1001.0])
    assert found.lag_ms == pytest.approx([1.0, 1000.0, 0.0])
    assert found.errors == 2 and found.failure == "lost" and found.seconds == pytest.approx(2.0)
    assert found.offered_per_s == pytest.approx(2.0) and found.achieved_per_s == 1.0


def test_no_request_is_no_run() -> None:
    with pytest.raises(LeanzooError, match="no request was due"):
        _loaded("open", [])


def test_random_arrivals_are_poisson_and_repeat() -> None:
    due_s = np.array([*itertools.islice(arrivals(50.0, seed=3), 20_000)])
    gaps = np.diff(due_s)
    assert due_s[0] == 0 and gaps.min() > 0
    assert gaps.mean() == pytest.approx(1 / 50, rel=0.03)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.03)  # as of an exponential
    assert np.array_equal(due_s[:9], [*itertools.islice(arrivals(50.0, seed=3), 9)])
    assert not np.array_equal(due_s[:9], [*itertools.islice(arrivals(50.0, seed=4), 9)])


def test_even_arrivals_are_even() -> None:
    assert [*itertools.islice(arrivals(4.0, seed=None), 3)] == [0.0, 0.25, 0.5]


def test_an_alarm_is_never_early() -> None:
    async def wait() -> list[float]:
        early = []
        with Alarm() as alarm:
            for ahead_s in (0.0003, 0.01, -1.0, 0.0):  # a time that has passed is now
                at_s = time.monotonic() + ahead_s
                await asyncio.wait_for(alarm.wait_until(at_s), 10)
                early.append(at_s - time.monotonic())
        return early

    assert max(asyncio.run(wait())) <= 0
