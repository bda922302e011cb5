"""Keeps a Triton running: starts it again when it ends, and says why in one line."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from serving.errors import ServingError
from serving.repository import list_models
from serving.triton import Triton
from zoo.contract import LeanzooError

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 10.0
STEADY_S = 60.0  # a server that ran so long is started again without a pause

log = structlog.get_logger()


class Supervisor:
    """A Triton over ``repository`` that is started again for as long as the ``with`` block runs.

    Args:
        repository: the model repository.
        names: gives what to load, steps of ensembles included, at every start; default all. What
            does not load is left out.
        http_port, grpc_port: 0 for any free one, which is then kept.

    Attributes:
        restarted: is called after every start but the first.
    """

    def __init__(
        self,
        repository: Path,
        names: Callable[[], list[str]] | None = None,
        http_port: int = 0,
        grpc_port: int = 0,
    ) -> None:
        self.repository = repository
        self._names = names or (lambda: list_models(repository))
        self.http_port, self.grpc_port = http_port, grpc_port
        self.restarted: Callable[[], None] = lambda: None
        self._stopping = threading.Event()
        self._turn = threading.Lock()  # of who starts or stops the server

    @property
    def grpc_url(self) -> str:
        """``host:port`` of the gRPC endpoint."""
        return self._triton.grpc_url

    @property
    def http_url(self) -> str:
        """``host:port`` of the HTTP endpoint."""
        return self._triton.http_url

    def __enter__(self) -> Self:
        """Start it, and wait until it answers.

        Raises:
            ServingError: it does not start.
        """
        self._start()
        self.http_port, self.grpc_port = self._triton.http_port, self._triton.grpc_port
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        with self._turn:
            self._triton.__exit__(None, None, None)
        self._thread.join()

    def _start(self) -> None:
        names = self._names()
        triton = Triton(self.repository, names, self.http_port, self.grpc_port, lenient=True)
        triton.__enter__()
        self._triton = triton

    def _watch(self) -> None:
        pause = FIRST_PAUSE_S
        while True:
            started = time.monotonic()
            why = self._ended()
            if self._stopping.is_set():
                return
            if time.monotonic() - started > STEADY_S:
                pause = FIRST_PAUSE_S
            log.warning("triton ended", why=why, again_in_s=pause)
            while not self._again(pause):
                if self._stopping.is_set():
                    return
                pause = min(2 * pause, LONGEST_PAUSE_S)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _ended(self) -> str:
        """Wait for the end of the server, and say what it was."""
        try:
            self._triton.wait()
        except ServingError as error:
            return str(error)
        except OSError:  # whoever stopped it has removed its log
            return "tritonserver ended"
        return ""

    def _again(self, pause: float) -> bool:
        """After a pause start the server; whether it runs."""
        if self._stopping.wait(pause):
            return False
        with self._turn:
            if self._stopping.is_set():
                return False
            self._triton.__exit__(None, None, None)
            try:
                self._start()
            except LeanzooError as error:
                log.warning("triton does not start", why=str(error))
                return False
        self.restarted()
        return True
