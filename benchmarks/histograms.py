"""Latencies in full, in a few hundred bytes: HdrHistograms as text.

Values are nanoseconds up to an hour, to three significant digits; the text is HdrHistogram's V2,
compressed and in base64, which its tools for other languages read too.
"""

from __future__ import annotations

import numpy as np
from hdrh.histogram import HdrHistogram

from zoo.contract import LeanzooError

LONGEST_NS = 3_600_000_000_000
DIGITS = 3


def encode(latencies_ms: np.ndarray) -> str:
    """A histogram of latencies.

    Raises:
        LeanzooError: there are none, or one that cannot have been measured.
    """
    values_ns, counts = np.unique(np.rint(np.asarray(latencies_ms) * 1e6), return_counts=True)
    if not len(values_ns) or not 0 <= values_ns[0] <= values_ns[-1] <= LONGEST_NS:
        found = f"{values_ns[0] / 1e6:g}..{values_ns[-1] / 1e6:g} ms" if len(values_ns) else "none"
        raise LeanzooError(
            f"a histogram holds latencies of 0 ms to an hour, not {found}: check the clock"
        )
    histogram = HdrHistogram(1, LONGEST_NS, DIGITS)
    for value_ns, count in zip(values_ns.astype(int).tolist(), counts.tolist(), strict=True):
        histogram.record_value(value_ns, count)
    text: bytes = histogram.encode()
    return text.decode()


def decode(text: str) -> list[tuple[float, float]]:
    """A histogram's steps: ``(ms, fraction of latencies at or below)``, ascending.

    Raises:
        LeanzooError: it is no histogram.
    """
    try:
        histogram = HdrHistogram.decode(text)
    except Exception as error:  # of base64, zlib, ctypes or the package's own
        raise LeanzooError(
            f"{text[:40]!r} is no HdrHistogram ({error}): measure again, or mend the result"
        ) from None
    total = histogram.get_total_count()
    return [
        (step.value_iterated_to / 1e6, step.total_count_to_this_value / total)
        for step in histogram.get_recorded_iterator()
    ]
