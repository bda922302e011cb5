"""A gateway over a repository, as ``leanzoo serve`` starts it, and what its processes weigh."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from benchmarks.faults.load import Plan
from benchmarks.faults.questions import Question
from zoo.contract import LeanzooError

COMMAND = Path(sys.executable).with_name("leanzoo")
NO_LIMIT = "1000000/second"
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 60.0
DEADLINE_S = 2.0
POLL_S = 0.02
SERVER = "tritonserver"


@dataclass
class Gateway:
    """A running gateway.

    Attributes:
        process: of the gateway itself.
        said: the line that it printed when it was ready.
        log: what it prints.
    """

    process: subprocess.Popen[str]
    said: dict[str, Any]
    log: Path

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, _, port = str(self.said["gateway"]).removeprefix("http://").rpartition(":")
        return host, int(port)

    def plan(self, questions: tuple[Question, ...], rate: float, **options: Any) -> Plan:
        """A plan that asks it."""
        return Plan(*self.address, questions, rate, **options)

    def get(self, path: str, timeout_s: float = 5.0) -> tuple[int, bytes]:
        """Status and body; status 0 where nothing answers."""
        return self._call("GET", path, b"", timeout_s)

    def ask(self, question: Question) -> str:
        """Ask, outside of any load; what is wrong with the answer."""
        status, body = self._call("POST", question.path, question.body, 2 * DEADLINE_S)
        return question.fault(status, body)[1]

    def _call(self, verb: str, path: str, body: bytes, timeout_s: float) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(*self.address, timeout=timeout_s)
        try:
            connection.request(verb, path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def processes(self) -> dict[str, list[psutil.Process]]:
        """The gateway's own process, and those of Triton: server, stubs and guard."""
        own = psutil.Process(self.process.pid)
        return {"gateway": [own], "triton": own.children(recursive=True)}

    def server(self) -> psutil.Process:
        """The tritonserver.

        Raises:
            LeanzooError: none runs.
        """
        for process in self.processes()["triton"]:
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.name() == SERVER:
                    return process
        raise LeanzooError(f"the gateway runs no {SERVER}: is it answering in process?")


@contextlib.contextmanager
def gateway(repository: Path, *options: str) -> Iterator[Gateway]:
    """A gateway on free ports without keys and rate limit, for as long as the block runs.

    Raises:
        LeanzooError: it does not start, with what it said.
    """
    command = [str(COMMAND), "serve", "--open", "--json", "--repository", str(repository)]
    command += ["--port", "0", "--rate", NO_LIMIT]
    starts_triton = not {"--in-process", "--triton-url"} & set(options)
    command += ["--grpc-port", "0", "--http-port", "0"] if starts_triton else []
    command += ["--deadline-s", str(DEADLINE_S), *options]
    with tempfile.TemporaryDirectory(prefix="leanzoo-faults-") as scratch:
        log = Path(scratch) / "gateway.log"
        with log.open("w") as stream:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stream, text=True)
        with process:
            try:
                yield Gateway(process, _said(process, log), log)
            finally:
                _stop(process)


def _said(process: subprocess.Popen[str], log: Path) -> dict[str, Any]:
    """The line that says that it is ready."""
    timer = threading.Timer(START_TIMEOUT_S, process.kill)
    timer.start()
    assert process.stdout is not None
    line = process.stdout.readline()
    timer.cancel()
    try:
        said: dict[str, Any] = json.loads(line)
    except ValueError:
        end = " ".join(log.read_text().split())[-500:]
        raise LeanzooError(f"the gateway did not start: {line.strip()} {end}") from None
    return said


def _stop(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@dataclass
class Sampler:
    """Calls a function again and again in a thread, for as long as its ``with`` block runs.

    Attributes:
        ask: what is called.
        every_s: how often.
        found: (time, what it returned), in order.
    """

    ask: Any
    every_s: float = POLL_S
    found: list[tuple[float, Any]] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            found = self.ask()
            self.found.append((time.monotonic(), found))
            self._stop.wait(self.every_s)


def readiness(running: Gateway) -> Sampler:
    """Samples the status of ``/readyz``; 0 where nothing answers."""
    return Sampler(lambda: running.get("/readyz", 2.0)[0])


def memory(running: Gateway, every_s: float) -> Sampler:
    """Samples resident MiB by part; a gateway that answers in process has one alone."""

    def weigh() -> dict[str, float]:
        weights: dict[str, float] = {}
        for part, processes in running.processes().items():
            weights |= {part: 0.0} if processes else {}
            for process in processes:
                with contextlib.suppress(psutil.NoSuchProcess):
                    weights[part] += process.memory_info().rss / 2**20
        return weights

    return Sampler(weigh, every_s)
