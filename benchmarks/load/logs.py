"""What LoadGen wrote about a run: each query, and what it found invalid."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.contract import LeanzooError

# A sample begins when it was scheduled, at ts in µs, and is complete so many ns later.
_SAMPLE = re.compile(
    rb'"name":"Sample","cat":"default","ph":"b","pid":\d+,"id":\d+,"ts":([\d.]+),"args":'
    rb'\{"sample_seq":(\d+),"query_seq":\d+,"sample_idx":(\d+),'
    rb'"issue_start_ns":-?\d+,"complete_ns":(-?\d+)\}'
)
_CONDITION = re.compile(r"^\s+(\w.*?)\s*: NO$", re.MULTILINE)
_ADVICE = re.compile(r"^Recommendations:\n((?: \* .*\n)+)", re.MULTILINE)


@dataclass(frozen=True)
class Samples:
    """Every query by LoadGen's own clock, in the order in which they were issued.

    Attributes:
        scheduled_ms: when each was due, from the first.
        latency_ms: from then until it was complete.
    """

    scheduled_ms: np.ndarray
    latency_ms: np.ndarray


def read_samples(folder: Path, indices: Sequence[int]) -> Samples:
    """LoadGen's trace of a run.

    Args:
        folder: that LoadGen wrote into.
        indices: of the queries in the order in which they were issued here, which must be LoadGen's
            order too: its times are matched with ours by it.

    Raises:
        LeanzooError: it is not.
    """
    found = _SAMPLE.findall((folder / "mlperf_log_trace.json").read_bytes())
    found.sort(key=lambda one: int(one[1]))
    if [int(one[2]) for one in found] != list(indices):
        raise LeanzooError(
            f"LoadGen's trace has {len(found)} queries, and {len(indices)} were issued, or in "
            "another order: it must write each of them; use the version of LoadGen that "
            "constraints.txt names"
        )
    scheduled_ms = np.array([float(one[0]) for one in found]) / 1e3
    latency_ms = np.array([int(one[3]) for one in found]) / 1e6
    return Samples(scheduled_ms - scheduled_ms[:1].sum(), latency_ms)


def read_said(folder: Path) -> tuple[str, ...]:
    """What LoadGen found invalid, one line each; none where it found the run valid."""
    summary = (folder / "mlperf_log_summary.txt").read_text()
    if "Result is : INVALID" not in summary:
        return ()
    advice = _ADVICE.search(summary)
    lines = advice.group(1).splitlines() if advice else []
    said = [f"LoadGen: {condition}: NO" for condition in _CONDITION.findall(summary)]
    return tuple(said + [f"LoadGen: {line.removeprefix(' * ')}" for line in lines])
