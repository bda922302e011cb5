"""Histograms: what is written is what is read, to three digits."""

from __future__ import annotations

import re

import numpy as np
import pytest

from benchmarks.histograms import decode, encode
from zoo.contract import LeanzooError

DIGIT = 1e-3  # of a value: three significant digits


def drawn(samples: int, seed: int = 0) -> np.ndarray:
    """Latencies around a millisecond, with a tail, and one stall."""
    found = np.random.default_rng(seed).lognormal(0, 1, samples)
    found[0] = 2000.0
    return np.asarray(found)


def at(steps: list[tuple[float, float]], fraction: float) -> float:
    """The least value that has so many at or below."""
    return next(ms for ms, part in steps if part >= fraction)


@pytest.mark.parametrize("samples", [1, 6, 500, 20_000])
def test_percentiles_survive(samples: int) -> None:
    latencies_ms = drawn(samples)
    steps = decode(encode(latencies_ms))
    for fraction in (0.25, 0.5, 0.9, 0.99, 0.999, 1.0):
        true = np.quantile(latencies_ms, fraction, method="inverted_cdf")
        assert at(steps, fraction) == pytest.approx(true, rel=DIGIT)
    assert steps[-1] == (pytest.approx(latencies_ms.max(), rel=DIGIT), 1.0)
    assert sorted(steps) == steps


def test_every_range_keeps_three_digits() -> None:
    latencies_ms = np.array([0.000_123, 0.0456, 7.89, 1234.5, 3_600_000.0])
    found = [ms for ms, _ in decode(encode(latencies_ms))]
    assert found == pytest.approx(latencies_ms, rel=DIGIT)


def test_a_histogram_is_small() -> None:
    assert len(encode(drawn(100_000))) < 10_000


def test_counts_of_equal_latencies_add_up() -> None:
    assert decode(encode(np.array([1.0, 1.0, 1.0, 4.0]))) == [
        (pytest.approx(1.0, rel=DIGIT), 0.75),
        (pytest.approx(4.0, rel=DIGIT), 1.0),
    ]


@pytest.mark.parametrize(
    ("latencies_ms", "found"),
    [([], "none"), ([-1.0, 2.0], "-1..2 ms"), ([1.0, 3.7e6], "1..3.7e+06 ms")],
)
def test_what_cannot_have_been_measured_is_refused(latencies_ms: list[float], found: str) -> None:
    with pytest.raises(LeanzooError, match=re.escape(f"to an hour, not {found}")):
        encode(np.array(latencies_ms))


@pytest.mark.parametrize("text", ["", "no histogram", encode(np.array([1.0]))[:20]])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(LeanzooError, match="is no HdrHistogram"):
        decode(text)
