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
from export.precision import FP32, Precision
from zoo.contract import Signature
from zoo.golden import distances

Arrays = dict[str, np.ndarray]

ERRORS = 3  # and nothing below, of ONNX Runtime's log
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
        precision: of the graph; says what may differ.
        tested: ids → rows of the whole test set, as the family's judge numbers them; None where
            nothing is scored.
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
    precision: Precision = FP32
    tested: Callable[[np.ndarray], Arrays] | None = None
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
    options.log_severity_level = ERRORS  # what it cannot fold it runs
    return onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def compare(
    what: str,
    answer: Mapping[str, np.ndarray],
    expected: Mapping[str, np.ndarray],
    of: float = 1,
    unit: np.ndarray | None = None,
    precision: Precision = FP32,
) -> dict[str, float]:
    """The largest difference of every output.

    Args:
        what: is compared, for messages.
        answer: outputs by name.
        expected: the outputs to compare with.
        of: factor of the tolerance; outputs that are no floats must be equal.
        unit: of differences, see ``zoo.golden.distances``.
        precision: whose tolerance it is.

    Raises:
        ExportError: another shape, NaN or infinity, or a difference above its tolerance.
    """
    found = {}
    for name, right in expected.items():
        given, expecting = answer[name], f"{what}: expected"
        if given.shape != right.shape:
            raise ExportError(f"{expecting} {name} of shape {right.shape}, measured {given.shape}")
        if np.issubdtype(right.dtype, np.floating):
            found[name] = _differ(expecting, name, given, right, of, unit, precision)
        else:
            found[name] = _equal(expecting, name, given, right)
    return found


def _equal(expecting: str, name: str, answer: np.ndarray, expected: np.ndarray) -> float:
    wrong = np.argwhere(answer != expected)
    if len(wrong):
        at = tuple(wrong[0])
        raise ExportError(
            f"{expecting} {expected[at]} in {name} at {[*map(int, at)]}, measured {answer[at]}"
        )
    return 0.0


def _differ(
    expecting: str,
    name: str,
    answer: np.ndarray,
    expected: np.ndarray,
    of: float,
    unit: np.ndarray | None,
    precision: Precision,
) -> float:
    found = distances(answer, expected, unit)
    if not np.isfinite(found).all():
        row = int(np.argwhere(~np.isfinite(found))[0][0])
        raise ExportError(f"{expecting} finite {name}, measured NaN or infinity in row {row}")
    excess = found - of * allowed(expected, precision, unit)
    if excess.max(initial=0) > 0:
        at = np.unravel_index(int(excess.argmax()), excess.shape)
        raise ExportError(
            f"{expecting} {name} to differ by at most {of * precision.atol:g} and "
            f"{of * precision.rtol:g} of its value, measured {found[at]:.3g} from "
            f"{expected[at]:.4g} at {[*map(int, at)]}"
        )
    return float(found.max(initial=0))


def allowed(
    expected: np.ndarray, precision: Precision, unit: np.ndarray | None
) -> np.ndarray | float:
    """By how much an answer may differ from each number; in a unit of its own, from any."""
    if unit is not None:
        return precision.atol + precision.rtol
    size: np.ndarray = precision.atol + precision.rtol * np.abs(expected)
    return size


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


def answers_to(
    arrays: Arrays, signature: Signature, answer: Callable[[Arrays], Arrays], batch: int = 0
) -> Arrays:
    """Answers to rows; of a form that ranks each is a request of its own.

    Args:
        arrays: inputs, a row first.
        signature: of the form.
        answer: to a request.
        batch: rows at a time; by default the most that the form takes.
    """
    if signature.max_batch:
        return joined([answer(part) for part in slices(arrays, batch or signature.max_batch)])
    n_rows = len(next(iter(arrays.values())))
    each = [answer({name: a[row] for name, a in arrays.items()}) for row in range(n_rows)]
    return {name: np.stack([one[name] for one in each]) for name in each[0]}


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
