"""Starts a Triton server over a model repository on loopback, and always stops it.

with Triton(Path("model_repository")) as server:
    Client(server.grpc_url).infer(...)

this process ── triton_guard.py ── tritonserver ── a Python stub per model instance
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from serving.client import Client
from serving.errors import ModelUnknown, ServerFailed
from serving.repository import list_models, load_golden, with_steps
from serving.triton_command import (
    HOST,
    check_stub,
    free_ports,
    lay_out_backends,
    server_command,
    server_environment,
)
from serving.triton_install import find_server
from serving.triton_log import log_cause, log_tail

GUARD = Path(__file__).with_name("triton_guard.py")
STOP_TIMEOUT_S = 30.0
POLL_S = 0.05
TOLERANT = ("--exit-on-error=false", "--strict-readiness=false")


class Triton:
    """A Triton server that runs while its ``with`` block does, even if this process is killed.

    Args:
        repository: the model repository.
        models: what to load, with the steps of ensembles; default all.
        http_port: 0 for any free one.
        grpc_port: 0 for any free one.
        log: file for the server's log; default a temporary one, kept if the start fails.
        timeout_s: how long start and canaries may take.
        lenient: start without the models that do not load, and ask none its golden rows: whoever
            serves over it does so, version by version.
    """

    def __init__(
        self,
        repository: Path,
        models: Iterable[str] | None = None,
        http_port: int = 0,
        grpc_port: int = 0,
        log: Path | None = None,
        timeout_s: float = 120.0,
        lenient: bool = False,
    ) -> None:
        self.repository = Path(repository).resolve()
        self.names = list_models(self.repository) if models is None else list(models)
        if not self.names:
            raise ModelUnknown(f"no models to serve in {self.repository}: publish one first")
        self.log = log
        self.timeout_s = timeout_s
        self.lenient = lenient
        self.http_port, self.grpc_port = http_port, grpc_port
        self._temporary_log = False
        self._cleanup = contextlib.ExitStack()

    @property
    def grpc_url(self) -> str:
        """``host:port`` of the gRPC endpoint."""
        return f"{HOST}:{self.grpc_port}"

    @property
    def http_url(self) -> str:
        """``host:port`` of the HTTP endpoint."""
        return f"{HOST}:{self.http_port}"

    @property
    def guard_pid(self) -> int:
        """The process that runs the server; the server is its only child."""
        return self._guard.pid

    def __enter__(self) -> Self:
        """Start the server and wait until every model has answered a canary request, if it must.

        Raises:
            ServerMissing, PortInUse, ModelUnknown, ModelUnavailable: before anything is started.
            ServerFailed: with the cause from the server's log.
        """
        if not self.lenient:
            self.names = with_steps(self.repository, self.names)
            for model in self.names:
                load_golden(self.repository, model)
        try:
            self._start()
        except BaseException:
            self._cleanup.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cleanup.close()
        if self._temporary_log and self.log is not None:
            self.log.unlink(missing_ok=True)

    def load(self, model: str) -> None:
        """Load a model, or the versions of it that were published since; an ensemble's steps first.

        Raises:
            ModelUnknown, ModelUnavailable: before the server is asked.
            ServingError: the server refused it, or it failed its canary.
        """
        for name in with_steps(self.repository, [model]):
            self._client.load(name)
            self._canary(name)

    def unload(self, model: str) -> None:
        """Unload a model."""
        self._client.unload(model)

    def wait(self) -> None:
        """Block for as long as the server runs.

        Raises:
            ServerFailed: it ended by itself.
        """
        self._guard.wait()
        raise self._failure("tritonserver ended")

    def _start(self) -> None:
        install = find_server()
        wanted = [("HTTP", self.http_port), ("gRPC", self.grpc_port)]
        ports = self.http_port, self.grpc_port = free_ports(wanted)
        scratch = Path(tempfile.mkdtemp(prefix="leanzoo-triton-"))
        self._cleanup.callback(shutil.rmtree, scratch, ignore_errors=True)
        env = server_environment(install, scratch)
        check_stub(install, env)
        lay_out_backends(install, scratch)
        guard = [sys.executable, "-I", str(GUARD), str(os.getpid()), str(scratch)]
        command = server_command(install, self.repository, self.names, scratch, ports)
        command += TOLERANT if self.lenient else ()
        self._spawn([*guard, *command], env)
        self._client = self._cleanup.enter_context(Client(self.grpc_url, timeout_s=30.0))
        self._wait_until_ready()
        for model in () if self.lenient else self.names:
            self._canary(model)

    def _spawn(self, command: list[str], env: dict[str, str]) -> None:
        """Start the guard, which starts the server."""
        if self.log is None:
            handle, name = tempfile.mkstemp(prefix="leanzoo-triton-", suffix=".log")
            os.close(handle)
            self.log = Path(name)
            self._temporary_log = True
        with self.log.open("wb") as stream:
            self._guard = subprocess.Popen(
                command,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._cleanup.callback(_stop, self._guard)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.timeout_s
        while not self._client.ready():
            if self._guard.poll() is not None:
                raise self._failure("tritonserver ended while starting")
            if time.monotonic() > deadline:
                raise self._failure(f"tritonserver was not ready after {self.timeout_s:g} s")
            time.sleep(POLL_S)

    def _canary(self, model: str) -> None:
        """Ask a model its golden rows, which it must answer as when it was exported."""
        golden = load_golden(self.repository, model)
        if wrong := golden.mismatch(self._client.infer(model, golden.inputs)):
            raise ServerFailed(
                f"model '{model}' answers its golden rows wrongly ({wrong}): do not serve it; "
                "export and publish it again"
            )

    def _failure(self, what: str) -> ServerFailed:
        """An error of one line, with the end of the log as a note."""
        assert self.log is not None
        error = ServerFailed(f"{what}: {log_cause(self.log)} (log: {self.log})")
        error.add_note(log_tail(self.log))
        return error


def _stop(guard: subprocess.Popen[bytes]) -> None:
    """Ask the guard to end the server; should it hang, the kernel ends both."""
    guard.terminate()
    try:
        guard.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        guard.kill()
        guard.wait()
