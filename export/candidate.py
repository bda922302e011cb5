"""An exported graph held against the model it came from: asking both, and comparing answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from export.errors import ExportError
from zoo.contract import Signature, near
from zoo.golden import distances

Arrays = dict[str, np.ndarray]

TOLERANCE = {
    **{"probabilities": 1e-5, "logits": 1e-4, "score": 1e-5, "logit": 1e-4},
    **dict.fromkeys(("quantiles", "median", "mean", "path", "v"), 1e-4),
}
CLOSER = 0.1  # of the tolerance, between answers of graphs: a row alone and in a batch, two forms
CANDIDATES = "candidates"  # the axis of a form that ranks


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
        raw: ids → the same inputs, strings in place of ids; None where there is no such form.
        unit: inputs → the unit of differences, see ``zoo.golden.distances``; None where it is 1.
    """

    name: str
    graph: onnx.ModelProto
    module: nn.Module
    signature: Signature
    rows: Callable[[np.ndarray], Arrays]
    n_rows: int
    expected: Arrays | None = None
    raw: Callable[[np.ndarray], Arrays] | None = None
    unit: Callable[[Arrays], np.ndarray] | None = None

    def unit_of(self, arrays: Arrays) -> np.ndarray | None:
        """The unit of differences between answers to a request."""
        return self.unit(arrays) if self.unit else None

    @property
    def ranks(self) -> bool:
        """Whether it scores candidates for one request."""
        return any(CANDIDATES in spec.shape for spec in self.signature.inputs)


def open_session(graph: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """The graph in ONNX Runtime on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def tolerance_of(output: str) -> float:
    """Largest accepted difference of an output from the trained model's.

    Raises:
        ExportError: an output whose meaning is not known.
    """
    if output not in TOLERANCE:
        raise ExportError(f"no tolerance is known for output '{output}': {near(output, TOLERANCE)}")
    return TOLERANCE[output]


def compare(
    what: str,
    answer: Mapping[str, np.ndarray],
    expected: Mapping[str, np.ndarray],
    of: float = 1,
    unit: np.ndarray | None = None,
) -> dict[str, float]:
    """The largest difference of every output.

    Args:
        what: is compared, for messages.
        answer: outputs by name.
        expected: the outputs to compare with.
        of: factor of the tolerance; outputs that are no floats must be equal.
        unit: of differences, see ``zoo.golden.distances``.

    Raises:
        ExportError: another shape, NaN or infinity, or a difference above its tolerance.
    """
    return {
        name: _compare(f"{what}: expected", name, answer[name], expected[name], of, unit)
        for name in expected
    }


def _compare(
    expecting: str,
    name: str,
    answer: np.ndarray,
    expected: np.ndarray,
    of: float,
    unit: np.ndarray | None,
) -> float:
    if answer.shape != expected.shape:
        raise ExportError(f"{expecting} {name} of shape {expected.shape}, measured {answer.shape}")
    if not np.issubdtype(expected.dtype, np.floating):
        wrong = np.argwhere(answer != expected)
        if len(wrong):
            at = tuple(wrong[0])
            raise ExportError(
                f"{expecting} {expected[at]} in {name} at {[*map(int, at)]}, measured {answer[at]}"
            )
        return 0.0
    found, tolerance = distances(answer, expected, unit), of * tolerance_of(name)
    if not np.isfinite(found).all():
        row = int(np.argwhere(~np.isfinite(found))[0][0])
        raise ExportError(f"{expecting} finite {name}, measured NaN or infinity in row {row}")
    difference = float(found.max(initial=0))
    if difference > tolerance:
        raise ExportError(
            f"{expecting} {name} to differ by at most {tolerance:g}, measured {difference:.3g}"
        )
    return difference


def largest(differences: list[dict[str, float]]) -> dict[str, float]:
    """The largest of several comparisons' differences, by output."""
    return {name: max(found[name] for found in differences) for name in differences[0]}


def slices(arrays: Arrays, batch: int) -> Iterator[Arrays]:
    """Consecutive batches of rows."""
    n_rows = len(next(iter(arrays.values())))
    for start in range(0, n_rows, batch):
        yield {name: array[start : start + batch] for name, array in arrays.items()}


def joined(parts: list[Arrays]) -> Arrays:
    """Answers to consecutive batches as one."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def some_ids(n_rows: int, at_least: int, seed: int = 0) -> np.ndarray:
    """Row ids in random order, repeated where there are fewer than ``at_least``."""
    return np.resize(np.random.default_rng(seed).permutation(n_rows), at_least)


def answer_in(session: Any, arrays: Arrays, batch: int, what: str) -> Arrays:
    """The graph's answers to all rows, asked in batches."""
    return joined([ask(session, part, what) for part in slices(arrays, batch)])


def ask(session: Any, arrays: Arrays, what: str) -> Arrays:
    """The graph's answer to one request, by output.

    Raises:
        ExportError: the graph fails, with ``what`` was asked.
    """
    names = [output.name for output in session.get_outputs()]
    try:
        return dict(zip(names, session.run(names, arrays), strict=True))
    except Exception as error:  # onnxruntime's errors share no base class
        cause = str(error).splitlines()[0]
        raise ExportError(f"{what}: expected an answer, the graph failed ({cause})") from None


@torch.no_grad()
def torch_answer(candidate: Candidate, arrays: Arrays) -> Arrays:
    """The module's answer to one batch, by output."""
    inputs = (torch.from_numpy(arrays[spec.name]) for spec in candidate.signature.inputs)
    answer = candidate.module(*inputs)
    tensors = (answer,) if isinstance(answer, torch.Tensor) else answer
    names = [spec.name for spec in candidate.signature.outputs]
    return {name: tensor.numpy() for name, tensor in zip(names, tensors, strict=True)}
