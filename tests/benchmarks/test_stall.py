"""A stall shows in an open loop's p99, and not in a closed loop's."""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput

from benchmarks.load import loadgen
from benchmarks.load.target import Done, Target
from benchmarks.measurement import Measurement
from benchmarks.stall import pause, real_stall, stalled
from serving.repository import load_golden
from serving.triton import Triton
from tests.serving.tiny_models import MLP

ABOUT: dict[str, Any] = {
    "model": "fake", "role": "student", "form": "rows", "protocol": "A", "batch": 1,
}  # fmt: skip


class Napper:
    """Answers within a tenth of a millisecond, one query at a time, unless it is told to nap."""

    def __init__(self) -> None:
        self._busy = threading.Lock()
        self._asked: queue.SimpleQueue[tuple[int, Done] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()
        self.target = Target("a napper", 7, self.ask, lambda i, done: self._asked.put((i, done)))

    def ask(self, index: int) -> int:
        with self._busy:
            time.sleep(1e-5)
        return index

    def nap(self, seconds: float) -> None:
        with self._busy:
            time.sleep(seconds)

    def close(self) -> None:
        self._asked.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (one := self._asked.get()) is not None:
            index, done = one
            done(self.ask(index))


@pytest.fixture
def napper() -> Iterator[Napper]:
    found = Napper()
    yield found
    found.close()


@pytest.mark.parametrize(("stall_s", "seconds"), [(0.5, 2.5), (2.0, 6.0)])
def test_only_an_open_loop_sees_a_stall(napper: Napper, stall_s: float, seconds: float) -> None:
    found = stalled(
        napper.target, lambda: napper.nap(stall_s), stall_s, rate=400.0, seconds=seconds, **ABOUT
    )
    loops = {name: Measurement.from_json(found[name]) for name in ("open", "closed")}
    for name, loop in loops.items():
        assert loop.load == name and loop.errors == 0 and loop.histogram
        assert loop.p99_ms is not None and loop.samples > 500
    assert loops["open"].p99_ms is not None and loops["closed"].p99_ms is not None
    assert loops["open"].p99_ms.value >= 0.5 * 1000 * stall_s
    assert loops["closed"].p99_ms.value < 0.05 * 1000 * stall_s
    assert loops["closed"].offered_per_s is None
    assert loops["open"].offered_per_s == pytest.approx(400.0, rel=0.1)
    assert found["stall_s"] == stall_s and found["rate_per_s"] == 400.0


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    """A process that answers each line with the same."""
    code = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def echo(process: subprocess.Popen[str]) -> Target:
    """The process as a target."""
    busy = threading.Lock()

    def ask(index: int) -> str:
        assert process.stdin is not None and process.stdout is not None
        with busy:
            process.stdin.write(f"{index}\n")
            process.stdin.flush()
            return process.stdout.readline()

    def send(index: int, done: Done) -> None:
        threading.Thread(target=lambda: done(ask(index))).start()

    return Target("a child", 3, ask, send)


def test_a_process_that_is_stopped_stalls(child: subprocess.Popen[str]) -> None:
    found = real_stall([child.pid], echo(child), 0.5, rate=300.0, seconds=2.5, **ABOUT)
    assert found["open"]["p99_ms"]["value"] >= 250 > found["closed"]["p99_ms"]["value"]
    assert psutil.Process(child.pid).status() != psutil.STATUS_STOPPED


def test_stopped_processes_continue_whatever_happens(child: subprocess.Popen[str]) -> None:
    with pytest.raises(ProcessLookupError):
        pause([child.pid, 2**22 + 1], 60.0)  # above the largest id
    assert psutil.Process(child.pid).status() != psutil.STATUS_STOPPED
    child.send_signal(signal.SIGKILL)
    child.wait()
    with pytest.raises(ProcessLookupError):
        pause([child.pid], 60.0)


@pytest.mark.triton
def test_a_real_server(tmp_path: Path) -> None:
    """Its answers, an open loop, and a stall, over gRPC."""
    MLP.publish(tmp_path / "models")
    golden = load_golden(tmp_path / "models", MLP.name)
    ((name, rows),) = golden.inputs.items()
    with Triton(tmp_path / "models") as triton, InferenceServerClient(triton.grpc_url) as client:
        asked = InferInput(name, rows.shape, "FP32").set_data_from_numpy(rows)

        def send(_: int, done: Done) -> None:
            client.async_infer(MLP.name, [asked], lambda result, error: done(error or result))

        target = Target("Triton", 2, lambda _: client.infer(MLP.name, [asked]), send)
        for answer in loadgen.answers(target):
            assert not golden.mismatch({key: answer.as_numpy(key) for key in golden.outputs})
        pids = [one.pid for one in psutil.Process(triton.guard_pid).children(recursive=True)]
        found = real_stall(pids, target, 0.5, rate=90.0, seconds=6.5, **ABOUT)
    for loop in ("open", "closed"):
        assert found[loop]["errors"] == 0, found[loop]["reasons"]
    assert found["open"]["p99_ms"]["value"] >= 250
