"""LoadGen on targets that fail, hang or answer twice: the run ends, and says what was wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.load import loadgen
from benchmarks.load.system import NoAnswer, System
from benchmarks.load.target import Done, Target
from tests.benchmarks.workers import QUERIES, Worker, refuse_some
from zoo.contract import LeanzooError


@pytest.fixture
def worker() -> Iterator[Worker]:
    found = Worker()
    yield found
    found.close()


def test_a_query_that_fails_has_no_answer(worker: Worker) -> None:
    worker.answer = refuse_some
    with pytest.raises(LeanzooError, match=r"a worker failed \(ValueError: not this one\)"):
        loadgen.answers(worker.target)


def test_errors_are_counted(worker: Worker) -> None:
    worker.answer = refuse_some
    for run in (
        lambda: loadgen.server(worker.target, 500.0, 0.3),
        lambda: loadgen.offline(worker.target, 5 * QUERIES, 4, expected_per_s=1000.0),
        lambda: loadgen.single_stream(worker.target, 0.05, 1.0),
    ):
        found = run()
        wrong = worker.asked.count(3)
        assert found.errors == wrong > 0 and found.failure == "ValueError: not this one"
        assert len(found.latencies_ms) == len(worker.asked) - wrong
        worker.asked.clear()


def test_a_send_that_raises_is_an_error() -> None:
    def send(index: int, done: Done) -> None:
        raise OSError("no way there")

    found = loadgen.server(Target("nobody", 2, int, send), 200.0, 0.2)
    assert found.errors > 0 and not len(found.latencies_ms) and found.achieved_per_s == 0


@pytest.mark.parametrize("in_flight", [0, 2])
def test_a_target_that_never_answers_ends_the_run(in_flight: int) -> None:
    kept: list[Done] = []
    target = Target("a hole", 2, int, lambda _, done: kept.append(done))
    if in_flight:
        found = loadgen.offline(target, 10, in_flight, expected_per_s=1000.0, patience_s=0.2)
        assert found.errors == 10
    else:
        found = loadgen.server(target, 200.0, 0.2, patience_s=0.2)
        assert found.errors == len(kept) > 0
    assert not len(found.latencies_ms)
    for done in kept:
        done("too late")  # which LoadGen must not be told any more


def test_an_answer_counts_once() -> None:
    def send(index: int, done: Done) -> None:
        done(index)
        done(OSError("twice"))

    found = loadgen.server(Target("an echo", 1, int, send), 300.0, 0.2)
    assert found.errors == 0 and len(found.latencies_ms) > 0


def test_a_caller_that_never_returns_is_named() -> None:
    """In a process of its own, since LoadGen cannot be used again in this one."""
    code = (
        "import time\n"
        "from benchmarks.load import loadgen\n"
        "from benchmarks.load.target import Target\n"
        "loadgen.GRACE_S = 0.1\n"
        "target = Target('a sleeper', 1, lambda _: time.sleep(60))\n"
        "try:\n"
        "    loadgen.single_stream(target, 0.1, 1.0, patience_s=0.1)\n"
        "except loadgen.TargetHangs as error:\n"
        "    print(error, flush=True)\n"
        "    import os; os._exit(0)\n"
    )
    root = Path(loadgen.__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60
    )
    assert "a sleeper has not answered query 0 within 0.3 s" in ran.stdout, ran.stderr


def test_what_is_issued_after_giving_up_fails_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    monkeypatch.setattr(
        "mlperf_loadgen.QuerySamplesComplete", lambda responses: told.append(responses[0].id)
    )
    system = System(Target("a hole", 5, int, lambda *_: None))
    system.send([_Sample(11, 0)])
    system.give_up("enough")
    system.send([_Sample(12, 1)])
    assert told == [11, 12]
    assert [type(answer) for answer in system.answers] == [NoAnswer, NoAnswer]


class _Sample:
    def __init__(self, number: int, index: int) -> None:
        self.id, self.index = number, index
