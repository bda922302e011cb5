"""Requests to the gateway, and how httpx sends them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypedDict

import httpx

from serving.errors import RequestRefused

RETRIES = 2  # of a connection that is refused; nothing was sent
IDLE_S = 2.0  # a connection is kept so long; the gateway keeps it 75 s, a proxy between maybe 5
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=IDLE_S)
NOTHING: Mapping[str, str] = MappingProxyType({})


class Traced(TypedDict, total=False):
    """What a request may be called.

    Attributes:
        request_key: which bucket of a trial the request falls into; empty for any.
        request_id: to find it again in the gateway's log; empty for one that is made there.
    """

    request_key: str
    request_id: str


@dataclass(frozen=True)
class Asking:
    """What a request to a model carries beside its body.

    Attributes:
        version: a number; empty for the one that answers, or by the bucket the one on trial.
        request_key, request_id: see ``Traced``.
    """

    version: str = ""
    request_key: str = ""
    request_id: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """As HTTP has them.

        Raises:
            RequestRefused: a text that no header can hold.
        """
        for name, text in (("request_key", self.request_key), ("request_id", self.request_id)):
            if not (text.isascii() and text.isprintable()):
                raise RequestRefused(f"{name} is {text!r:.40}: expected printable ASCII")
        named = {"X-Request-Key": self.request_key, "X-Request-Id": self.request_id}
        return {name: text for name, text in named.items() if text}

    @property
    def params(self) -> dict[str, str]:
        """As the query has them."""
        return {"version": self.version} if self.version else {}


@dataclass(frozen=True)
class Request:
    """One request, and how long it may take."""

    method: str
    path: str
    body: bytes
    timeout_s: float
    params: Mapping[str, str]
    headers: Mapping[str, str]

    def sent_as(self) -> dict[str, Any]:
        """Arguments of httpx's ``request``."""
        typed = {"content-type": "application/json"} if self.body else {}
        return {
            "method": self.method,
            "url": self.path,
            "content": self.body or None,
            "params": dict(self.params) or None,
            "headers": {**typed, **self.headers},
            "timeout": self.timeout_s,
        }


def checked_url(url: str) -> str:
    """The address of a gateway, without a slash at its end.

    Raises:
        RequestRefused: it is none.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise RequestRefused(f"url '{url}' is none ({error}): expected http://host:port") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise RequestRefused(f"url '{url}': expected http://host:port or https://host")
    return url.rstrip("/")


def options(url: str, key: str | None) -> dict[str, Any]:
    """Arguments of httpx's clients; what the environment says of proxies is not for loopback.

    Raises:
        RequestRefused: the key cannot be part of a header.
    """
    headers = {"accept": "application/json"}
    if key is not None:
        if not (key.isascii() and key.isprintable()):
            raise RequestRefused("the key holds characters that no key has: expected lz_…")
        headers["authorization"] = f"Bearer {key}"
    return {
        "base_url": url,
        "headers": headers,
        "limits": LIMITS,
        "trust_env": False,
        "verify": url.startswith("https:"),  # reading certificates takes longer than a request
    }
