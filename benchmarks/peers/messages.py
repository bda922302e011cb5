"""The same rows as each service takes them, and its answers as the same array.

leanzoo    {"features": rows, "top": classes} → {"rows": [[{"label", "probability"}, …], …], …}
bentoml    {"features": rows}                 → [[probability, …], …]
fastapi    {"features": rows}                 → {"probabilities": [[probability, …], …]}
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.environments import ComparisonError

SAME = 1e-5
COUNTS, REALS = "bag of words", "real numbers"
PRESENT = 0.0125  # of the features of a bag of words, as in Cora

Reader = Callable[[bytes], np.ndarray]


def made_rows(kind: str, rows: int, features: int, seed: int) -> np.ndarray:
    """Rows of features. Shapes: → (rows, features) float32."""
    drawn = np.random.default_rng(seed).random((rows, features), np.float32)
    return (drawn < PRESENT).astype(np.float32) if kind == COUNTS else drawn


def body_of(rows: np.ndarray, **more: Any) -> bytes:
    """The JSON of a request, without blanks, as web clients write it."""
    return json.dumps({"features": rows.tolist(), **more}, separators=(",", ":")).encode()


def read_list(answer: bytes) -> np.ndarray:
    """BentoML's answer. Shapes: → (rows, classes)."""
    return np.array(json.loads(answer))


def read_probabilities(answer: bytes) -> np.ndarray:
    """The hand-written service's answer. Shapes: → (rows, classes)."""
    return np.array(json.loads(answer)["probabilities"])


def reader_of_labels(labels: Sequence[str]) -> Reader:
    """What reads the gateway's answer.

    Args:
        labels: of the classes, in the model's order.
    """

    def read(answer: bytes) -> np.ndarray:
        rows = json.loads(answer)["rows"]
        named = [{one["label"]: one["probability"] for one in row} for row in rows]
        return np.array([[row[label] for label in labels] for row in named])

    return read


def worst_difference(answers: Mapping[str, np.ndarray], expected: np.ndarray) -> float:
    """The largest difference to what ONNX Runtime answers in process.

    Raises:
        ComparisonError: a service answers something else.
    """
    worst = 0.0
    for name, answer in answers.items():
        if answer.shape != expected.shape:
            raise ComparisonError(f"{name} answers {answer.shape}: expected {expected.shape}")
        here = float(np.abs(answer - expected).max())
        if not here <= SAME:
            raise ComparisonError(
                f"{name} answers otherwise than ONNX Runtime, by {here:.1e}: expected {SAME:g}"
            )
        worst = max(worst, here)
    return worst
