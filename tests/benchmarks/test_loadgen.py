"""LoadGen on targets in this process: what is asked, when, and what becomes of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.load import loadgen
from benchmarks.load.logs import read_said, read_samples
from benchmarks.load.target import Done, Target
from tests.benchmarks.workers import QUERIES, Worker
from zoo.contract import LeanzooError


@pytest.fixture
def worker() -> Iterator[Worker]:
    found = Worker()
    yield found
    found.close()


@pytest.fixture(autouse=True)
def nothing_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[None]:
    """LoadGen writes into no working directory and says nothing."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not [*tmp_path.iterdir()]
    assert capfd.readouterr() == ("", "")


def test_every_query_is_answered_once_and_in_order(worker: Worker) -> None:
    assert loadgen.answers(worker.target) == [10 * index for index in range(QUERIES)]
    assert sorted(worker.asked) == list(range(QUERIES))


def test_a_closed_loop(worker: Worker) -> None:
    worker.answer = lambda index: time.sleep(0.001)
    found = loadgen.single_stream(worker.target, 0.2, expected_ms=1.0)
    assert found.generator == "loadgen SingleStream" and found.errors == 0
    assert len(found.latencies_ms) == len(worker.asked) and found.latencies_ms.min() >= 1
    assert found.offered_per_s is None and not len(found.lag_ms)
    assert found.achieved_per_s == pytest.approx(len(worker.asked) / found.seconds)
    assert 0.2 <= found.seconds < 5


def test_an_open_loop_counts_from_the_schedule(worker: Worker) -> None:
    """One query that takes long delays those behind it: that is latency, and no lag."""

    def answer(index: int) -> None:
        if len(worker.asked) < 20:
            time.sleep(0.02)

    worker.answer = answer
    found = loadgen.server(worker.target, rate=500.0, seconds=1.0)
    assert found.generator == "loadgen Server" and found.errors == 0 and found.said == ()
    assert len(found.latencies_ms) == len(found.lag_ms) == len(worker.asked)
    assert found.latencies_ms.max() >= 20 and found.latencies_ms.min() > 0
    assert found.lag_ms.min() > 0 and np.median(found.lag_ms) < 20
    assert found.offered_per_s == pytest.approx(500.0, rel=0.2)
    assert found.achieved_per_s <= found.offered_per_s


def test_a_generator_that_is_late_says_so(worker: Worker) -> None:
    """What holds up the issuing thread is lag, which counts as latency too."""

    def send(index: int, done: Done) -> None:
        time.sleep(0.03)
        done(index)

    found = loadgen.server(Target("a slow sender", 1, int, send), rate=100.0, seconds=0.5)
    assert found.lag_ms.max() > 100  # a query every 10 ms, of which each holds up 30
    assert np.all(found.latencies_ms >= found.lag_ms + 29)


def test_a_seed_determines_what_is_asked(worker: Worker) -> None:
    offered, asked = [], []
    for seed in (1, 1, 2):
        worker.asked.clear()
        offered.append(loadgen.server(worker.target, 500.0, 0.2, seed=seed).offered_per_s)
        asked.append([*worker.asked])
    assert asked[0] == asked[1] != asked[2]
    assert offered[0] == pytest.approx(offered[1]) and offered[0] != pytest.approx(offered[2])


def test_everything_at_once_is_sent_a_few_at_a_time() -> None:
    in_flight, most = 0, 0
    lock = threading.Lock()

    def send(index: int, done: Done) -> None:
        nonlocal in_flight, most
        with lock:
            in_flight += 1
            most = max(most, in_flight)
        threading.Timer(0.002, answer, (index, done)).start()

    def answer(index: int, done: Done) -> None:
        nonlocal in_flight
        with lock:
            in_flight -= 1
        done(index)

    found = loadgen.offline(Target("timers", QUERIES, int, send), 60, 4, expected_per_s=1000.0)
    assert most == 4 and len(found.latencies_ms) == 60 and found.errors == 0
    assert found.achieved_per_s == pytest.approx(60 / found.seconds)
    assert not len(found.lag_ms) and found.offered_per_s is None


def test_an_open_loop_needs_a_target_that_sends() -> None:
    silent = Target("a caller", 1, int)
    for ask in (
        lambda: loadgen.server(silent, 1.0, 1.0),
        lambda: loadgen.offline(silent, 1, 1, 1.0),
    ):
        with pytest.raises(LeanzooError, match="a caller cannot be asked without waiting"):
            ask()


def test_what_loadgen_finds_invalid_is_passed_on(worker: Worker) -> None:
    """A pilot that was far off: LoadGen runs out of queries."""
    found = loadgen.single_stream(worker.target, 0.5, expected_ms=100.0)
    assert "LoadGen: Min duration satisfied: NO" in found.said
    assert any("Decrease the expected latency" in line for line in found.said)
    assert all("\n" not in line for line in found.said)


def test_a_summary_of_a_valid_run_says_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("log")
    summary = folder / "mlperf_log_summary.txt"
    summary.write_text("Result is : VALID\n  Min duration satisfied : Yes\n")
    assert read_said(folder) == ()
    summary.write_text("Result is : INVALID\n  Min duration satisfied : NO\nRecommendations:\n")
    assert read_said(folder) == ("LoadGen: Min duration satisfied: NO",)


def test_samples_must_be_those_that_were_issued(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Latencies by LoadGen's clock belong to our queries only if the order is the same."""
    folder = tmp_path_factory.mktemp("log")
    line = (
        '{{"name":"Sample","cat":"default","ph":"b","pid":1,"id":{0},"ts":{1},"args":'
        '{{"sample_seq":{0},"query_seq":{0},"sample_idx":{2},"issue_start_ns":5,'
        '"complete_ns":{3}}}}},\n'
    )
    rows = [(1, 3000.25, 4, 2_000_000), (0, 1000.25, 7, 1_000_000)]
    (folder / "mlperf_log_trace.json").write_text("".join(line.format(*row) for row in rows))
    found = read_samples(folder, [7, 4])
    assert found.scheduled_ms == pytest.approx([0.0, 2.0])
    assert found.latency_ms == pytest.approx([1.0, 2.0])
    for other in ([4, 7], [7]):
        with pytest.raises(LeanzooError, match="LoadGen's trace has 2 queries"):
            read_samples(folder, other)
