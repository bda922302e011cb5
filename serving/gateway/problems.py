"""What the gateway answers where it refuses: a problem as of RFC 9457, in one line.

A detail is the gateway's own text about the request. What a backend says never reaches a client.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import orjson

from serving.errors import (
    DeadlineExceeded,
    ModelUnavailable,
    ModelUnknown,
    RequestRefused,
    ServerBusy,
    ServerUnreachable,
    ServingError,
    one_line,
)

MEDIA_TYPE = "application/problem+json"
LONGEST = 500  # letters of a detail: what was asked may stand in it
FAILED = (500, "the gateway failed on this request: tell who runs it, with the request's id")
RETRY = {"retry-after": "1"}

OF_A_BACKEND: dict[type[ServingError], tuple[int, str]] = {
    RequestRefused: (422, "the model refused the request: check its values"),
    ModelUnknown: (503, "this version of the model is not loaded at present: ask again"),
    ModelUnavailable: (503, "the model is not loaded at present: ask again"),
    ServerBusy: (503, "the model's queue is full: ask again"),
    ServerUnreachable: (503, "the model server cannot be reached at present: ask again"),
    DeadlineExceeded: (504, "no answer within the deadline: send less at a time, or ask again"),
    ServingError: (503, "the model failed on this request: ask again, or tell who runs it"),
}


class Problem(Exception):
    """A refusal.

    Args:
        status: of HTTP.
        detail: what was wrong, what was expected, what to do.
        headers: to answer with.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = one_line(detail, LONGEST)
        self.headers = dict(headers or (RETRY if status in (429, 503) else {}))

    def body(self, request_id: str) -> bytes:
        """The body of the answer."""
        return orjson.dumps(
            {
                "type": "about:blank",
                "title": HTTPStatus(self.status).phrase,
                "status": self.status,
                "detail": self.detail,
                "request_id": request_id,
            }
        )


def of_backend(error: ServingError) -> Problem:
    """What a client is told of a backend's failure."""
    kind = next(kind for kind in type(error).__mro__ if kind in OF_A_BACKEND)
    return Problem(*OF_A_BACKEND[kind])
