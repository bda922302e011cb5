"""Runs the gateway, and drains it when it is told to stop.

SIGTERM or SIGINT: readiness says no at once and answers close their connections; after ``drain_s``
nothing new is taken, what is in flight is answered, and the process ends with code 0.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator

import orjson
import structlog
import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.errors import PortInUse
from serving.gateway.app import Gateway

KEEP_ALIVE_S = 75
BACKLOG = 2048
LAST_WORD_S = 0.25


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one.

    Raises:
        PortInUse: naming the port and the remedy.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise PortInUse(
            f"port {port} of {host} cannot be used ({error.strerror}): stop what listens there "
            f"(ss -ltnp 'sport = :{port}'), or choose another"
        ) from None
    return listener


def run(gateway: Gateway, listener: socket.socket, started: Callable[[], None]) -> None:
    """Serve until told to stop.

    Args:
        gateway: what answers.
        listener: where it is asked.
        started: is called once it answers.
    """
    config = uvicorn.Config(
        gateway.app,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        http=HttpToolsProtocol,
    )
    server = _Server(config, gateway, started)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve(sockets=[listener]))


class _Server(uvicorn.Server):
    """uvicorn's, with signals that drain before they stop."""

    def __init__(self, config: uvicorn.Config, gateway: Gateway, begun: Callable[[], None]) -> None:
        super().__init__(config)
        self._gateway, self._begun = gateway, begun

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        if self.started:
            self._begun()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the port without losing a connection that the kernel has made already, then stop.

        It resets those that nobody has accepted as a port is closed, and uvicorn ends those whose
        request has not been read. So the last ones are accepted here, right before it is closed,
        and have a moment to send.
        """
        held = [listener.dup() for listener in sockets or ()]  # the loop closes its own
        for server in self.servers:
            server.close()
        await asyncio.sleep(0)
        for listener in held:
            await self._accept_last(listener)
        await asyncio.sleep(LAST_WORD_S)
        await super().shutdown([])

    async def _accept_last(self, listener: socket.socket) -> None:
        """Accept what waits at a port, and close it."""
        loop, waiting = asyncio.get_running_loop(), []
        listener.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                waiting.append(listener.accept()[0])
        listener.close()
        for connection in waiting:
            await loop.connect_accepted_socket(self._protocol, connection)

    def _protocol(self) -> asyncio.Protocol:
        return HttpToolsProtocol(self.config, self.server_state, self.lifespan.state)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Drain on a first signal; a second one stops at once."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._drain, loop)
        yield
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

    def _drain(self, loop: asyncio.AbstractEventLoop) -> None:
        core = self._gateway.core
        if core.draining:
            self.force_exit = self.should_exit = True
            return
        core.draining = True
        loop.call_later(core.settings.drain_s, setattr, self, "should_exit", True)


def log_to_stderr() -> None:
    """Log lines of JSON, or on a terminal of text."""
    terminal = sys.stderr.isatty()
    stamp = structlog.processors.TimeStamper("iso", utc=True)
    wanted = structlog.make_filtering_bound_logger(logging.INFO)
    levelled = structlog.processors.add_log_level
    trace = structlog.processors.format_exc_info
    if terminal:
        structlog.configure([levelled, stamp, structlog.dev.ConsoleRenderer()], wanted)
        return
    lines = structlog.processors.JSONRenderer(serializer=orjson.dumps)
    structlog.configure(
        [levelled, stamp, trace, lines],
        wanted,
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
