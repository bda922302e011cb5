"""Asks models of the gateway over HTTP, from coroutines.

The twin of ``serving.http_client.GatewayClient``: the same methods, awaited.
"""

from __future__ import annotations

from typing import Any, Unpack

import httpx
import numpy as np

from serving.closing import ClosingLater
from serving.dialogue import hold_later
from serving.endpoint import Arrays, Labels
from serving.forecasts import Forecast, History
from serving.http_calls import GatewayCalls
from serving.http_requests import RETRIES, Asking, Request, Traced, checked_url, options
from serving.records import Record, Records
from zoo.contract import Signature


class AsyncGatewayClient(ClosingLater):
    """``GatewayClient`` from coroutines."""

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
        self._http = httpx.AsyncClient(**options(self.url, key))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def ready(self) -> bool:
        """Whether every model behind the gateway answers."""
        return await hold_later(self._calls.ready(), self._send)

    async def models(self) -> list[str]:
        """Base names of the models."""
        return await hold_later(self._calls.models(), self._send)

    async def describe(self, model: str, version: str = "") -> dict[str, Any]:
        """Card, metrics, versions, forms, labels and examples of a model, read anew."""
        return await hold_later(self._calls.describe(model, version), self._send)

    async def signature(self, model: str, version: str = "") -> Signature:
        """What goes into a model and what comes out."""
        return await hold_later(self._calls.signature(model, version), self._send)

    async def infer(
        self, model: str, arrays: Arrays, version: str = "", **traced: Unpack[Traced]
    ) -> dict[str, np.ndarray]:
        """The outputs of a model that the gateway gives, by name; of click models the score."""
        asking = Asking(version, **traced)
        return await hold_later(self._calls.infer(model, arrays, asking), self._send)

    async def classify(
        self,
        model: str,
        arrays: Arrays,
        top: int = 3,
        version: str = "",
        **traced: Unpack[Traced],
    ) -> list[Labels]:
        """For each row the ``top`` likeliest (label, probability), likeliest first."""
        asking = Asking(version, **traced)
        return await hold_later(self._calls.classify(model, arrays, top, asking), self._send)

    async def predict(
        self, model: str, records: Records, version: str = "", **traced: Unpack[Traced]
    ) -> list[float]:
        """The score of each record, a dict of field → raw value; see ``serving.records``."""
        asking = Asking(version, **traced)
        return await hold_later(self._calls.predict(model, records, asking), self._send)

    async def rank(
        self,
        model: str,
        request: Record,
        candidates: Records,
        version: str = "",
        **traced: Unpack[Traced],
    ) -> list[float]:
        """The score of each candidate for one request; see ``serving.records``."""
        asking = Asking(version, **traced)
        return await hold_later(self._calls.rank(model, request, candidates, asking), self._send)

    async def forecast(
        self,
        model: str,
        history: History,
        horizon: int | None = None,
        version: str = "",
        **traced: Unpack[Traced],
    ) -> Forecast:
        """What follows a history, in its own unit; see ``serving.forecasts``."""
        asking = Asking(version, **traced)
        return await hold_later(self._calls.forecast(model, history, horizon, asking), self._send)

    async def ask(
        self, path: str, body: dict[str, Any], version: str = "", **traced: Unpack[Traced]
    ) -> dict[str, Any]:
        """The whole answer to any request, with ``version`` and ``request_id``."""
        return await hold_later(self._calls.ask(path, body, Asking(version, **traced)), self._send)

    async def _send(self, request: Request) -> httpx.Response:
        return await self._http.request(**request.sent_as())
