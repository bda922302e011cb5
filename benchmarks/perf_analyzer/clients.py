"""Who asks, in a closed loop with one request in flight.

perf_analyzer   C++, one thread that waits for each answer
client          ``serving.client``: what the rung ``grpc`` of the ladder asks with
prepared        the same call with its message made beforehand and its answer not parsed
socket          over HTTP, the request made beforehand, on a bare connection
"""

from __future__ import annotations

import csv
import json
import resource
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from benchmarks.environments import ComparisonError, last_line
from benchmarks.peers.connection import Connection
from benchmarks.perf_analyzer.install import Install
from benchmarks.perf_analyzer.question import Question
from serving.client import Client

INFER = "/inference.GRPCInferenceService/ModelInfer"
WINDOWS = 3  # perf_analyzer reports what it measured in three
ANY_SPREAD = "1000000"  # per cent: it takes the first three, however much they differ
LAUNCH_S = 60  # beyond its windows
WARM_UP = 100


@dataclass(frozen=True)
class Turn:
    """What one turn of one client measured.

    Attributes:
        p50_ms: of its requests.
        p99_ms: the same.
        core_s: processor time of the client, its start and what it does not time included.
    """

    p50_ms: float
    p99_ms: float
    core_s: float


def perf_analyzer(
    install: Install, asked: Question, protocol: str, url: str, seconds: float, scratch: Path
) -> Turn:
    """A turn of perf_analyzer.

    Args:
        install: of it.
        asked: what it asks.
        protocol: ``grpc`` or ``http``.
        url: ``host:port`` of the server.
        seconds: of all its windows.
        scratch: folder for its files.

    Raises:
        ComparisonError: it failed.
    """
    data, report = scratch / "data.json", scratch / "report.csv"
    data.write_text(json.dumps(asked.to_perf_analyzer()))
    report.unlink(missing_ok=True)
    before = _children_s()
    done = subprocess.run(
        command(install.binary, asked, protocol, url, seconds, data, report),
        env=install.environment,
        capture_output=True,
        text=True,
        timeout=seconds + LAUNCH_S,
    )
    if done.returncode or not report.exists():
        raise ComparisonError(f"perf_analyzer failed: {last_line(done.stderr or done.stdout)}")
    p50_ms, p99_ms = read_report(report.read_text())
    return Turn(p50_ms, p99_ms, _children_s() - before)


def command(
    binary: Path,
    asked: Question,
    protocol: str,
    url: str,
    seconds: float,
    data: Path,
    report: Path,
) -> list[str]:
    """How perf_analyzer is called."""
    window_ms = max(1, round(seconds * 1000 / WINDOWS))
    return [
        *(str(binary), "-m", asked.model, "-i", protocol, "-u", url),
        *("--concurrency-range", "1", "--sync", "-b", str(asked.rows if asked.batched else 1)),
        *("--input-data", str(data), "--measurement-interval", str(window_ms)),
        *("-s", ANY_SPREAD, "-r", str(WINDOWS), "--percentile", "50", "-f", str(report)),
    ]


def read_report(text: str) -> tuple[float, float]:
    """p50 and p99 in milliseconds of perf_analyzer's CSV.

    Raises:
        ComparisonError: it holds none.
    """
    rows = [*csv.DictReader(text.splitlines())]
    try:
        return float(rows[0]["p50 latency"]) / 1e3, float(rows[0]["p99 latency"]) / 1e3
    except (IndexError, KeyError, ValueError, TypeError):
        raise ComparisonError(
            "perf_analyzer's report has no row with 'p50 latency' and 'p99 latency': use the "
            "version that this script fetches"
        ) from None


def closed_loop(ask: Callable[[], Any], seconds: float) -> Turn:
    """A turn of one of ours."""
    before, took_ns = time.process_time(), list[int]()
    for _ in range(WARM_UP):
        ask()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter_ns()
        ask()
        took_ns.append(time.perf_counter_ns() - began)
    p50, p99 = np.percentile(np.array(took_ns) / 1e6, [50, 99])
    return Turn(float(p50), float(p99), time.process_time() - before)


def client(asked: Question, opened: Client) -> Callable[[], Any]:
    """What asks as users do."""
    return lambda: opened.infer(asked.model, asked.arrays)


def prepared(asked: Question, channel: grpc.Channel) -> Callable[[], Any]:
    """What sends a message made here."""
    call, message = channel.unary_unary(INFER), asked.to_grpc()
    return lambda: call(message)


def socket(asked: Question, connection: Connection) -> Callable[[], Any]:
    """What sends an HTTP request made here."""
    body, head_bytes = asked.to_http()
    plain = connection.request(f"/v2/models/{asked.model}/infer", body)
    head, _, _ = plain.partition(b"\r\n\r\n")
    head = head.replace(b"application/json", b"application/octet-stream", 1)
    sent = b"%s\r\nInference-Header-Content-Length: %d\r\n\r\n%s" % (head, head_bytes, body)
    return lambda: connection.ask(sent)


def _children_s() -> float:
    """Processor time of all child processes that have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime
