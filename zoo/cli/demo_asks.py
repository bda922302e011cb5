"""The served part of the demo: all test rows through Triton, and the latency of few at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Task:
    """What differs between tasks.

    Attributes:
        output: whose values are compared with the labels.
        test: data → ids of the test rows, and their labels; of forecasts what came, and the
            deviation of its channel in training.
        quality: (output, labels) → the metric.
    """

    output: str
    test: Callable[[Any], tuple[np.ndarray, np.ndarray]]
    quality: Callable[[np.ndarray, np.ndarray], float]


def auc(scores: np.ndarray, y: np.ndarray) -> float:
    """Chance that a click scores above a row without one; ties count half."""
    from scipy.stats import rankdata

    clicks = int(y.sum())
    ranks = rankdata(scores.ravel())[y > 0].sum()
    return float((ranks - clicks * (clicks + 1) / 2) / (clicks * (len(y) - clicks)))


def accuracy(probabilities: np.ndarray, y: np.ndarray) -> float:
    """Fraction of rows whose likeliest class is the label."""
    return float((probabilities.argmax(axis=1) == y).mean())


def mse(means: np.ndarray, y: np.ndarray) -> float:
    """Mean squared error in deviations; values that are missing are left out."""
    came, scale = y[..., 0], y[..., 1]
    return float(np.nanmean(((means - came) / scale) ** 2))


def _windows(data: Any) -> tuple[np.ndarray, np.ndarray]:
    came = data.parts["test"].future(data.asked)
    scale = np.broadcast_to(data.table.scale[:, None], came.shape)
    return np.arange(data.n_rows), np.stack([came, scale], axis=-1)


TASKS = {
    "node-classification": Task(
        output="probabilities",
        test=lambda data: (data.split["test"], data.seen.y[data.split["test"]]),
        quality=accuracy,
    ),
    "click-prediction": Task(
        output="score",
        test=lambda data: (np.arange(data.n_rows), np.asarray(data.parts["test"].y)),
        quality=auc,
    ),
    "forecasting": Task(output="mean", test=_windows, quality=mse),
}


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
    task = TASKS[spec.task]
    test, y = task.test(spec.data(recipe))
    model, raw = fastest(exports, task.output), [a.model for a in exports if a.model.endswith(RAW)]
    rows = dataset_rows(model, repository, test.tolist())
    names = [model, *(name.removesuffix(RAW) for name in raw), *raw]
    with (
        running(repository, list(dict.fromkeys(names))) as triton,
        Client(triton.grpc_url) as client,
    ):
        parts = _cut(rows, client.signature(model).max_batch)
        answers = np.concatenate([client.infer(model, part)[task.output] for part in parts])
        with Local(repository) as local:
            known = np.concatenate([local.infer(model, part)[task.output] for part in parts])
        return {
            "model": model,
            "rows": len(y),
            f"test_{spec.metric}": task.quality(answers, y),
            "max_abs_diff": _largest(answers, known),
            "grpc_p50_ms": p50_ms(client, model, _cut(rows, 1)),
            "raw": [ask_raw(client, name, repository, test, task.output) for name in raw],
        }


def fastest(exports: Sequence[Artifact], output: str) -> str:
    """The model that answers row by row, from numbers, in the shortest time."""

    def suits(artifact: Artifact) -> bool:
        signature = artifact.signature
        assert signature is not None
        gives = output in [spec.name for spec in signature.outputs]
        takes_text = any(spec.dtype == "object" for spec in signature.inputs)
        return bool(signature.max_batch) and gives and not takes_text

    chosen = min(filter(suits, exports), key=lambda artifact: artifact.metrics["p50_batch1_us"])
    return chosen.model


def ask_raw(
    client: Client, model: str, repository: Path, test: np.ndarray, output: str
) -> dict[str, Any]:
    """Ask a model of raw values, and compare with the answers to the ids of the same rows."""
    by_row = client.signature(model).max_batch > 0
    few = test[:CANDIDATES].tolist()
    whole, coded = (
        dataset_rows(name, repository, few) for name in (model, model.removesuffix(RAW))
    )
    answer = client.infer(model, whole)[output]
    known = client.infer(model.removesuffix(RAW), coded)[output]
    requests = _cut(whole, 1) if by_row else [whole]
    return {
        "model": model,
        "rows": 1 if by_row else len(few),
        "max_abs_diff": _largest(answer, known),
        "grpc_p50_ms": p50_ms(client, model, requests),
    }


def _largest(answers: np.ndarray, known: np.ndarray) -> float:
    """Largest difference; NaN is as good as NaN."""
    both = np.isnan(answers) & np.isnan(known)
    return float(np.where(both, 0, np.abs(answers - known)).max())


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
