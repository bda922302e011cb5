"""JSON in, probabilities out: the gateway beside BentoML and a service written by hand.

    python -m benchmarks.peers                                  a generated MLP, 1433-128-7
    python -m benchmarks.peers --repository DIR --model mlp-cora

All serve the same ONNX file in one worker with one thread of ONNX Runtime, and are asked for the
same rows by one client over a connection that stays open, in turns. Requests are made beforehand;
what is timed ends with the answer's last byte. The peers live in an environment of their own that
is kept in the cache and borrows onnxruntime and numpy from this one. Writes
``results/gateway_peers.json``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import site
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.conditions import Watch, git_sha
from benchmarks.environments import environment
from benchmarks.intervals import median_ratio, percentile
from benchmarks.peers import services
from benchmarks.peers.connection import Connection
from benchmarks.peers.generated import publish_mlp
from benchmarks.peers.messages import (
    COUNTS,
    REALS,
    Reader,
    body_of,
    made_rows,
    read_list,
    read_probabilities,
    reader_of_labels,
    worst_difference,
)
from benchmarks.timing import Ask, interleave
from serving.local import Local
from serving.repository import MODEL_FILE, list_versions, load_labels
from serving.triton_install import find_server
from zoo.artifact import sha256_file, versions
from zoo.contract import LeanzooError
from zoo.results import write_json

RESULTS = Path(__file__).parents[1] / "results" / "gateway_peers.json"
PINS = {
    "bentoml": "1.4.40",
    "fastapi": "0.165.0",
    "pydantic": "2.14.4",
    "uvicorn": "0.54.0",
    "uvloop": "0.23.0",
    "httptools": "0.9.0",
}
OURS, IN_PROCESS = "gateway", "gateway_in_process"
BENTOML, TUNED, FASTAPI = "bentoml", "bentoml_tuned", "fastapi"
REQUESTS = {1: 2000, 64: 400}  # rows of a request → timed requests of each service
DISTINCT = 8  # requests, repeated
WARM_UP = 40

Start = Callable[[Path, Path, Path], contextlib.AbstractContextManager[str]]


@dataclass(frozen=True)
class Service:
    """A service that is asked.

    Attributes:
        connection: to it.
        path: of the endpoint.
        more: what else its requests hold.
        read: answer → probabilities.
    """

    connection: Connection
    path: str
    more: dict[str, Any]
    read: Reader


def main() -> None:
    """Compare and write down."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--repository", type=Path, help="default: a generated model's")
    parser.add_argument("--model", default="mlp-cora", help="of --repository")
    parser.add_argument("--quick", action="store_true", help="a tenth of the requests")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="leanzoo-peers-") as scratch:
            folder = Path(scratch)
            repository = asked.repository or folder / "repository"
            model = asked.model if asked.repository else publish_mlp(folder)
            result = measure(repository, model, folder, 10 if asked.quick else 1)
    except LeanzooError as error:
        parser.error(str(error))
    write_json(asked.out, result)
    print(json.dumps(result, indent=1))


def measure(repository: Path, model: str, folder: Path, divisor: int) -> dict[str, Any]:
    """Start all services, hold their answers against ONNX Runtime's, and ask them in turns.

    Args:
        repository: where the model is published.
        model: its name.
        folder: for what the services write.
        divisor: of the numbers of requests.

    Raises:
        ComparisonError: a service cannot be had, or answers otherwise.
    """
    python = kept_environment()
    graph = repository / model / str(list_versions(repository, model)[-1]) / MODEL_FILE
    with running(repository, model, graph, python, folder) as known, Local(repository) as local:
        watch, cells = Watch(threads=1), []
        for rows, requests in REQUESTS.items():
            for kind in (COUNTS, REALS):
                cells.append(compare(known, local, model, (kind, rows), requests // divisor))
    return {
        "model": model,
        "graph_sha256": sha256_file(graph),
        "cells": cells,
        "threads": 1,
        "clients": 1,
        "server": find_server().runs_onnx_in,
        "machine": watch.machine(),
        "versions": {**versions("onnxruntime", "numpy", "orjson"), **PINS},
        "git_sha": git_sha(),
    }


def kept_environment() -> Path:
    """The Python of the peers' environment in the cache, made where it is missing or another's."""
    root = Path(os.environ.get("LEANZOO_CACHE") or "~/.cache/leanzoo").expanduser()
    folder = root / "benchmarks" / f"peers-{PINS['bentoml']}-{PINS['fastapi']}"
    pinned = [f"{name}=={version}" for name, version in PINS.items()]
    made, wanted = folder / "made-for", f"{sys.version}\n{site.getsitepackages()}\n{pinned}"
    if not made.exists() or made.read_text() != wanted:
        environment(folder, pinned)
        made.write_text(wanted)
    return folder / "bin" / "python"


@contextlib.contextmanager
def running(
    repository: Path, model: str, graph: Path, python: Path, folder: Path
) -> Iterator[dict[str, Service]]:
    """All services and a connection to each; the gateway also without Triton."""
    labels = load_labels(repository, model)[1]
    with contextlib.ExitStack() as stack:

        def gateway(*options: str) -> Service:
            served = stack.enter_context(services.gateway(repository, [model], folder, *options))
            connection = stack.enter_context(Connection(served["gateway"]))
            path, more = f"/v1/graph/{model}/classify", {"top": len(labels)}
            return Service(connection, path, more, reader_of_labels(labels))

        def peer(start: Start, read: Reader) -> Service:
            url = stack.enter_context(start(python, graph, folder))
            return Service(stack.enter_context(Connection(url)), "/classify", {}, read)

        yield {
            OURS: gateway(),
            IN_PROCESS: gateway("--in-process"),
            BENTOML: peer(services.bentoml, read_list),
            TUNED: peer(partial(services.bentoml, service="Tuned"), read_list),
            FASTAPI: peer(services.fastapi, read_probabilities),
        }


def compare(
    known: dict[str, Service], local: Local, model: str, cell: tuple[str, int], requests: int
) -> dict[str, Any]:
    """Medians of every service for requests of one kind, and their ratios to the gateway's.

    Args:
        known: the services by name.
        local: what they must answer.
        model: name of the published one.
        cell: what the features are, and rows per request.
        requests: timed ones of each service.
    """
    (spec,) = local.signature(model).inputs
    kind, rows = cell
    given = [made_rows(kind, rows, int(spec.shape[0]), seed) for seed in range(DISTINCT)]
    sent = {name: prepared(service, given) for name, service in known.items()}
    worst = 0.0
    for k, x in enumerate(given):
        answers = {n: s.read(s.connection.ask(sent[n][k])) for n, s in known.items()}
        expected = local.infer(model, {spec.name: x})["probabilities"]
        worst = max(worst, worst_difference(answers, expected))
    asks = [asker(service, sent[name]) for name, service in known.items()]
    places = [np.array([k % DISTINCT]) for k in range(requests)]
    interleave(asks, places[:WARM_UP])
    took_ms = dict(zip(known, interleave(asks, places), strict=True))
    shown = {"values": kind, "rows": rows, "requests": requests, "max_abs_diff": worst}
    return {**shown, "request_bytes": len(sent[OURS][0]), **summary(took_ms)}


def prepared(service: Service, given: list[np.ndarray]) -> list[bytes]:
    """A service's requests for rows."""
    bodies = (body_of(x, **service.more) for x in given)
    return [service.connection.request(service.path, body) for body in bodies]


def asker(service: Service, sent: list[bytes]) -> Ask:
    """What asks a service a request, by its place."""
    return lambda place: service.connection.ask(sent[int(place[0])])


def summary(took_ms: dict[str, np.ndarray]) -> dict[str, Any]:
    """Medians and tails with their intervals, and the peers' medians over the gateway's."""
    found: dict[str, Any] = {"p50_ms": {}, "p99_ms": {}, "over_gateway": {}}
    for name, took in took_ms.items():
        found["p50_ms"][name] = written(percentile(took, 0.5))
        found["p99_ms"][name] = written(percentile(took, 0.99))
        if name != OURS:
            found["over_gateway"][name] = written(median_ratio(took, took_ms[OURS]))
    return found


def written(interval: Any) -> dict[str, float] | None:
    """An interval as JSON."""
    return asdict(interval) if interval else None


if __name__ == "__main__":
    main()
