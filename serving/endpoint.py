"""What every way of asking a model has in common."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from serving.errors import RequestRefused
from serving.forecasts import Forecast, History
from serving.records import Record, Records
from zoo.contract import Signature, SignatureError

Arrays = Mapping[str, np.ndarray]
Labels = list[tuple[str, float]]

CANDIDATES = "candidates"  # the axis of a ranking model
MAX_CANDIDATES = 10_000  # of one request: ten thousand rows of ten strings are 2 MB


class Endpoint(Protocol):
    """Answers requests: ``serving.local.Local`` and ``serving.client.Client``."""

    def __enter__(self) -> Self:
        """Use it for the length of a ``with`` block."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        ...

    def models(self) -> list[str]:
        """Names of the models that can be asked."""

    def signature(self, model: str, version: str = "") -> Signature:
        """What goes into a model and what comes out."""

    def infer(self, model: str, arrays: Arrays, version: str = "") -> dict[str, np.ndarray]:
        """All outputs of a model, by name."""

    def classify(self, model: str, arrays: Arrays, top: int = 3, version: str = "") -> list[Labels]:
        """For each row the ``top`` likeliest (label, probability), likeliest first."""

    def predict(self, model: str, records: Records, version: str = "") -> list[float]:
        """The score of each record, a dict of field → raw value."""

    def rank(
        self, model: str, request: Record, candidates: Records, version: str = ""
    ) -> list[float]:
        """The score of each candidate for one request."""

    def forecast(
        self, model: str, history: History, horizon: int | None = None, version: str = ""
    ) -> Forecast:
        """What follows a history, in its own unit."""

    def close(self) -> None:
        """Let go of sessions and connections."""


@contextlib.contextmanager
def refusing(model: str) -> Iterator[None]:
    """Name the model in what is wrong with a request.

    Raises:
        RequestRefused: for any SignatureError within.
    """
    try:
        yield
    except SignatureError as error:
        raise RequestRefused(f"model '{model}': {error}") from None


def check_request(model: str, signature: Signature, arrays: Arrays) -> None:
    """Check arrays against a model's signature.

    Raises:
        RequestRefused: naming model, input and remedy.
    """
    with refusing(model):
        _check_columns(signature, arrays)
        signature.check(arrays)
        _check_candidates(signature, arrays)


def _check_columns(signature: Signature, arrays: Arrays) -> None:
    """Name the fields where an input has too many or too few."""
    for spec in signature.inputs:
        shape = np.shape(arrays[spec.name]) if spec.name in arrays else ()
        if spec.columns and shape and shape[-1] != len(spec.columns):
            raise SignatureError(
                f"input '{spec.name}' has {shape[-1]} columns: expected {len(spec.columns)}, "
                f"of the fields {', '.join(spec.columns)}"
            )


def _check_candidates(signature: Signature, arrays: Arrays) -> None:
    for spec in signature.inputs:
        if CANDIDATES in spec.shape:
            candidates = arrays[spec.name].shape[spec.shape.index(CANDIDATES)]
            if not 1 <= candidates <= MAX_CANDIDATES:
                raise SignatureError(
                    f"input '{spec.name}' has {candidates} candidates: expected 1 to "
                    f"{MAX_CANDIDATES:,}; split them"
                )


def check_classify(model: str, signature: Signature, labelled: str, top: int) -> None:
    """Check that a model's rows can be given labels.

    Args:
        labelled: name of the output that has labels; empty when none has.

    Raises:
        RequestRefused: no labels, no batch axis, or a ``top`` below 1.
    """
    if not labelled:
        raise RequestRefused(f"model '{model}' has no labels: use infer")
    if not signature.max_batch:
        raise RequestRefused(f"model '{model}' has no batch axis to classify by row: use infer")
    if top < 1:
        raise RequestRefused(f"top is {top}: expected 1 or more")


def likeliest(rows: np.ndarray, labels: Sequence[str], top: int) -> list[Labels]:
    """For each row the ``top`` likeliest (label, probability), likeliest first.

    Args:
        rows: probabilities (batch, classes).
        labels: names of the classes.
    """
    order = np.argsort(-rows, axis=-1, kind="stable")[:, :top]
    best = np.take_along_axis(rows, order, axis=-1).tolist()
    return [
        [(labels[k], probability) for k, probability in zip(ks, row, strict=True)]
        for ks, row in zip(order.tolist(), best, strict=True)
    ]
