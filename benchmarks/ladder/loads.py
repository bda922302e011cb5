"""Load on what is served: capacity and cost, latency at stated rates, answers, a stall.

Rates are shares of the capacity that Offline found, so that a curve shows its knee whatever the
model. What a share means is the same for teacher and student; what it costs is not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import psutil

from benchmarks.comparison import Plan, draw_queries
from benchmarks.ladder.endpoints import over_grpc
from benchmarks.ladder.quality import CHUNK, Exam, marked
from benchmarks.ladder.servers import GATEWAY, GRPC, Door, Server, body_of, has_endpoint, path_of
from benchmarks.ladder.sides import STUDENT, Arrays, Course, Side
from benchmarks.load import http, loadgen
from benchmarks.load.outcome import measured
from benchmarks.load.target import Target
from benchmarks.measurement import Measurement
from benchmarks.stall import real_stall
from serving.http_bodies import encoded

SHARES = (0.1, 0.25, 0.5, 0.7, 0.85, 1.0)  # of the capacity
BATCH = {"A": 1, "R": 100, "K": 100, "F": 1}  # rows of a query under load
ROWS = {"A": 10, "R": CHUNK, "F": 1}  # of a question of an exam
DISTINCT = 64  # queries
ENOUGH, LONGER = 550, 3  # queries for a p99, and how many times as long a rate lasts for them
CLIENTS = 4  # in flight, where capacity is measured
STALL_S = 2.0
STALLED_PER_S = 300  # at most: what waits is answered soon after


@dataclass(frozen=True)
class Effort:
    """How long load is put on.

    Attributes:
        point_s: of a rate.
        capacity_s: of a capacity.
        exam_s: of each side's answers.
        stall_s: of the run with a stall.
        shares: of the capacity.
    """

    point_s: float
    capacity_s: float
    exam_s: float
    stall_s: float
    shares: tuple[float, ...] = SHARES


@dataclass(frozen=True)
class Line:
    """A side that load is put on over gRPC.

    Attributes:
        course: that it belongs to.
        side: what is asked.
        target: its queries.
        queries: their row ids.
        p50_ms: of one query, by a pilot.
    """

    course: Course
    side: Side
    target: Target
    queries: list[np.ndarray]
    p50_ms: float

    def about(self, rung: str) -> dict[str, Any]:
        """Fields that its measurements have."""
        return self.side.about(self.course.protocol, BATCH[self.course.protocol], rung)


def line_of(server: Server, course: Course, side: Side) -> Line:
    """A side's queries over gRPC, ready to be sent."""
    batch = BATCH[course.protocol]
    few = DISTINCT if side.role == STUDENT else 3
    queries = draw_queries(course.n_rows, batch, Plan(budget_s=0, least=0, most=few))
    target = over_grpc(server.client.url, side, queries)
    pilot = loadgen.single_stream(target, seconds=0.3, expected_ms=1.0)
    return Line(course, side, target, queries, float(np.median(pilot.latencies_ms)))


def capacity(line: Line, server: Server, effort: Effort, model_mb: float) -> dict[str, Any]:
    """What a server gets done, and the processor time that it takes."""
    expected_per_s = 1000 / line.p50_ms
    queries = max(CLIENTS, int(expected_per_s * effort.capacity_s))
    with _cpu_s(server.processes()) as spent:
        found = loadgen.offline(line.target, queries, CLIENTS, expected_per_s)
    return _cost(line.about(GRPC), found.achieved_per_s, spent["cpu_s"] / queries, model_mb)


def _cost(about: Mapping[str, Any], per_s: float, core_s: float, model_mb: float) -> dict[str, Any]:
    named = {name: about[name] for name in ("model", "role", "rung", "protocol", "batch")}
    return {
        **named,
        "queries_per_s": per_s,
        "core_s_per_query": core_s,
        "rows_per_core_s": about["batch"] / core_s if core_s else None,
        "model_mb": model_mb,
    }


def curve(line: Line, per_s: float, effort: Effort, common: Mapping[str, Any]) -> list[Measurement]:
    """Latency over gRPC at shares of a capacity, scheduled at random times by LoadGen."""
    found = []
    for share in effort.shares:
        rate = share * per_s
        loaded = loadgen.server(line.target, rate, _seconds(rate, effort))
        found.append(measured(loaded, **line.about(GRPC), **common))
    return found


def _seconds(rate: float, effort: Effort) -> float:
    """How long a rate lasts: longer where that makes a p99 of it."""
    needed = ENOUGH / rate
    return max(effort.point_s, needed) if needed <= LONGER * effort.point_s else effort.point_s


def gateway_curve(
    line: Line, door: Door, server: Server, effort: Effort, common: Mapping[str, Any], mb: float
) -> tuple[list[Measurement], list[dict[str, Any]]]:
    """Capacity and latency through the gateway; nothing where it has no endpoint."""
    if not has_endpoint(line.side):
        return [], []
    sent = [_request(line.side, ids) for ids in line.queries]
    about = line.about(GATEWAY)
    with _cpu_s([*server.processes(), *door.processes]) as spent:
        most = http.closed_loop(*door.address, sent, CLIENTS, effort.capacity_s)
    if not len(most.latencies_ms):
        return [measured(most, **about, **common)], []  # which says why nothing was answered
    cost = _cost(about, most.achieved_per_s, spent["cpu_s"] / len(most.latencies_ms), mb)
    found = []
    for share in effort.shares:
        rate = share * most.achieved_per_s
        loaded = http.open_loop(*door.address, sent, rate, _seconds(rate, effort))
        found.append(measured(loaded, **about, **common))
    return found, [cost]


def _request(side: Side, ids: np.ndarray) -> tuple[str, bytes]:
    """Path and body of a query of one call."""
    (arrays,) = side.calls(ids)
    return path_of(side), encoded(body_of(side, arrays))


def examine(server: Server, exam: Exam, course: Course, effort: Effort) -> dict[str, Any]:
    """Both sides' answers to the test rows, every row asked once by LoadGen's AccuracyOnly."""
    rows = ROWS[course.protocol]
    sides = {side.role: side for side in course.sides}
    took_s = max(_question_s(server, exam, side, rows) for side in sides.values())
    exam = exam.some(max(rows, int(effort.exam_s / took_s) * rows))
    answers: dict[str, Sequence[list[Arrays]]] = {}
    for role, side in sides.items():
        asked = replace(side, calls=exam.calls[role])
        target = over_grpc(server.client.url, asked, exam.questions(rows), beforehand=False)
        answers[role] = loadgen.answers(target)
    return {**marked(exam, answers, rows), "through": GRPC}


def _question_s(server: Server, exam: Exam, side: Side, rows: int) -> float:
    """How long a side takes for the first question."""
    asked = replace(side, calls=exam.calls[side.role])
    target = over_grpc(server.client.url, asked, exam.questions(rows)[:1])
    pilot = loadgen.single_stream(target, seconds=0.1, expected_ms=1.0)
    return float(np.median(pilot.latencies_ms)) / 1000


def stall(line: Line, server: Server, per_s: float, effort: Effort) -> dict[str, Any]:
    """The server stopped for two seconds under both loops."""
    pids = [process.pid for process in server.processes()]
    rate = min(0.25 * per_s, STALLED_PER_S)
    return real_stall(pids, line.target, STALL_S, rate, effort.stall_s, **line.about(GRPC))


@contextmanager
def _cpu_s(processes: Sequence[psutil.Process]) -> Iterator[dict[str, float]]:
    """Processor seconds of some processes during the block."""
    spent = {"cpu_s": -_total_s(processes)}
    yield spent
    spent["cpu_s"] += _total_s(processes)


def _total_s(processes: Sequence[psutil.Process]) -> float:
    return sum(sum(one.cpu_times()[:2]) for one in processes)


def file_mb(side: Side) -> float:
    """Size of a side's graph in megabytes."""
    return os.path.getsize(side.subject.file) / 1e6
