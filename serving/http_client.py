"""Asks models of the gateway over HTTP.

Methods, results and errors are those of ``serving.client.Client``; the gateway checks requests, and
names forms by itself, see ``serving.http_calls``.
"""

from __future__ import annotations

from typing import Any, Unpack

import httpx
import numpy as np

from serving.closing import Closing
from serving.dialogue import hold
from serving.endpoint import Arrays, Labels
from serving.forecasts import Forecast, History
from serving.http_calls import GatewayCalls
from serving.http_requests import RETRIES, Asking, Request, Traced, checked_url, options
from serving.records import Record, Records
from zoo.contract import Signature


class GatewayClient(Closing):
    """Asks models of the gateway at ``url`` (``http://host:port``).

    Args:
        key: an API key; None where the gateway is open.
        timeout_s: for each of connecting, sending and waiting.
        retries: while no connection can be made, in that time; nothing was sent then.
        retry_busy: repeat what was refused as too much (429, and 503 for overload) as well, as soon
            as the gateway wants it; it was not worked on.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        timeout_s: float = 10.0,
        retries: int = RETRIES,
        retry_busy: bool = False,
    ) -> None:
        self.url = checked_url(url)
        self.timeout_s = timeout_s
        self._calls = GatewayCalls(self.url, timeout_s, retries, retry_busy)
        self._http = httpx.Client(**options(self.url, key))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ready(self) -> bool:
        """Whether every model behind the gateway answers."""
        return hold(self._calls.ready(), self._send)

    def models(self) -> list[str]:
        """Base names of the models."""
        return hold(self._calls.models(), self._send)

    def describe(self, model: str, version: str = "") -> dict[str, Any]:
        """Card, metrics, versions, forms, labels and examples of a model, read anew."""
        return hold(self._calls.describe(model, version), self._send)

    def signature(self, model: str, version: str = "") -> Signature:
        """What goes into a model and what comes out."""
        return hold(self._calls.signature(model, version), self._send)

    def infer(
        self, model: str, arrays: Arrays, version: str = "", **traced: Unpack[Traced]
    ) -> dict[str, np.ndarray]:
        """The outputs of a model that the gateway gives, by name; of click models the score."""
        asking = Asking(version, **traced)
        return hold(self._calls.infer(model, arrays, asking), self._send)

    def classify(
        self,
        model: str,
        arrays: Arrays,
        top: int = 3,
        version: str = "",
        **traced: Unpack[Traced],
    ) -> list[Labels]:
        """For each row the ``top`` likeliest (label, probability), likeliest first."""
        asking = Asking(version, **traced)
        return hold(self._calls.classify(model, arrays, top, asking), self._send)

    def predict(
        self, model: str, records: Records, version: str = "", **traced: Unpack[Traced]
    ) -> list[float]:
        """The score of each record, a dict of field → raw value; see ``serving.records``."""
        asking = Asking(version, **traced)
        return hold(self._calls.predict(model, records, asking), self._send)

    def rank(
        self,
        model: str,
        request: Record,
        candidates: Records,
        version: str = "",
        **traced: Unpack[Traced],
    ) -> list[float]:
        """The score of each candidate for one request; see ``serving.records``."""
        asking = Asking(version, **traced)
        return hold(self._calls.rank(model, request, candidates, asking), self._send)

    def forecast(
        self,
        model: str,
        history: History,
        horizon: int | None = None,
        version: str = "",
        **traced: Unpack[Traced],
    ) -> Forecast:
        """What follows a history, in its own unit; see ``serving.forecasts``."""
        asking = Asking(version, **traced)
        return hold(self._calls.forecast(model, history, horizon, asking), self._send)

    def ask(
        self, path: str, body: dict[str, Any], version: str = "", **traced: Unpack[Traced]
    ) -> dict[str, Any]:
        """The whole answer to any request, with ``version`` and ``request_id``."""
        return hold(self._calls.ask(path, body, Asking(version, **traced)), self._send)

    def _send(self, request: Request) -> httpx.Response:
        return self._http.request(**request.sent_as())
