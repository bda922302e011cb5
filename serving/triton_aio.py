"""Asks models of a Triton server over gRPC, from coroutines.

The twin of ``serving.client.Client``: the same methods, awaited.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from serving.closing import ClosingLater
from serving.dialogue import Dialogue, Result, hold_later
from serving.endpoint import Arrays, Labels
from serving.forecasts import Forecast, History
from serving.records import Record, Records
from serving.triton_calls import CHANNEL, RETRIES, Call, TritonCalls
from zoo.contract import Signature


class AsyncClient(ClosingLater):
    """Asks models of the Triton server at ``url`` (``host:port`` of its gRPC endpoint).

    It belongs to the event loop that first awaits it. A call whose task is cancelled is cancelled
    in the server too.

    Args:
        timeout_s: for each call to the server.
        retries: while no connection can be made, in that time; nothing was sent then.
    """

    def __init__(self, url: str, timeout_s: float = 10.0, retries: int = RETRIES) -> None:
        self.url = url
        self.timeout_s = timeout_s
        self._calls = TritonCalls(url, timeout_s, retries)

    async def close(self) -> None:
        """Close the connection."""
        if "_triton" in self.__dict__:
            await self._triton.close()

    async def ready(self) -> bool:
        """Whether the server answers and all its models are loaded."""
        try:
            return bool(await self._triton.is_server_ready(client_timeout=self.timeout_s))
        except InferenceServerException:
            return False

    async def models(self) -> list[str]:
        """Names of the loaded models."""
        return await self._hold(self._calls.models())

    async def signature(self, model: str, version: str = "") -> Signature:
        """What goes into a model and what comes out."""
        return await self._hold(self._calls.signature(model, version))

    async def infer(self, model: str, arrays: Arrays, version: str = "") -> dict[str, np.ndarray]:
        """All outputs of a model, by name."""
        return await self._hold(self._calls.infer(model, arrays, version))

    async def infer_raw(
        self,
        model: str,
        arrays: Arrays,
        version: str,
        outputs: Sequence[str],
        timeout_s: float | None = None,
    ) -> tuple[dict[str, np.ndarray], str]:
        """Outputs by name and the version that answered, for callers who check by themselves.

        No signature is read and nothing is checked before it is sent.

        Args:
            version: a number; empty for the one the server prefers.
            outputs: names of those to send back.
            timeout_s: in place of the client's.

        Raises:
            ServingError: any branch of ``serving.errors``.
        """
        return await self._hold(self._calls.infer_raw(model, arrays, version, outputs, timeout_s))

    async def classify(
        self, model: str, arrays: Arrays, top: int = 3, version: str = ""
    ) -> list[Labels]:
        """For each row the ``top`` likeliest (label, probability), likeliest first."""
        return await self._hold(self._calls.classify(model, arrays, top, version))

    async def predict(self, model: str, records: Records, version: str = "") -> list[float]:
        """The score of each record, a dict of field → raw value; see ``serving.records``."""
        return await self._hold(self._calls.predict(model, records, version))

    async def rank(
        self, model: str, request: Record, candidates: Records, version: str = ""
    ) -> list[float]:
        """The score of each candidate for one request; see ``serving.records``."""
        return await self._hold(self._calls.rank(model, request, candidates, version))

    async def forecast(
        self, model: str, history: History, horizon: int | None = None, version: str = ""
    ) -> Forecast:
        """What follows a history, in its own unit; see ``serving.forecasts``."""
        return await self._hold(self._calls.forecast(model, history, horizon, version))

    async def load(self, model: str) -> None:
        """Load a model, or the versions of it that were published since."""
        await self._hold(self._calls.load(model))

    async def unload(self, model: str) -> None:
        """Unload a model."""
        await self._hold(self._calls.unload(model))

    @cached_property
    def _triton(self) -> InferenceServerClient:
        """The connection, made where an event loop runs: it is bound to that."""
        return InferenceServerClient(self.url, channel_args=CHANNEL)

    async def _hold(self, dialogue: Dialogue[Result]) -> Result:
        return await hold_later(dialogue, self._send)

    async def _send(self, call: Call) -> Any:
        method = getattr(self._triton, call.method)
        return await method(*call.args, client_timeout=call.timeout_s)
