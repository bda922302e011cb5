"""Load by MLPerf's LoadGen.

single_stream   a closed loop: one query after the other
server          an open loop: Poisson arrivals; latency runs from the scheduled arrival, as LoadGen
                itself took it, so that a target that stalls is charged for all that waited
offline         everything at once: capacity
answers         every query once: accuracy

One run at a time: LoadGen keeps its state for the process.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlperf_loadgen as lg
import numpy as np

from benchmarks.load.logs import Samples, read_said, read_samples
from benchmarks.load.outcome import Loaded
from benchmarks.load.punctual import precedence, wake_on_time, without_pauses
from benchmarks.load.system import System
from benchmarks.load.target import Target
from zoo.contract import LeanzooError

PATIENCE_S = 30.0  # beyond a run's own duration
HASTE = 0.5  # of a pilot's latency, which may be met on a machine that is less busy
GRACE_S = 5.0  # for LoadGen to end, once nothing is open
ANY_LATENCY_NS = 10**12  # LoadGen judges no latency: that is the report's business


class TargetHangs(LeanzooError):
    """A query is not answered, nor given up by the target."""


def single_stream(
    target: Target,
    seconds: float,
    expected_ms: float,
    seed: int = 0,
    patience_s: float = PATIENCE_S,
) -> Loaded:
    """Ask one query after the other: what a lone caller sees, never the latency at a rate.

    Args:
        target: what to ask.
        seconds: to ask for.
        expected_ms: latency in a pilot. LoadGen prepares four times as many queries as follow of
            it; were they used up, it would call the run invalid.
        seed: of which queries are asked.
        patience_s: how long answers may take beyond ``seconds``.

    Raises:
        TargetHangs: a query was not answered.
    """
    settings = _settings(lg.TestScenario.SingleStream, seconds, seed)
    settings.single_stream_expected_latency_ns = max(1, int(HASTE * expected_ms * 1e6))
    system = System(target)
    samples, said = _run(system, system.ask, settings, seconds + patience_s)
    return _loaded("SingleStream", system, samples, said)


def server(
    target: Target, rate: float, seconds: float, seed: int = 0, patience_s: float = PATIENCE_S
) -> Loaded:
    """Ask at a rate, whatever became of the queries before.

    Args:
        target: what to ask; must ``send``.
        rate: queries per second, Poisson.
        seconds: to ask for.
        seed: of the arrivals and of which queries are asked.
        patience_s: how long after the last arrival answers may come; the rest are errors.

    Raises:
        LeanzooError: the target cannot be asked without waiting.
    """
    _check_sends(target)
    settings = _settings(lg.TestScenario.Server, seconds, seed)
    settings.server_target_qps = rate
    settings.server_target_latency_ns = ANY_LATENCY_NS
    system = System(target)
    with precedence():
        samples, said = _run(system, system.send, settings, seconds + patience_s)
    return _loaded("Server", system, samples, said, rate)


def offline(
    target: Target,
    queries: int,
    in_flight: int,
    expected_per_s: float,
    patience_s: float = PATIENCE_S,
) -> Loaded:
    """Ask everything that there is at once: what a target can do.

    Args:
        target: what to ask; must ``send``.
        queries: how many, the distinct ones in turns.
        in_flight: most that are sent at a time.
        expected_per_s: rate in a pilot, of which the time follows that the run may take.
        patience_s: how much longer it may take; what is open then is an error.

    Raises:
        LeanzooError: the target cannot be asked without waiting.
    """
    _check_sends(target)
    settings = _settings(lg.TestScenario.Offline, 0, 0)
    settings.offline_expected_qps = expected_per_s
    settings.min_query_count = queries
    system = System(target, in_flight)
    limit_s = queries / expected_per_s + patience_s
    samples, said = _run(system, system.send, settings, limit_s)
    return _loaded("Offline", system, samples, said)


def answers(target: Target, limit_s: float = 600.0) -> list[Any]:
    """The answer of every query, each asked once, in the order of their indices.

    Args:
        target: what to ask.
        limit_s: for all of them.

    Raises:
        LeanzooError: a query failed.
        TargetHangs: there were not all answers in time.
    """
    settings = _settings(lg.TestScenario.SingleStream, 0, 0)
    settings.mode = lg.TestMode.AccuracyOnly
    system = System(target)
    _run(system, system.ask, settings, limit_s)
    if system.failure:
        raise LeanzooError(
            f"a query to {target.name} failed ({system.failure}): there is no accuracy without its "
            "answer; measure again when the target answers every query"
        )
    by_index = dict(zip(system.indices, system.answers, strict=True))
    return [by_index[index] for index in range(target.queries)]


def _check_sends(target: Target) -> None:
    if target.send is None:
        raise LeanzooError(
            f"{target.name} cannot be asked without waiting for its answer: give it a send, "
            "or use single_stream"
        )


def _settings(scenario: Any, seconds: float, seed: int) -> Any:
    settings = lg.TestSettings()
    settings.scenario = scenario
    settings.mode = lg.TestMode.PerformanceOnly
    settings.min_duration_ms = round(1000 * seconds)
    settings.min_query_count = 1
    settings.sample_index_rng_seed = settings.schedule_rng_seed = settings.qsl_rng_seed = seed
    return settings


def _run(
    system: System,
    issue: Callable[[Any], None],
    settings: Any,
    limit_s: float,
) -> tuple[Samples, tuple[str, ...]]:
    """Have LoadGen run, and read what it wrote; its files lie in a folder that is removed."""
    with tempfile.TemporaryDirectory(prefix="leanzoo-loadgen-") as folder:
        with _library(system.target.queries) as library, _under_test(issue) as under_test:

            def run() -> None:
                wake_on_time()
                lg.StartTestWithLogSettings(under_test, library, settings, _log_settings(folder))

            with without_pauses():
                _wait(threading.Thread(target=run, daemon=True), system, limit_s)
        return read_samples(Path(folder), system.indices), read_said(Path(folder))


def _wait(thread: threading.Thread, system: System, limit_s: float) -> None:
    """Start a run and wait for its end, which comes though the target hangs, or is interrupted."""
    thread.start()
    try:
        thread.join(limit_s)
    finally:
        if thread.is_alive():
            system.give_up(f"no answer of {system.target.name} within {limit_s:g} s of the start")
            thread.join(GRACE_S)
    if thread.is_alive():
        raise TargetHangs(
            f"{system.target.name} has not answered query {system.indices[-1]} within "
            f"{limit_s + GRACE_S:g} s: have it give up by itself; start anew to measure again"
        )


def _log_settings(folder: str) -> Any:
    """Everything into one folder and nothing to standard output, written after the run."""
    settings = lg.LogSettings()
    settings.log_output.outdir = folder
    settings.log_output.copy_summary_to_stdout = False
    settings.log_mode = lg.LoggingMode.EndOfTestOnly
    settings.enable_trace = True
    return settings


@contextlib.contextmanager
def _under_test(issue: Callable[[Any], None]) -> Iterator[int]:
    system = lg.ConstructSUT(issue, lambda: None)
    yield system
    lg.DestroySUT(system)  # not after an error: a hanging run still uses it


@contextlib.contextmanager
def _library(queries: int) -> Iterator[int]:
    library = lg.ConstructQSL(queries, queries, lambda _: None, lambda _: None)
    yield library
    lg.DestroyQSL(library)


def _loaded(
    scenario: str,
    system: System,
    samples: Samples,
    said: tuple[str, ...],
    rate: float | None = None,
) -> Loaded:
    """What became of the queries: with a rate also how late they were issued."""
    answered = np.array([not isinstance(answer, Exception) for answer in system.answers])
    ours_ms = (np.array(system.done_ns) - np.array(system.issued_ns)) / 1e6
    seconds = float((samples.scheduled_ms + samples.latency_ms).max()) / 1e3
    last_s = float(samples.scheduled_ms[-1]) / 1e3
    return Loaded(
        generator=f"loadgen {scenario}",
        latencies_ms=samples.latency_ms[answered],
        lag_ms=samples.latency_ms - ours_ms if rate else np.array([]),
        offered_per_s=None if rate is None else len(answered) / last_s if last_s else rate,
        achieved_per_s=float(answered.sum()) / seconds,
        seconds=seconds,
        errors=int((~answered).sum()),
        failure=system.failure,
        said=said,
    )
