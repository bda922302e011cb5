"""What every way of asking a model has in common."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from serving.errors import RequestRefused
from zoo.contract import Signature, SignatureError

Arrays = Mapping[str, np.ndarray]
Labels = list[tuple[str, float]]


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

    def close(self) -> None:
        """Let go of sessions and connections."""


def check_request(model: str, signature: Signature, arrays: Arrays) -> None:
    """Check arrays against a model's signature.

    Raises:
        RequestRefused: naming model, input and remedy.
    """
    try:
        signature.check(arrays)
    except SignatureError as error:
        raise RequestRefused(f"model '{model}': {error}") from None


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
