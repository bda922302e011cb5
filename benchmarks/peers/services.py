"""Starts the services that are compared, each a process of its own on loopback, and stops them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.environments import SAFE, ComparisonError, last_line

HOST = "127.0.0.1"
HERE = Path(__file__).parent
START_S, STOP_S, POLL_S = 180.0, 20.0, 0.05
QUIET = ["--no-access-log", "--log-level", "warning"]


@contextlib.contextmanager
def gateway(
    repository: Path, models: Sequence[str], folder: Path, *options: str
) -> Iterator[dict[str, Any]]:
    """``leanzoo serve``; what it printed once it was ready.

    Args:
        repository: the model repository.
        models: what to serve.
        folder: for its log.
        options: more of the command, such as ``--in-process``.
    """
    command = [str(Path(sys.executable).with_name("leanzoo")), "serve", *models, "--open", "--json"]
    command += ["--repository", str(repository), "--port", "0", *options]
    if "--in-process" not in options:
        command += ["--grpc-port", "0", "--http-port", "0"]
    log = folder / f"gateway{''.join(options)}.log"
    with _process(command, log, {}, subprocess.PIPE) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith("{"):
            raise ComparisonError(f"leanzoo serve failed ({last_line(log.read_text())})")
        yield json.loads(line)


@contextlib.contextmanager
def fastapi(python: Path, graph: Path, folder: Path) -> Iterator[str]:
    """The hand-written service under uvicorn; its address."""
    port = free_port()
    command = [str(python), *SAFE, "-m", "uvicorn", "--app-dir", str(HERE), *QUIET]
    command += ["fastapi_service:app", "--host", HOST, "--port", str(port)]
    with _process(command, folder / "fastapi.log", {"PEER_MODEL": str(graph)}) as process:
        yield _listening(process, port, folder / "fastapi.log")


@contextlib.contextmanager
def bentoml(python: Path, graph: Path, folder: Path, service: str = "Mlp") -> Iterator[str]:
    """A service of BentoML; its address."""
    port, log = free_port(), folder / f"bentoml-{service}.log"
    command = [str(python), *SAFE, "-m", "bentoml", "serve", f"bentoml_service:{service}"]
    command += ["--working-dir", str(HERE), "--host", HOST, "--port", str(port)]
    own = {
        "PEER_MODEL": str(graph),
        "BENTOML_HOME": str(folder / f"bentoml-{service}"),
        "BENTOML_DO_NOT_TRACK": "True",
    }
    with _process(command, log, own) as process:
        yield _listening(process, port, log)


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _process(
    command: Sequence[str], log: Path, own: dict[str, str], stdout: int | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A process in a session of its own, which ends with all that it started.

    Args:
        command: what to run.
        log: for its errors, and its output unless that goes elsewhere.
        own: more of its environment.
        stdout: where else its output goes.
    """
    with log.open("w") as errors:
        process = subprocess.Popen(
            command,
            stdout=errors if stdout is None else stdout,
            stderr=errors,
            text=True,
            start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", **own},
        )
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _listening(process: subprocess.Popen[str], port: int, log: Path) -> str:
    """The address of a service, once it listens.

    Raises:
        ComparisonError: it ended, or never listened.
    """
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
            return f"http://{HOST}:{port}"
        time.sleep(POLL_S)
    raise ComparisonError(f"{log.stem} does not listen ({last_line(log.read_text())})")
