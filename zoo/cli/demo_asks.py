"""The served part of the demo: all test rows through Triton, and the latency of few at a time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.cli.ask import dataset_rows
from zoo.cli.deploy import running

if TYPE_CHECKING:
    from serving.client import Client
    from zoo.artifact import Artifact
    from zoo.recipes import Recipe

Arrays = dict[str, np.ndarray]

LATENCY_REQUESTS = 500
CANDIDATES = 100
RAW = "-raw"


def serve_and_ask(exports: Sequence[Artifact], recipe: Recipe, repository: Path) -> dict[str, Any]:
    """Serve what is published of a recipe and ask it.

    Returns:
        ``model`` (the fastest that answers row by row), ``rows`` (test rows asked),
        ``test_<metric>`` of its answers, ``max_abs_diff`` to those in process, ``grpc_p50_ms`` of
        one row, and ``raw``: the same of each model of raw values, of ``rows`` at a time.
    """
    from serving.client import Client
    from serving.local import Local
    from zoo.registry import get_spec

    spec = get_spec(recipe.model)
    data, judge = spec.data(recipe), spec.judge
    assert judge is not None
    tested, test = judge.tested(data)
    if tested is not data:  # of all windows, those that anyone can ask about
        test = np.arange(data.n_rows)
    model, raw = fastest(exports), [a.model for a in exports if a.model.endswith(RAW)]
    rows = dataset_rows(model, repository, test.tolist())
    names = [model, *(name.removesuffix(RAW) for name in raw), *raw]
    with (
        running(repository, list(dict.fromkeys(names))) as triton,
        Client(triton.grpc_url) as client,
    ):
        parts = _cut(rows, client.signature(model).max_batch)
        answers = _joined([client.infer(model, part) for part in parts])
        with Local(repository) as local:
            known = _joined([local.infer(model, part) for part in parts])
        quantities = judge.quantities(answers, judge.targets(data, test))
        return {
            "model": model,
            "rows": len(test),
            f"test_{spec.metric}": judge.metrics[spec.metric].value(quantities),
            "max_abs_diff": _largest(answers, known),
            "grpc_p50_ms": p50_ms(client, model, _cut(rows, 1)),
            "raw": [ask_raw(client, name, repository, test) for name in raw],
        }


def fastest(exports: Sequence[Artifact]) -> str:
    """The model that answers row by row, from numbers, in the shortest time."""

    def suits(artifact: Artifact) -> bool:
        signature = artifact.signature
        assert signature is not None
        gives = any(spec.dtype == "float32" for spec in signature.outputs)
        takes_text = any(spec.dtype == "object" for spec in signature.inputs)
        return bool(signature.max_batch) and gives and not takes_text

    chosen = min(filter(suits, exports), key=lambda artifact: artifact.metrics["p50_batch1_us"])
    return chosen.model


def ask_raw(client: Client, model: str, repository: Path, test: np.ndarray) -> dict[str, Any]:
    """Ask a model of raw values, and compare with the answers to the ids of the same rows."""
    by_row = client.signature(model).max_batch > 0
    few = test[:CANDIDATES].tolist()
    whole, coded = (
        dataset_rows(name, repository, few) for name in (model, model.removesuffix(RAW))
    )
    answer = client.infer(model, whole)
    known = client.infer(model.removesuffix(RAW), coded)
    requests = _cut(whole, 1) if by_row else [whole]
    return {
        "model": model,
        "rows": 1 if by_row else len(few),
        "max_abs_diff": _largest(answer, known),
        "grpc_p50_ms": p50_ms(client, model, requests),
    }


def _joined(parts: Sequence[Arrays]) -> Arrays:
    """Answers to consecutive batches as one."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _largest(answers: Arrays, known: Arrays) -> float:
    """Largest difference of any output; NaN is as good as NaN."""
    found = []
    for name, right in known.items():
        both = np.isnan(answers[name]) & np.isnan(right)
        found.append(float(np.where(both, 0, np.abs(answers[name] - right)).max()))
    return max(found)


def p50_ms(client: Client, model: str, requests: Sequence[Arrays]) -> float:
    """Median latency of one request after the other, the first ones left out."""
    took = []
    for k in range(LATENCY_REQUESTS):
        began = time.perf_counter()
        client.infer(model, requests[k % len(requests)])
        took.append(time.perf_counter() - began)
    return 1e3 * float(np.median(took[LATENCY_REQUESTS // 10 :]))


def _cut(rows: Arrays, batch: int) -> list[Arrays]:
    """Consecutive batches of rows."""
    n_rows = len(next(iter(rows.values())))
    return [
        {name: array[start : start + batch] for name, array in rows.items()}
        for start in range(0, n_rows, batch)
    ]
