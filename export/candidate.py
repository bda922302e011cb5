"""An exported graph held against the model it came from: asking both, and comparing answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from export.errors import ExportError
from zoo.contract import Signature

Arrays = dict[str, np.ndarray]

TOLERANCE = {"probabilities": 1e-5, "logits": 1e-4}


@dataclass(frozen=True)
class Candidate:
    """An exported graph and what it is held against.

    Attributes:
        name: model id, for messages.
        graph: the exported graph.
        module: the torch module it came from.
        signature: what goes in and out.
        rows: ids → real inputs.
        n_rows: ids are 0..n_rows-1.
        expected: the trained model's own answers by id, computed without ``module``; or None.
    """

    name: str
    graph: onnx.ModelProto
    module: nn.Module
    signature: Signature
    rows: Callable[[np.ndarray], Arrays]
    n_rows: int
    expected: np.ndarray | None = None

    @property
    def tolerance(self) -> float:
        """Largest accepted difference."""
        return TOLERANCE[self.signature.outputs[0].name]


def open_session(graph: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """The graph in ONNX Runtime on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def compare(what: str, answer: np.ndarray, expected: np.ndarray, tolerance: float) -> float:
    """The largest difference.

    Raises:
        ExportError: another shape, NaN or infinity, or a difference above ``tolerance``.
    """
    if answer.shape != expected.shape:
        raise ExportError(f"{what}: expected shape {expected.shape}, measured {answer.shape}")
    if not np.isfinite(answer).all():
        row = int(np.argwhere(~np.isfinite(answer))[0][0])
        raise ExportError(f"{what}: expected finite values, measured NaN or infinity in row {row}")
    difference = float(np.abs(answer - expected).max(initial=0))
    if difference > tolerance:
        raise ExportError(
            f"{what}: expected a difference of at most {tolerance:g}, measured {difference:.3g}"
        )
    return difference


def slices(arrays: Arrays, batch: int) -> Iterator[Arrays]:
    """Consecutive batches of rows."""
    n_rows = len(next(iter(arrays.values())))
    for start in range(0, n_rows, batch):
        yield {name: array[start : start + batch] for name, array in arrays.items()}


def some_ids(n_rows: int, at_least: int) -> np.ndarray:
    """Row ids in random order, repeated where there are fewer than ``at_least``."""
    return np.resize(np.random.default_rng(0).permutation(n_rows), at_least)


def answer_in(session: Any, arrays: Arrays, batch: int, what: str) -> np.ndarray:
    """The graph's answers to all rows, asked in batches."""
    return np.concatenate([ask(session, part, what) for part in slices(arrays, batch)])


def ask(session: Any, arrays: Arrays, what: str) -> np.ndarray:
    """The graph's answer to one request.

    Raises:
        ExportError: the graph fails, with ``what`` was asked.
    """
    try:
        answer: np.ndarray = session.run(None, arrays)[0]
    except Exception as error:  # onnxruntime's errors share no base class
        cause = str(error).splitlines()[0]
        raise ExportError(f"{what}: expected an answer, the graph failed ({cause})") from None
    return answer


@torch.no_grad()
def torch_answer(candidate: Candidate, arrays: Arrays) -> np.ndarray:
    """The module's answer to one batch."""
    inputs = (torch.from_numpy(arrays[spec.name]) for spec in candidate.signature.inputs)
    answer: np.ndarray = candidate.module(*inputs).numpy()
    return answer
