"""The rungs behind a server: a Triton over gRPC and HTTP, and a gateway in front of it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import psutil
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import np_to_triton_dtype

from benchmarks.faults.gateway import gateway
from benchmarks.ladder.sides import Arrays, Infer, Side
from benchmarks.peers.connection import Connection
from serving.client import Client
from serving.gateway.catalogue import CTR, FORECAST, GRAPH, TASKS
from serving.http_bodies import NUMBERS, Body, encoded, features_body
from serving.repository import base_name
from serving.triton import Triton
from serving.triton_log import log_tail
from zoo.artifact import Artifact

GRPC, HTTP, GATEWAY = "grpc", "http", "gateway"
LOG = "triton.log"
DEADLINE_S = 30.0
IN_FLIGHT, BODY_MB = 64, 64
PARTS = {"queue": "queue", "input": "compute_input", "infer": "compute_infer"}
PARTS |= {"output": "compute_output"}
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Server:
    """A running Triton.

    Attributes:
        triton: the server.
        client: of its gRPC.
        repository: that it serves.
    """

    triton: Triton
    client: Client
    repository: Path

    def over_grpc(self, side: Side) -> Infer:
        """Asks as ``serving.client`` does."""
        model = side.subject.model
        return lambda arrays: self.client.infer(model, arrays)

    def spent(self, side: Side) -> dict[str, float]:
        """Totals of what the server says it spent on a model so far: requests, and milliseconds."""
        with tritonclient.grpc.InferenceServerClient(self.client.url) as client:
            found = client.get_inference_statistics(side.subject.model).model_stats[0]
        totals = {part: getattr(found.inference_stats, name) for part, name in PARTS.items()}
        return {
            "requests": float(found.inference_stats.success.count),
            **{part: one.ns / 1e6 for part, one in totals.items()},
        }

    def processes(self) -> list[psutil.Process]:
        """The server and its models' processes."""
        return [*psutil.Process(self.triton.guard_pid).children(recursive=True)]


def per_request(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """Means in milliseconds of what was spent between two totals; empty where nothing was asked."""
    requests = after["requests"] - before["requests"]
    if not requests:
        return {}
    return {part: (after[part] - before[part]) / requests for part in PARTS}


@contextlib.contextmanager
def running(repository: Path, sides: Sequence[Side]) -> Iterator[Server]:
    """A Triton that was started anew and has loaded all sides; should it end or hang meanwhile,
    that is logged, with the end of what it said."""
    names, log = sorted({side.subject.model for side in sides}), repository / LOG
    with (
        Triton(repository, names, log=log, lenient=True) as triton,
        Client(triton.grpc_url, timeout_s=DEADLINE_S) as client,
    ):
        yield Server(triton, client, repository)
        if not client.ready():
            logger.warning("Triton no longer answers: %s", log_tail(log))


@contextlib.contextmanager
def over_http(server: Server) -> Iterator[Callable[[Side], Infer]]:
    """Asks Triton over HTTP, tensors in binary."""
    address = server.triton.http_url.removeprefix("http://")
    client = tritonclient.http.InferenceServerClient(address, network_timeout=DEADLINE_S)

    def opened(side: Side) -> Infer:
        return lambda arrays: _ask_http(client, side, arrays)

    try:
        yield opened
    finally:
        client.close()


def _ask_http(client: Any, side: Side, arrays: Arrays) -> list[Any]:
    inputs = []
    for spec in side.subject.signature.inputs:
        array = arrays[spec.name]
        kind = np_to_triton_dtype(array.dtype)
        one = tritonclient.http.InferInput(spec.name, array.shape, kind)
        inputs.append(one.set_data_from_numpy(array, binary_data=True))
    answer = client.infer(side.subject.model, inputs)
    return [answer.as_numpy(spec.name) for spec in side.subject.signature.outputs]


@dataclass(frozen=True)
class Door:
    """A running gateway.

    Attributes:
        address: host and port.
        connection: that stays open.
        processes: of the gateway.
    """

    address: tuple[str, int]
    connection: Connection
    processes: list[psutil.Process]

    def opened(self, side: Side) -> Callable[[list[Arrays]], Callable[[], Any]]:
        """Makes the requests of a query, and gives what sends them."""

        def made(calls: list[Arrays]) -> Callable[[], Any]:
            path, bodies = path_of(side), [encoded(body_of(side, arrays)) for arrays in calls]
            sent = [self.connection.request(path, body) for body in bodies]
            return lambda: [orjson.loads(self.connection.ask(one)) for one in sent]

        return made


@contextlib.contextmanager
def front_door(server: Server, sides: Sequence[Side]) -> Iterator[Door]:
    """A gateway in front of a running Triton, without keys and limits of rate."""
    bases = sorted({base_of(side) for side in sides if has_endpoint(side)})
    options = ["--triton-url", server.client.url, "--deadline-s", str(DEADLINE_S)]
    options += ["--max-in-flight", str(IN_FLIGHT), "--max-body-mb", str(BODY_MB)]
    with gateway(server.repository, *bases, *options) as running:
        host, port = running.address
        with Connection(f"http://{host}:{port}", DEADLINE_S) as connection:
            own = [psutil.Process(running.process.pid)]
            yield Door((host, port), connection, own)


def has_endpoint(side: Side) -> bool:
    """Whether the gateway has an endpoint for a side's form: no node's neighbours come to it, and
    nobody draws paths there."""
    return side.subject.form in TASKS


def base_of(side: Side) -> str:
    """A side's model, as the gateway names it."""
    return base_name(Artifact.load(side.subject.file.parent, verify=False))


def path_of(side: Side) -> str:
    """Where the gateway takes a side's requests."""
    task, base = TASKS[side.subject.form], base_of(side)
    verbs = {GRAPH: "/classify", CTR: "/rank" if side.subject.form == "rank" else "/predict"}
    return f"/v1/{task}/{base}{verbs.get(task, '')}"


def body_of(side: Side, arrays: Arrays) -> Body:
    """A request to the gateway with a side's own tensors."""
    task = TASKS[side.subject.form]
    if task == GRAPH:
        return features_body(arrays)
    if task == FORECAST:
        return {"history": np.ascontiguousarray(arrays["history"])}
    return {
        name.replace("numeric", NUMBERS): np.ascontiguousarray(array)
        for name, array in arrays.items()
    }
