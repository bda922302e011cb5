"""Metrics of weighted rows: what a model is worth on a test set, and on resamples of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

Quantities = Mapping[str, np.ndarray]  # name → one number per row


@dataclass(frozen=True)
class Metric:
    """A metric of rows that each count as often as a weight says.

    Attributes:
        of: (quantities, weights (resamples, rows)) → (resamples,).
        kind: ``accuracy`` or ``auc``, of which fractions are lost, or ``relative``, of whose own
            value a share is lost.
        lower: a lower value is better.
    """

    of: Callable[[Quantities, np.ndarray], np.ndarray]
    kind: str
    lower: bool = False

    def value(self, quantities: Quantities) -> float:
        """Of the rows as they are."""
        n_rows = len(next(iter(quantities.values())))
        return float(self.of(quantities, np.ones((1, n_rows)))[0])


def mean(name: str) -> Callable[[Quantities, np.ndarray], np.ndarray]:
    """The weighted mean of a quantity."""

    def of(quantities: Quantities, weights: np.ndarray) -> np.ndarray:
        found: np.ndarray = weights @ quantities[name].astype(np.float64) / weights.sum(axis=1)
        return found

    return of


def ratio(sums: str, counts: str) -> Callable[[Quantities, np.ndarray], np.ndarray]:
    """The mean over entries of rows that hold several: their sum over their count."""

    def of(quantities: Quantities, weights: np.ndarray) -> np.ndarray:
        found: np.ndarray = (weights @ quantities[sums]) / (weights @ quantities[counts])
        return found

    return of


def auc(score: str, clicked: str) -> Callable[[Quantities, np.ndarray], np.ndarray]:
    """Area under the ROC curve; equal scores count half. NaN without both kinds of rows."""

    def of(quantities: Quantities, weights: np.ndarray) -> np.ndarray:
        order = np.argsort(quantities[score], kind="stable")
        ordered, positive = quantities[score][order], quantities[clicked][order] > 0.5
        first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        weights = weights[:, order]
        up = np.add.reduceat(weights * positive, first, axis=1)
        down = np.add.reduceat(weights * ~positive, first, axis=1)
        below = np.cumsum(down, axis=1) - down / 2
        with np.errstate(invalid="ignore"):
            found: np.ndarray = (up * below).sum(axis=1) / (up.sum(axis=1) * down.sum(axis=1))
        return found

    return of
