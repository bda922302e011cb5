"""What is known of one request while it is answered."""

from __future__ import annotations

import time
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

VISIT = "leanzoo.visit"  # of an ASGI scope
NOBODY = ""


@dataclass(slots=True)
class Visit:
    """One request, on its way through the gateway.

    Attributes:
        request_id: the client's, else one that was made.
        bucket: the text that decides whether a canary answers.
        key: name of the API key.
        body: of the request, read and bounded.
        route, model, version: what was asked; empty and 0 until they are known.
        status: of the answer; 0 until it is sent.
        started: on the monotonic clock, in seconds.
    """

    request_id: str
    bucket: str
    key: str = NOBODY
    body: bytes = b""
    route: str = ""
    model: str = ""
    version: int = 0
    status: int = 0
    started: float = field(default_factory=time.perf_counter)


def visit_of(scope: MutableMapping[str, Any]) -> Visit:
    """The visit that the door put into an ASGI scope."""
    visit: Visit = scope[VISIT]
    return visit
