"""What the gateway adds to Triton's own latency: ``python -m benchmarks.added_latency``.

One client asks the same models for the same rows, one request after the other, in turns: Triton
itself over gRPC with arrays made beforehand, Triton through ``serving.client``, which checks
them, makes arrays of records and reads labels, and the gateway with JSON made beforehand over a
connection that stays open. What the client reads is read in all three. Writes
``results/gateway_latency.json``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats

from benchmarks.conditions import Watch, git_sha
from benchmarks.intervals import RESAMPLES, Interval, percentile
from benchmarks.peers.connection import Connection
from benchmarks.peers.messages import worst_difference
from benchmarks.peers.services import gateway
from benchmarks.timing import Ask, interleave
from export.example import ranking
from serving.client import Client
from serving.repository import load_golden
from serving.triton_install import find_server
from zoo.artifact import versions
from zoo.contract import LeanzooError
from zoo.results import write_json

RESULTS = Path(__file__).parent / "results" / "gateway_latency.json"
TOP = 3
SPARSE, RANK_RAW = "-sparse", "-rank-raw"
ARRAYS, CLIENT, GATEWAY = "arrays", "client", "gateway"
WARM_UP = 60

Values = Callable[[], np.ndarray]


@dataclass(frozen=True)
class Case:
    """The same question in three ways; each returns the probabilities or scores.

    Attributes:
        name: of the case.
        ways: by name.
    """

    name: str
    ways: dict[str, Values]


def main() -> None:
    """Serve, measure, write down."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--graph", default="mlp-cora", help="published, with its sparse form")
    parser.add_argument("--ranker", default="finalmlp-frappe", help="published, with -rank-raw")
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    try:
        result = measure(
            asked.repository, asked.graph, asked.ranker, asked.candidates, asked.requests
        )
    except LeanzooError as error:
        parser.error(str(error))
    write_json(asked.out, result)
    print(json.dumps(result, indent=1))


def measure(
    repository: Path, graph: str, ranker: str, candidates: int, requests: int
) -> dict[str, Any]:
    """The latency of every case in every way.

    Args:
        repository: the model repository.
        graph: base name of a classifier.
        ranker: base name of a model that ranks.
        candidates: of a request.
        requests: timed ones of each way.
    """
    models = [graph, ranker]
    with (
        tempfile.TemporaryDirectory(prefix="leanzoo-added-") as scratch,
        gateway(repository, models, Path(scratch)) as served,
        Client(served["grpc"]) as client,
        Connection(served["gateway"]) as connection,
    ):
        cases = [
            classify_case(client, connection, repository, graph, ""),
            classify_case(client, connection, repository, graph, SPARSE),
            rank_case(client, connection, repository, ranker, candidates),
        ]
        watch = Watch(threads=1)
        cells = [timed(case, requests) for case in cases]
    return {
        "graph": graph,
        "ranker": ranker,
        "cells": cells,
        "requests": requests,
        "server": find_server().runs_onnx_in,
        "machine": watch.machine(),
        "versions": versions("onnxruntime", "numpy", "tritonclient", "fastapi", "uvicorn"),
        "git_sha": git_sha(),
    }


def classify_case(
    client: Client, connection: Connection, repository: Path, graph: str, form: str
) -> Case:
    """One golden row of a classifier, dense or sparse."""
    model = graph + form
    golden = load_golden(repository, model)
    arrays = {name: array[:1] for name, array in golden.inputs.items()}
    body = {**(sparse_body(arrays) if form else dense_body(arrays)), "top": TOP}
    ask = sender(connection, f"/v1/graph/{graph}/classify", body)

    def through_gateway() -> np.ndarray:
        return np.array([[one["probability"] for one in row] for row in json.loads(ask())["rows"]])

    def from_arrays() -> np.ndarray:
        found = client.infer(model, arrays)["probabilities"]
        return -np.sort(-found, axis=-1)[:, :TOP]

    def from_client() -> np.ndarray:
        return np.array([[p for _, p in row] for row in client.classify(model, arrays, TOP)])

    name = f"classify, {'sparse' if form else 'dense'}"
    return Case(name, {ARRAYS: from_arrays, CLIENT: from_client, GATEWAY: through_gateway})


def rank_case(
    client: Client, connection: Connection, repository: Path, ranker: str, candidates: int
) -> Case:
    """One golden request of a model that ranks raw values, its candidates repeated."""
    model = ranker + RANK_RAW
    signature, golden = client.signature(model), load_golden(repository, model)
    arrays = dict(golden.inputs)
    for spec in signature.inputs:
        if isinstance(spec.shape[0], str):
            few = golden.inputs[spec.name]
            arrays[spec.name] = np.resize(few, (candidates, *few.shape[1:]))
    request, items = ranking(signature, arrays)
    body = {"request": request, "candidates": items}
    ask = sender(connection, f"/v1/ctr/{ranker}/rank", body)
    return Case(
        f"rank of {candidates}",
        {
            ARRAYS: lambda: client.infer(model, arrays)["score"].ravel(),
            CLIENT: lambda: np.array(client.rank(model, request, items)),
            GATEWAY: lambda: np.array(json.loads(ask())["scores"]),
        },
    )


def dense_body(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Dense rows as the gateway takes them."""
    (rows,) = arrays.values()
    return {"features": rows.tolist()}


def sparse_body(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """The features of each row that are not zero; published rows are padded with zeros."""
    pairs = zip(arrays["feature_ids"], arrays["feature_values"], strict=True)
    return {
        "sparse": [
            {"ids": ids[values != 0].tolist(), "values": values[values != 0].tolist()}
            for ids, values in pairs
        ]
    }


def sender(connection: Connection, path: str, body: dict[str, Any]) -> Callable[[], bytes]:
    """What sends a request that is made here."""
    sent = connection.request(path, json.dumps(body, separators=(",", ":")).encode())
    return lambda: connection.ask(sent)


def timed(case: Case, requests: int) -> dict[str, Any]:
    """A case's medians, and what the gateway adds to them, once all ways answer the same.

    Raises:
        ComparisonError: they do not.
    """
    worst = worst_difference({name: ask() for name, ask in case.ways.items()}, case.ways[ARRAYS]())
    asks = [asker(ask) for ask in case.ways.values()]
    queries = [np.array([k]) for k in range(requests)]
    interleave(asks, queries[:WARM_UP])
    took_ms = dict(zip(case.ways, interleave(asks, queries), strict=True))
    p50_ms = {name: percentile(took, 0.5) for name, took in took_ms.items()}
    return {
        "case": case.name,
        "max_abs_diff": worst,
        "p50_ms": {name: asdict(at) if at else None for name, at in p50_ms.items()},
        "added_ms": {
            name: asdict(median_difference(took_ms[GATEWAY], took_ms[name]))
            for name in (ARRAYS, CLIENT)
        },
    }


def asker(values: Values) -> Ask:
    """A way as timing takes it."""
    return lambda _: values()


def median_difference(slow: np.ndarray, fast: np.ndarray, seed: int = 0) -> Interval:
    """median(slow) - median(fast) with a paired bootstrap interval.

    Args:
        slow: one latency per query.
        fast: of the same queries, in the same order.
        seed: of the resampling.
    """

    def difference(slow: np.ndarray, fast: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.asarray(np.median(slow, axis=axis) - np.median(fast, axis=axis))

    drawn = scipy.stats.bootstrap(
        (slow, fast), difference, paired=True, n_resamples=RESAMPLES, method="percentile", rng=seed
    )
    low, high = drawn.confidence_interval
    return Interval(float(difference(slow, fast)), float(low), float(high))


if __name__ == "__main__":
    main()
