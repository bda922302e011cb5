"""Turns what the gateway refuses, and what fails on the way to it, into ``serving.errors``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import orjson

from serving.errors import (
    AccessRefused,
    DeadlineExceeded,
    ModelUnknown,
    RequestRefused,
    ServerBusy,
    ServerUnreachable,
    ServingError,
    one_line,
)
from serving.gateway.problems import OF_A_BACKEND

OF_STATUS: dict[int, type[ServingError]] = {
    400: RequestRefused,
    401: AccessRefused,
    403: AccessRefused,
    404: ModelUnknown,
    405: RequestRefused,
    408: DeadlineExceeded,
    413: RequestRefused,
    415: RequestRefused,
    422: RequestRefused,
    429: ServerBusy,
    504: DeadlineExceeded,
}
OF_DETAIL = {detail: kind for kind, (_, detail) in OF_A_BACKEND.items()}  # what is behind a 503


def refusal(status: int, headers: Mapping[str, str], body: bytes, url: str) -> ServingError:
    """The error for an answer that is none.

    Its text is the gateway's, and the request's id, which its log has too.
    """
    problem = _problem(body)
    detail = one_line(problem.get("detail") or "")
    if not detail:
        return ServingError(
            f"{url} answered with status {status} and no reason: is a leanzoo gateway there?"
        )
    error = _type_of(status, detail)(f"{detail} (request {problem.get('request_id', 'unknown')})")
    wait = headers.get("retry-after", "")
    error.retry_after_s = float(wait) if wait.isdecimal() else None
    return error


def _problem(body: bytes) -> dict[str, Any]:
    """A problem as of RFC 9457; empty where the body is none."""
    try:
        problem = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return problem if isinstance(problem, dict) else {}


def _type_of(status: int, detail: str) -> type[ServingError]:
    if status == 503:
        return OF_DETAIL.get(detail, ServerBusy)
    return OF_STATUS.get(status, ServingError)


def failed_request(error: httpx.RequestError, url: str, timeout_s: float) -> ServingError:
    """The error for a request without an answer."""
    if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
        return DeadlineExceeded(
            f"{url} gave no answer within {timeout_s:g} s: raise timeout_s, or send less at a time"
        )
    reason = one_line(error) or type(error).__name__
    if never_sent(error):
        return ServerUnreachable(
            f"no gateway answers at {url} ({reason}): start one with `leanzoo serve`, or check "
            "host and port"
        )
    return ServerUnreachable(
        f"{url} broke off before it answered ({reason}): whether the request was worked on is "
        "not known; ask again if that does no harm"
    )


def never_sent(error: Exception) -> bool:
    """Whether a request failed for want of a connection, so that nothing of it was sent."""
    return isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
