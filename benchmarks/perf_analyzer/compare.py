"""Asks one server with every client in turns, and compares their medians.

Turns go ABBA, so that drift of the machine meets all clients alike. Over gRPC and over HTTP
perf_analyzer stands first, and the others are divided by it.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tritonclient.grpc

from benchmarks.conditions import Watch, git_sha
from benchmarks.floor.identity import identity
from benchmarks.intervals import ratio_of_rounds
from benchmarks.peers.connection import Connection
from benchmarks.perf_analyzer import clients
from benchmarks.perf_analyzer.clients import Turn
from benchmarks.perf_analyzer.install import CLIENT_WHEEL, Install
from benchmarks.perf_analyzer.question import Question, question
from benchmarks.plain_model import lay_out
from serving.client import Client
from serving.triton import Triton
from serving.triton_install import find_server
from zoo.artifact import versions
from zoo.contract import Signature, TensorSpec

AGREE = 0.10  # of perf_analyzer's median
PERF_ANALYZER, CLIENT, PREPARED = "perf_analyzer", "client", "prepared"
PERF_ANALYZER_HTTP, SOCKET = "perf_analyzer_http", "socket"
BESIDE = {CLIENT: PERF_ANALYZER, PREPARED: PERF_ANALYZER, SOCKET: PERF_ANALYZER_HTTP}
TOY, TOY_VALUES = "identity", 64
TIMEOUT_S = 30.0

Ways = dict[str, Callable[[float], Turn]]  # name → a turn of so many seconds


@dataclass(frozen=True)
class Spent:
    """What the server says of a model, in all or within a turn; times in milliseconds."""

    requests: int
    all: float
    queue: float
    infer: float

    def since(self, before: Spent) -> Spent:
        """What came after."""
        mine, theirs = asdict(self), asdict(before)
        return Spent(**{name: mine[name] - theirs[name] for name in mine})

    def per_request(self) -> dict[str, float]:
        """Means."""
        parts = {"all": self.all, "queue": self.queue, "infer": self.infer}
        return {name: round(one / max(self.requests, 1), 5) for name, one in parts.items()}


def measure(
    install: Install, repository: Path, named: Sequence[str], rounds: int, seconds: float
) -> dict[str, Any]:
    """Every question in every way, in plain JSON.

    Args:
        install: of perf_analyzer.
        repository: the model repository.
        named: models, each as ``MODEL`` or ``MODEL:ROWS``.
        rounds: turns of each way, at least 2.
        seconds: of a turn.

    Raises:
        ServingError: no server, or no such model.
        ComparisonError: perf_analyzer failed, or there is nothing that it can ask.
    """
    asked = [question(repository, one) for one in named]
    with Triton(repository, sorted({one.model for one in asked})) as server:
        watch = Watch(threads=1)
        cases = [_case(install, server, one, rounds, seconds) for one in asked]
    return {
        "cases": cases,
        "rounds": rounds,
        "seconds": seconds,
        "agree_within": AGREE,
        "server": find_server().runs_onnx_in,
        "machine": watch.machine(),
        "versions": {
            "perf_analyzer": CLIENT_WHEEL.project.partition("==")[2],
            **versions("tritonclient", "grpcio", "numpy"),
        },
        "git_sha": git_sha(),
    }


def toy(folder: Path) -> tuple[Path, list[str]]:
    """A repository of one model that computes nothing, and its name."""
    spec = TensorSpec("values", "float32", (TOY_VALUES,), "any")
    signature = Signature((spec,), (TensorSpec("same", "float32", (TOY_VALUES,), "any"),), 64)
    lay_out(folder, TOY, identity(signature), signature)
    return folder, [TOY]


def _case(
    install: Install, server: Triton, asked: Question, rounds: int, seconds: float
) -> dict[str, Any]:
    with (
        _ways(install, server, asked) as ways,
        tritonclient.grpc.InferenceServerClient(server.grpc_url) as statistics,
    ):

        def spent() -> Spent:
            return read_statistics(statistics.get_inference_statistics(asked.model))

        turns, said = take_turns(ways, rounds, seconds, spent)
    return {"model": asked.model, "rows": asked.rows, **summary(turns, said)}


@contextlib.contextmanager
def _ways(install: Install, server: Triton, asked: Question) -> Iterator[Ways]:
    http_url = server.http_url.removeprefix("http://")
    with (
        Client(server.grpc_url, TIMEOUT_S) as opened,
        grpc.insecure_channel(server.grpc_url) as channel,
        Connection(f"http://{http_url}", TIMEOUT_S) as connection,
        tempfile.TemporaryDirectory(prefix="leanzoo-perf-") as scratch,
    ):

        def theirs(protocol: str, url: str) -> Callable[[float], Turn]:
            return lambda seconds: clients.perf_analyzer(
                install, asked, protocol, url, seconds, Path(scratch)
            )

        def ours(ask: Callable[[], Any]) -> Callable[[float], Turn]:
            return lambda seconds: clients.closed_loop(ask, seconds)

        yield {
            PERF_ANALYZER: theirs("grpc", server.grpc_url),
            CLIENT: ours(clients.client(asked, opened)),
            PREPARED: ours(clients.prepared(asked, channel)),
            PERF_ANALYZER_HTTP: theirs("http", http_url),
            SOCKET: ours(clients.socket(asked, connection)),
        }


def take_turns(
    ways: Mapping[str, Callable[[float], Turn]],
    rounds: int,
    seconds: float,
    spent: Callable[[], Spent],
) -> tuple[dict[str, list[Turn]], dict[str, list[Spent]]]:
    """What every way measured, and what the server says of each turn, round by round.

    Args:
        ways: by name.
        rounds: every other one in reversed order.
        seconds: of a turn.
        spent: what the server has spent so far.
    """
    turns: dict[str, list[Turn]] = {name: [] for name in ways}
    said: dict[str, list[Spent]] = {name: [] for name in ways}
    for number in range(rounds):
        for name in [*ways][:: -1 if number % 2 else 1]:
            before = spent()
            turns[name].append(ways[name](seconds))
            said[name].append(spent().since(before))
    return turns, said


def summary(
    turns: Mapping[str, Sequence[Turn]], said: Mapping[str, Sequence[Spent]]
) -> dict[str, Any]:
    """A case in plain JSON: medians, ratios to perf_analyzer's and whether they agree.

    ``ratios_less_client`` are of medians less the processor time that a client takes beyond
    perf_analyzer's: what would be left, were it as cheap.
    """
    p50_ms = {name: [one.p50_ms for one in some] for name, some in turns.items()}
    rounds = {name: [np.array([one]) for one in some] for name, some in p50_ms.items()}
    ratios = {
        name: ratio_of_rounds(rounds[name], rounds[beside]) for name, beside in BESIDE.items()
    }
    totals = {name: _total(some) for name, some in said.items()}
    core_ms = {
        name: 1e3 * sum(one.core_s for one in some) / max(totals[name].requests, 1)
        for name, some in turns.items()
    }
    less = {
        name: float(np.median(p50_ms[name])) - (core_ms[name] - core_ms[beside])
        for name, beside in BESIDE.items()
    }
    return {
        "p50_ms": {name: float(np.median(some)) for name, some in p50_ms.items()},
        "p50_ms_per_round": p50_ms,
        "p99_ms": {n: float(np.median([one.p99_ms for one in some])) for n, some in turns.items()},
        "ratios": {name: asdict(ratio) for name, ratio in ratios.items()},
        "agree": {name: abs(ratio.value - 1) <= AGREE for name, ratio in ratios.items()},
        "requests": {name: total.requests for name, total in totals.items()},
        "server_ms": {name: total.per_request() for name, total in totals.items()},
        "client_core_ms": {name: round(one, 5) for name, one in core_ms.items()},
        "ratios_less_client": {
            name: less[name] / float(np.median(p50_ms[beside])) for name, beside in BESIDE.items()
        },
    }


def read_statistics(answer: Any) -> Spent:
    """What Triton's statistics of one model say."""
    found = answer.model_stats[0].inference_stats
    parts = (found.success, found.queue, found.compute_infer)
    return Spent(found.success.count, *(part.ns / 1e6 for part in parts))


def _total(some: Sequence[Spent]) -> Spent:
    rows = [asdict(one) for one in some]
    return Spent(**{name: sum(row[name] for row in rows) for name in rows[0]})
