"""Percentiles and ratios of latencies, each with its 95 % confidence interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.stats

OUTSIDE = 0.025  # probability on each side of an interval
LEAST = {0.99: 500, 0.999: 5000}  # samples without which there is no such percentile
RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """An estimate and the ends of its interval."""

    value: float
    low: float
    high: float


def percentile(samples: np.ndarray, quantile: float) -> Interval | None:
    """A percentile with the order-statistic interval; None where there are too few samples.

    How many samples lie below the true percentile is binomial, so two ranks enclose it with at
    least the stated probability, whatever the distribution.

    Args:
        samples: in any order.
        quantile: 0..1.
    """
    n = len(samples)
    if n < LEAST.get(quantile, 1):
        return None
    below = scipy.stats.binom(n, quantile)
    low, high = int(below.ppf(OUTSIDE)), int(below.ppf(1 - OUTSIDE)) + 1  # ranks from 1
    if low < 1 or high > n:
        return None
    ranked = np.sort(samples)
    middle = max(1, int(np.ceil(n * quantile)))
    return Interval(*(float(ranked[rank - 1]) for rank in (middle, low, high)))


def ratio_of_rounds(slow: Sequence[np.ndarray], fast: Sequence[np.ndarray]) -> Interval:
    """median(slow) / median(fast), over rounds that share nothing but the code.

    The mean of the rounds' log ratios, with Student's t over rounds; of a single round the paired
    bootstrap of its queries, which knows nothing of how rounds differ.

    Args:
        slow: latencies of each round.
        fast: of the same queries in the same rounds.
    """
    if len(slow) == 1:
        within = median_ratio(slow[0], fast[0])
        assert within is not None
        return within
    logs = np.array([np.log(np.median(a) / np.median(b)) for a, b in zip(slow, fast, strict=True)])
    middle, spread = float(logs.mean()), float(scipy.stats.sem(logs))
    wide = float(scipy.stats.t.ppf(1 - OUTSIDE, len(logs) - 1)) * spread
    return Interval(*(float(np.exp(at)) for at in (middle, middle - wide, middle + wide)))


def median_ratio(slow: np.ndarray, fast: np.ndarray, seed: int = 0) -> Interval | None:
    """median(slow) / median(fast) with a paired bootstrap interval; None below 2 samples.

    Args:
        slow: one latency per query.
        fast: of the same queries, in the same order.
        seed: of the resampling.
    """
    if len(slow) < 2:
        return None

    def ratio(slow: np.ndarray, fast: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.asarray(np.median(slow, axis=axis) / np.median(fast, axis=axis))

    drawn = scipy.stats.bootstrap(
        (slow, fast), ratio, paired=True, n_resamples=RESAMPLES, method="percentile", rng=seed
    )
    low, high = drawn.confidence_interval
    return Interval(float(ratio(slow, fast)), float(low), float(high))
