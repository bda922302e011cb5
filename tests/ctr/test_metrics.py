"""Ranking, likelihood and calibration against plain formulas."""

import numpy as np
import pytest

from zoo.families.ctr import metrics


def plain_auc(logits: np.ndarray, y: np.ndarray) -> float:
    clicked, rest = logits[y == 1], logits[y == 0]
    wins = (clicked[:, None] > rest).sum() + 0.5 * (clicked[:, None] == rest).sum()
    return float(wins / (len(clicked) * len(rest)))


@pytest.mark.parametrize("seed", range(5))
def test_auc_counts_pairs_and_ties_half(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.integers(0, 20, 400).astype(np.float32)
    y = (rng.random(400) < 0.3).astype(np.float32)
    assert metrics.auc(logits, y) == pytest.approx(plain_auc(logits, y), abs=1e-12)


def test_auc_at_its_ends() -> None:
    y = np.array([0, 0, 1, 1], np.float32)
    assert metrics.auc(np.array([1, 2, 3, 4], np.float32), y) == 1
    assert metrics.auc(np.array([4, 3, 2, 1], np.float32), y) == 0
    assert metrics.auc(np.zeros(4, np.float32), y) == 0.5


@pytest.mark.parametrize(
    ("logits", "y"), [([1, 2], [1, 1]), ([1, 2], [0, 0]), ([np.nan, 2], [0, 1])]
)
def test_auc_of_what_has_none_is_no_number(logits: list[float], y: list[float]) -> None:
    assert np.isnan(metrics.auc(np.array(logits, np.float32), np.array(y, np.float32)))


def test_logloss_is_finite_where_probabilities_are_not() -> None:
    logits, y = np.array([-200, 200, 0.5], np.float32), np.array([1, 1, 0], np.float32)
    expected = (200 + 0 - np.log(1 - 1 / (1 + np.exp(-0.5)))) / 3
    assert metrics.logloss(logits, y) == pytest.approx(expected)


def test_calibration() -> None:
    logits = np.log(np.array([0.2, 0.4, 0.9, 0.5]) / np.array([0.8, 0.6, 0.1, 0.5]))
    assert metrics.calibration(logits, np.array([0, 1, 1, 0])) == pytest.approx(1.0)
    assert metrics.calibration(logits, np.array([0, 0, 1, 0])) == pytest.approx(2.0)


def test_ece_by_hand() -> None:
    """Two bins of two rows: gaps |0.3 − 0.5| and |0.9 − 1|."""
    p = np.array([0.8, 0.2, 1.0 - 1e-12, 0.4])
    logits, y = np.log(p / (1 - p)), np.array([1, 1, 1, 0])
    assert metrics.ece(logits, y, bins=2) == pytest.approx(0.15, abs=1e-6)


def test_ece_of_calibrated_scores_is_small_and_of_shifted_ones_is_not() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 100_000)
    y = (rng.random(100_000) < metrics.probabilities(logits)).astype(np.float32)
    assert metrics.ece(logits, y) < 0.01
    assert metrics.ece(logits + 1, y) > 0.05
    assert metrics.evaluate(logits, y).keys() == {"auc", "logloss", "calibration", "ece"}
