"""Rows whose answers are known: what answers them otherwise is not published and not served.

golden.json    {"inputs": {name: nested lists}, "outputs": {name: nested lists}, "tolerance",
               "unit": nested lists or null, "labels": lists of class names, where there are any};
               in lists of numbers null is NaN
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.artifact import ArtifactError
from zoo.contract import Signature, SignatureError, TensorSpec

GOLDEN_FILE = "golden.json"
TOLERANCE = 1e-4
LABELLED = "probabilities"  # the output whose last axis has names

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Golden:
    """One request and its answer, by tensor name.

    Attributes:
        inputs: of the request.
        outputs: the answer.
        tolerance: by how much a number of another answer may differ.
        unit: of a difference, as ``distances`` takes it.
        labels: of each row, the names of all classes, see ``ranked``; empty where none has one.
    """

    inputs: Arrays
    outputs: Arrays
    tolerance: float = TOLERANCE
    unit: np.ndarray | None = None
    labels: tuple[tuple[str, ...], ...] = ()

    def to_text(self) -> str:
        """The content of ``golden.json``."""
        raw = {
            "inputs": {name: _plain(array) for name, array in self.inputs.items()},
            "outputs": {name: _plain(array) for name, array in self.outputs.items()},
            "tolerance": self.tolerance,
            "unit": None if self.unit is None else _plain(self.unit),
            **({"labels": self.labels} if self.labels else {}),
        }
        return json.dumps(raw, allow_nan=False) + "\n"

    @staticmethod
    def load(folder: Path, signature: Signature) -> Golden:
        """Read the golden rows of an artifact.

        Raises:
            ArtifactError: there are none, or they do not fit the signature.
        """
        file = folder / GOLDEN_FILE
        try:
            raw = json.loads(file.read_text())
            inputs = _arrays(raw["inputs"], signature.inputs)
            signature.check(inputs)
            outputs = _arrays(raw["outputs"], signature.outputs)
            unit = raw.get("unit")
            unit = None if unit is None else np.array(unit, np.float32)
            labels = tuple(tuple(map(str, row)) for row in raw.get("labels", ()))
            if labels and np.shape(labels) != outputs[LABELLED].shape:
                raise ValueError(f"labels: expected one per entry of '{LABELLED}'")
            return Golden(inputs, outputs, float(raw["tolerance"]), unit, labels)
        except FileNotFoundError:
            raise ArtifactError(f"{folder} has no golden rows: export and publish again") from None
        except (OSError, ValueError, KeyError, TypeError, RecursionError, SignatureError) as error:
            raise ArtifactError(
                f"{file} holds no golden rows ({error}): export and publish again"
            ) from None

    def mismatch(self, answers: Arrays) -> str:
        """What is wrong with the answers to the golden rows; empty where they are as recorded."""
        for name, expected in self.outputs.items():
            if name not in answers:
                return f"output '{name}' is missing"
            if wrong := self._difference(np.asarray(answers[name]), expected):
                return f"output '{name}' {wrong}"
        return ""

    def mislabelled(self, names: Sequence[str]) -> str:
        """What is wrong with the names of the classes, in their order; empty where nothing is."""
        classes = self.outputs[LABELLED].shape[-1] if LABELLED in self.outputs else 0
        if len(names) != classes:
            return f"{len(names)} names: expected {classes}"
        for row, found in zip(self.labels, ranked(self.outputs, names), strict=True):
            for name, expected in zip(found, row, strict=True):
                if name != expected:
                    return f"'{name}' where '{expected}' was"
        return ""

    def _difference(self, answer: np.ndarray, expected: np.ndarray) -> str:
        if answer.shape != expected.shape:
            return f"has shape {answer.shape}: expected {expected.shape}"
        if not np.issubdtype(expected.dtype, np.floating):
            wrong = int((answer != expected).sum())
            return f"differs in {wrong} of {expected.size} entries" if wrong else ""
        difference = float(distances(answer, expected, self.unit).max(initial=0))
        if difference <= self.tolerance:  # which NaN is not
            return ""
        return f"differs by {difference:.3g}: expected at most {self.tolerance:g}"


def distances(
    answer: np.ndarray, expected: np.ndarray, unit: np.ndarray | None = None
) -> np.ndarray:
    """How far the numbers of an answer are from those expected.

    Args:
        answer, expected: floats of one shape.
        unit: the difference that counts as 1, over the leading axes. It is NaN where a model knows
            nothing: there, and nowhere else, NaN is as good an answer as another NaN, and
            differences count as they are.

    Returns:
        Of the same shape; NaN or infinite where an answer should not have been.
    """
    if unit is None:
        unit = np.ones((), expected.dtype)
    unit = unit.reshape(unit.shape + (1,) * (expected.ndim - unit.ndim))
    unknown = np.isnan(unit)
    with np.errstate(invalid="ignore"):  # infinity less infinity
        found: np.ndarray = np.abs(answer - expected) / np.where(unknown, 1, unit)
    return np.where(unknown & np.isnan(answer) & np.isnan(expected), 0, found)


def ranked(outputs: Arrays, names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The names of all classes by row, likeliest first.

    Names in another order rank differently, whichever two of them were swapped.
    """
    orders = np.argsort(-outputs[LABELLED], axis=-1, kind="stable")
    return tuple(tuple(names[index] for index in order) for order in orders)


def _arrays(raw: Mapping[str, Any], specs: Sequence[TensorSpec]) -> dict[str, np.ndarray]:
    """Nested lists as the arrays of a signature; ``null`` becomes NaN."""
    return {spec.name: np.array(raw[spec.name], dtype=spec.dtype) for spec in specs}


def _plain(array: np.ndarray) -> Any:
    """Nested lists: numbers with the digits of their own type, NaN as None."""
    if np.issubdtype(array.dtype, np.floating):
        return _nested(array.shape, [None if np.isnan(v) else float(str(v)) for v in array.ravel()])
    return array.tolist()


def _nested(shape: tuple[int, ...], values: list[Any]) -> Any:
    boxed = np.empty(len(values), object)
    boxed[:] = values
    return boxed.reshape(shape).tolist()
