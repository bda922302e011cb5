"""The worked example: a target that stands still once, seen by an open and by a closed loop.

In a closed loop one query waits, and its client asks nothing meanwhile: of thousands of latencies
one is long, and p99 knows nothing of it. In an open loop all that was due meanwhile has waited, as
users would.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from benchmarks.load import loadgen
from benchmarks.load.outcome import Loaded, measured
from benchmarks.load.target import Target

PILOT_S = 0.3


def stalled(
    target: Target,
    stall: Callable[[], None],
    stall_s: float,
    rate: float,
    seconds: float,
    **fields: Any,
) -> dict[str, Any]:
    """Both loops, each with one stall in its middle.

    Args:
        target: what to ask.
        stall: has the target stand still, and returns when it no longer does.
        stall_s: for how long; more than a fiftieth of it shows in the open loop's p99.
        rate: of the open loop, in queries per second.
        seconds: of each loop.
        fields: of the Measurements: ``model``, ``role``, ``form``, ``protocol``, ``batch`` …

    Returns:
        ``stall_s``, ``rate_per_s``, ``seconds``, and the measurements ``open`` and ``closed`` as
        plain JSON.
    """
    pilot = loadgen.single_stream(target, PILOT_S, expected_ms=1.0)
    expected_ms = float(np.median(pilot.latencies_ms))
    loops: dict[str, Callable[[], Loaded]] = {
        "open": lambda: loadgen.server(target, rate, seconds),
        "closed": lambda: loadgen.single_stream(target, seconds, expected_ms),
    }
    found = {name: _amid(stall, seconds, loop) for name, loop in loops.items()}
    return {
        "stall_s": stall_s,
        "rate_per_s": rate,
        "seconds": seconds,
        **{name: measured(loaded, **fields).to_json() for name, loaded in found.items()},
    }


def real_stall(
    pids: Sequence[int], target: Target, stall_s: float, rate: float, seconds: float, **fields: Any
) -> dict[str, Any]:
    """The same with a real server, which is stopped as a whole and continued.

    Args:
        pids: of the server's processes.
        target: what to ask of it.
        stall_s: how long it stands still.
        rate: of the open loop, in queries per second.
        seconds: of each loop.
        fields: of the Measurements.
    """
    return stalled(target, lambda: pause(pids, stall_s), stall_s, rate, seconds, **fields)


def pause(pids: Sequence[int], seconds: float) -> None:
    """Stop processes, and have them continue whatever happens.

    Raises:
        ProcessLookupError: there is no such process.
    """
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(seconds)
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _amid(stall: Callable[[], None], seconds: float, loop: Callable[[], Loaded]) -> Loaded:
    """Run a loop with a stall in its middle."""

    def later() -> None:
        time.sleep(seconds / 2)
        stall()

    with ThreadPoolExecutor(1) as pool:
        stalling = pool.submit(later)
        loaded = loop()
        stalling.result()
    return loaded
