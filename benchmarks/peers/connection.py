"""A connection that stays open and asks a service over HTTP, for little time of its own."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from benchmarks.environments import ComparisonError

READ_BYTES = 1 << 18
END = b"\r\n\r\n"


class Connection:
    """Posts JSON to one service, a request at a time.

    Args:
        url: ``http://host:port`` of the service.
        timeout_s: for a connection, and for each piece of an answer.
    """

    def __init__(self, url: str, timeout_s: float = 10.0) -> None:
        self.url, place = url, urlsplit(url)
        self._host = place.netloc
        self._socket = socket.create_connection((place.hostname, place.port), timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def request(self, path: str, body: bytes) -> bytes:
        """A request as it is sent, made beforehand so that it takes no time later."""
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
            f"Accept: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def ask(self, request: bytes) -> bytes:
        """The body of the answer to a request that ``request`` made.

        Raises:
            ComparisonError: the service refused it, or hung up.
        """
        self._socket.sendall(request)
        answer = self._socket.recv(READ_BYTES)
        while (end := answer.find(END)) < 0:
            answer += self._more()
        head = answer[:end].lower()
        missing = content_length(head) - (len(answer) - end - len(END))
        pieces = [answer[end + len(END) :]]
        while missing > 0:
            pieces.append(self._more())
            missing -= len(pieces[-1])
        body = b"".join(pieces)
        if head.split(b" ", 2)[1] != b"200":
            raise ComparisonError(f"{self.url} refused a request: {said(head, body)}")
        return body

    def _more(self) -> bytes:
        piece = self._socket.recv(READ_BYTES)
        if not piece:
            raise ComparisonError(f"{self.url} hung up: see what it logged")
        return piece


def content_length(head: bytes) -> int:
    """How long a body is, by the head of its message in lower case.

    Raises:
        ComparisonError: it is sent in chunks, which this client does not read.
    """
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return int(value)
    raise ComparisonError("an answer has no Content-Length: this client reads no other")


def said(head: bytes, body: bytes) -> str:
    """An answer in one short line."""
    status = head.split(b"\r\n", 1)[0]
    return f"{status.decode()}: {body[:200].decode(errors='replace')}"
