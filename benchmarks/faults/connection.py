"""One kept-alive HTTP connection that carries one request at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

import httptools


@dataclass(slots=True)
class Asked:
    """A request and what became of it; times are those of ``time.monotonic``.

    Attributes:
        number: of the request, from 0.
        question: its index among those of the plan.
        due_s, sent_s, done_s: when it was due, written, and answered or given up; ``sent_s`` is 0
            where it never was written.
        status: 0 where there was no answer.
        version: that answered; 0 where none is named.
        fault: what was wrong; empty where nothing was.
        closing: the answer said that its connection closes.
    """

    number: int
    question: int
    due_s: float
    sent_s: float = 0.0
    done_s: float = 0.0
    status: int = 0
    version: int = 0
    fault: str = ""
    closing: bool = False

    @property
    def latency_s(self) -> float:
        """From when it was due, or written if a timer was early, until it was answered."""
        return self.done_s - min(self.due_s, self.sent_s or self.due_s)

    @property
    def key(self) -> str:
        """The request key that it carried, which decides whether a canary answers."""
        return f"key-{self.number}"


class Answered(Protocol):
    """What is told that a connection's request is answered, or that it is lost."""

    def __call__(self, connection: Connection, body: bytes, fault: str) -> None:
        """Judge the answer; ``fault`` says why there is none."""


class Connection(asyncio.Protocol):
    """Sends requests, one after the other, and reads their answers.

    Args:
        answered: is told what came of each.
        clock: of the times that are written down.

    Attributes:
        asked: what it carries now.
        answered_s: when it last carried an answer.
    """

    transport: asyncio.Transport

    def __init__(self, answered: Answered, clock: Callable[[], float]) -> None:
        self.asked: Asked | None = None
        self.answered_s = 0.0
        self._answered = answered
        self._clock = clock
        self._body: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what is written to."""
        self.transport = cast(asyncio.Transport, transport)  # which uvloop's is, but for the type

    def send(self, asked: Asked, wire: bytes) -> None:
        """Write a request."""
        self.asked = asked
        asked.sent_s = self._clock()
        self.transport.write(wire)

    def give_up(self, fault: str) -> None:
        """Close, and say why there is no answer."""
        self.transport.abort()
        self._finish(b"", fault)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.give_up(f"lost: what came is no HTTP ({error})")

    def on_body(self, data: bytes) -> None:
        """Keep a piece of the answer."""
        self._body.append(data)

    def on_message_complete(self) -> None:
        """The answer is whole."""
        asked = self.asked
        if asked is None:
            self.transport.abort()  # an answer that nobody asked for
            return
        asked.status = self._parser.get_status_code()
        asked.closing = not self._parser.should_keep_alive()
        if asked.closing:
            self.transport.close()
        body = b"".join(self._body)
        self._body.clear()
        self._finish(body, "")

    def connection_lost(self, error: Exception | None) -> None:
        """The server closed it, or the network did."""
        self._finish(b"", f"lost: the connection closed ({error or 'end of file'})")

    def _finish(self, body: bytes, fault: str) -> None:
        if self.asked is not None:
            self.asked.done_s = self.answered_s = self._clock()
            self._answered(self, body, fault)
