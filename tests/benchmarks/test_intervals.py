"""Percentiles and ratios, on data whose true values are known."""

import numpy as np
import pytest

from benchmarks.intervals import median_ratio, percentile


def test_ranks_of_known_data() -> None:
    """Of 100 values, ranks 40 and 61 enclose the median (any table of binomial intervals)."""
    shuffled = np.random.default_rng(0).permutation(np.arange(1.0, 101.0))
    found = percentile(shuffled, 0.5)
    assert found is not None
    assert (found.value, found.low, found.high) == (50, 40, 61)


@pytest.mark.parametrize(("n", "quantile"), [(60, 0.5), (200, 0.95), (600, 0.99)])
def test_interval_covers_the_truth(n: int, quantile: float) -> None:
    random = np.random.default_rng(0)
    truth = -np.log(1 - quantile)  # of the exponential distribution
    drawn = [percentile(random.exponential(size=n), quantile) for _ in range(1000)]
    covered = [found.low <= truth <= found.high for found in drawn if found]
    assert len(covered) == 1000
    assert 0.935 < np.mean(covered) <= 1


@pytest.mark.parametrize(
    ("n", "quantile", "there"),
    [
        (0, 0.5, False),
        (5, 0.5, False),
        (6, 0.5, True),
        (70, 0.95, False),
        (80, 0.95, True),
        (499, 0.99, False),
        (500, 0.99, True),
    ],
)
def test_too_few_samples_give_none(n: int, quantile: float, there: bool) -> None:
    assert (percentile(np.arange(float(n)), quantile) is not None) == there


def test_ratio_of_medians() -> None:
    random = np.random.default_rng(0)
    fast = random.lognormal(size=400)
    found = median_ratio(fast * 7, fast)
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((7, 7, 7))
    found = median_ratio(random.lognormal(np.log(3), size=400), fast)
    assert found is not None
    assert found.low < 3 < found.high


def test_ratio_of_one_sample_is_none() -> None:
    assert median_ratio(np.ones(1), np.ones(1)) is None
