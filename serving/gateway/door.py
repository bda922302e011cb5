"""What every request passes: id, key, rate, bounds, deadline; and what is said of it afterwards.

An ASGI middleware. In the log and in measures stand ids, names, versions, codes and times: nothing
of what was asked or answered.
"""

from __future__ import annotations

import asyncio
import secrets
import time
import traceback
from collections.abc import Sequence
from typing import Any

import structlog
from limits import parse as parse_rate
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.errors import ServingError
from serving.gateway.access import Key, find
from serving.gateway.core import Core
from serving.gateway.measures import Measures
from serving.gateway.problems import FAILED, MEDIA_TYPE, Problem
from serving.gateway.visit import VISIT, Visit

OPEN_PATHS = ("/", "/livez", "/readyz")  # and all below /page/
LONGEST_ID = 100
GONE = 499  # in the log: the client left before it was answered

log = structlog.get_logger()


class Door:
    """Lets requests in.

    Args:
        app: what answers them.
        core: whose settings bound them.
        measures: that count them.
        keys: that open it; None for a door that stands open.
    """

    def __init__(
        self, app: ASGIApp, core: Core, measures: Measures, keys: Sequence[Key] | None
    ) -> None:
        self.app, self.core, self.measures, self.keys = app, core, measures, keys
        self.in_flight = 0
        self._turned_away, self._told = 0, 0.0
        self._rate = read_rate(core.settings.rate)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        visit = scope[VISIT] = _visit(headers)
        if scope["method"] == "POST" and self.in_flight >= self.core.settings.max_in_flight:
            return await self._turn_away(visit, send)
        try:
            async with asyncio.timeout(self.core.settings.deadline_s):
                await self._answer(scope, receive, self._sender(visit, send), headers)
        except TimeoutError:
            await self._refuse(visit, _late(scope, visit), send, close=True)
        except Problem as problem:
            await self._refuse(visit, problem, send, close=problem.status == 413)
        except Exception as error:  # a fault of the gateway's own; its text may hold what was asked
            where = "".join(traceback.format_tb(error.__traceback__)[-3:])
            log.error("failed", id=visit.request_id, why=type(error).__name__, where=where)
            await self._refuse(visit, Problem(*FAILED), send, close=True)
        finally:
            self._record(scope, visit)
        return None

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, headers: dict[Any, str]
    ) -> None:
        visit: Visit = scope[VISIT]
        path: str = scope["path"]
        if path not in OPEN_PATHS and not path.startswith("/page/"):
            self._admit(visit, headers.get(b"authorization", ""))
        if scope["method"] != "POST":
            return await self.app(scope, receive, send)
        self.in_flight += 1
        self.measures.in_flight.set(self.in_flight)
        try:
            _check_type(headers)
            visit.body = await read_body(receive, headers, self.core.settings.max_body_bytes)
            await self._unless_gone(scope, receive, send)
        finally:
            self.in_flight -= 1
            self.measures.in_flight.set(self.in_flight)
        return None

    async def _turn_away(self, visit: Visit, send: Send) -> None:
        """Refuse a request before anything is done for it: what is in flight needs the processor.

        In the log they are a number of every second.
        """
        await self._refuse(
            visit, Problem(503, "too many requests at a time: ask again"), send, False
        )
        self.measures.turned_away()
        self._turned_away += 1
        if visit.started - self._told > 1:
            log.warning("turned away", requests=self._turned_away)
            self._told, self._turned_away = visit.started, 0

    def _admit(self, visit: Visit, authorization: str) -> None:
        """Check key and rate."""
        if self.keys is not None:
            whose = find(self.keys, authorization)
            if whose is None:
                header = {"www-authenticate": "Bearer"}
                raise Problem(401, "expected a key: 'Authorization: Bearer lz_…'", header)
            visit.key = whose
        if self._rate is not None and not self._limiter.hit(self._rate, visit.key):
            reset, _ = self._limiter.get_window_stats(self._rate, visit.key)
            wait = max(1, round(reset - time.time()))
            raise Problem(
                429, f"more than {self._rate} with this key: slow down", {"retry-after": str(wait)}
            )

    async def _unless_gone(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, but stop where the client leaves: the cancellation reaches Triton."""
        task = asyncio.current_task()
        visit: Visit = scope[VISIT]
        left = False

        def leave(watch: asyncio.Task[Message]) -> None:
            nonlocal left
            if not watch.cancelled() and not visit.status and task is not None:
                left = True
                task.cancel()

        watch = asyncio.ensure_future(receive())
        watch.add_done_callback(leave)
        try:
            await self.app(scope, receive, send)
        except asyncio.CancelledError:
            if not left or task is None or task.uncancel() > 0:
                raise
            visit.status = GONE
        finally:
            watch.cancel()

    def _sender(self, visit: Visit, send: Send) -> Send:
        """Sends what it is given, with the request's id; while draining connections are closed."""

        async def forward(message: Message) -> None:
            if message["type"] == "http.response.start":
                visit.status = message["status"]
                message["headers"].append((b"x-request-id", visit.request_id.encode()))
                if self.core.draining:
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        return forward

    async def _refuse(self, visit: Visit, problem: Problem, send: Send, close: bool) -> None:
        if visit.status:  # an answer was begun: it ends here
            return
        body = problem.body(visit.request_id)
        headers = {"content-type": MEDIA_TYPE, "content-length": str(len(body)), **problem.headers}
        if close:
            headers["connection"] = "close"
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        start = {"type": "http.response.start", "status": problem.status, "headers": raw}
        forward = self._sender(visit, send)
        await forward(start)
        await forward({"type": "http.response.body", "body": body})

    def _record(self, scope: Scope, visit: Visit) -> None:
        seconds = time.perf_counter() - visit.started
        visit.route = visit.route or ("page" if scope["path"].startswith("/page/") else "other")
        self.measures.answered(visit, seconds)
        log.info(
            "request",
            id=visit.request_id,
            key=visit.key,
            method=scope["method"],
            route=visit.route,
            model=visit.model,
            version=visit.version,
            status=visit.status,
            ms=round(seconds * 1e3, 2),
        )


def read_rate(text: str) -> Any:
    """A rate such as ``100/second``; None where there is none.

    Raises:
        ServingError: it is no rate.
    """
    if not text:
        return None
    try:
        return parse_rate(text)
    except ValueError:
        raise ServingError(f"rate '{text}': expected one such as 100/second") from None


async def read_body(receive: Receive, headers: dict[Any, str], limit: int) -> bytes:
    """A request's body, cut off as soon as it is too large.

    Raises:
        Problem: it is larger than ``limit`` bytes, or the client left.
    """
    too_large = Problem(413, f"the body has more than {limit:,} bytes: send less at a time")
    length = headers.get(b"content-length", "0")
    if length.isdecimal() and int(length) > limit:
        raise too_large
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Problem(400, "the connection ended before the body did")
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise too_large
        parts.append(part)
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _visit(headers: dict[Any, str]) -> Visit:
    given = headers.get(b"x-request-id", "")
    fits = 0 < len(given) <= LONGEST_ID and given.isascii() and given.isprintable()
    request_id = given if fits else secrets.token_hex(8)
    return Visit(request_id, headers.get(b"x-request-key", "") or request_id)


def _late(scope: Scope, visit: Visit) -> Problem:
    if scope["method"] == "POST" and not visit.body:
        return Problem(408, "the body did not come within the deadline: send it at once")
    return Problem(504, "no answer within the deadline: send less at a time")


def _check_type(headers: dict[Any, str]) -> None:
    kind = headers.get(b"content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem(415, "expected a body of content type application/json")
