"""How good predicted clicks are: ranking, likelihood, calibration."""

from __future__ import annotations

import numpy as np

from zoo import metrics
from zoo.metrics import Metric

AUC = Metric(metrics.auc("logit", "y"), "auc")
BINS = 20


def auc(logits: np.ndarray, y: np.ndarray) -> float:
    """Chance that a click scores above a row without one; ties count half. NaN without both.

    Shapes: logits (rows,), y (rows,) of 0 and 1.
    """
    if not np.isfinite(logits).all():
        return float("nan")
    return AUC.value({"logit": logits, "y": y})


def logloss(logits: np.ndarray, y: np.ndarray) -> float:
    """Mean negative log-likelihood, from logits so that none is infinite.

    Shapes: logits (rows,), y (rows,) of 0 and 1.
    """
    z = logits.astype(np.float64)
    return float(np.mean(np.logaddexp(0, z) - z * y))


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Predicted click rates. Shapes: (rows,) → (rows,) float64."""
    half = np.tanh(logits.astype(np.float64) / 2) / 2
    rates: np.ndarray = 0.5 + half
    return rates


def calibration(logits: np.ndarray, y: np.ndarray) -> float:
    """Predicted clicks over actual ones; 1 is right. Shapes: (rows,), (rows,)."""
    clicks = y.sum(dtype=np.float64)
    return float(probabilities(logits).sum() / clicks) if clicks else float("nan")


def ece(logits: np.ndarray, y: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error: mean gap of predicted and actual rate over bins of equal mass.

    Shapes: logits (rows,), y (rows,) of 0 and 1.
    """
    order = np.argsort(logits, kind="stable")
    gaps = np.array_split(probabilities(logits)[order] - y[order], min(bins, len(y)))
    return float(sum(abs(gap.sum()) for gap in gaps) / len(y))


def evaluate(logits: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """All of them by name. Shapes: (rows,), (rows,)."""
    return {
        "auc": auc(logits, y),
        "logloss": logloss(logits, y),
        "calibration": calibration(logits, y),
        "ece": ece(logits, y),
    }
