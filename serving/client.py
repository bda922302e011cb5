"""Asks models of a Triton server over gRPC; and one door to whatever answers at an address.

Needs nothing but the server's address: a published ``config.pbtxt`` carries the model's
signature, and requests are checked against it before they are sent.

address                                    threads: ``connect``   coroutines: ``connect_async``
host:port, grpc://host:port    a Triton    Client                 triton_aio.AsyncClient
http://host:port, https://…    a gateway   http_client.           http_aio.
                                           GatewayClient          AsyncGatewayClient

All have the same methods, with the same results and errors. A request is sent again only where no
connection could be made, so that nothing was sent before; never after an error in reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

from serving.closing import Closing
from serving.dialogue import hold
from serving.endpoint import Arrays, Labels
from serving.errors import RequestRefused
from serving.forecasts import Forecast, History
from serving.records import Record, Records
from serving.triton_calls import CHANNEL, RETRIES, Call, TritonCalls
from zoo.contract import Signature

if TYPE_CHECKING:
    from serving.http_aio import AsyncGatewayClient
    from serving.http_client import GatewayClient
    from serving.triton_aio import AsyncClient

TIMEOUT_S = 10.0


def connect(
    url: str, key: str | None = None, timeout_s: float = TIMEOUT_S
) -> Client | GatewayClient:
    """A client of the Triton server or the gateway at an address.

    Args:
        key: an API key of the gateway.

    Raises:
        RequestRefused: an address of neither, or a key for Triton.
    """
    address = _grpc_address(url, key)
    if address:
        return Client(address, timeout_s)
    from serving.http_client import GatewayClient

    return GatewayClient(url, key, timeout_s)


def connect_async(
    url: str, key: str | None = None, timeout_s: float = TIMEOUT_S
) -> AsyncClient | AsyncGatewayClient:
    """``connect`` for coroutines."""
    address = _grpc_address(url, key)
    if address:
        from serving.triton_aio import AsyncClient

        return AsyncClient(address, timeout_s)
    from serving.http_aio import AsyncGatewayClient

    return AsyncGatewayClient(url, key, timeout_s)


def _grpc_address(url: str, key: str | None) -> str:
    """Host and port of a Triton server; empty for a gateway's address."""
    if url.startswith(("http://", "https://")):
        return ""
    address = url.removeprefix("grpc://")
    if "://" in address or not address:
        raise RequestRefused(
            f"url '{url}': expected host:port of a Triton server's gRPC, or http://host:port of a "
            "gateway"
        )
    if key is not None:
        raise RequestRefused(f"{url} is a Triton server, which takes no key: leave out the key")
    return address


class Client(Closing):
    """Asks models of the Triton server at ``url`` (``host:port`` of its gRPC endpoint).

    Args:
        timeout_s: for each call to the server.
        retries: while no connection can be made, in that time; nothing was sent then.
    """

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S, retries: int = RETRIES) -> None:
        self.url = url
        self.timeout_s = timeout_s
        self._triton = InferenceServerClient(url, channel_args=CHANNEL)
        self._calls = TritonCalls(url, timeout_s, retries)

    def close(self) -> None:
        """Close the connection."""
        self._triton.close()

    def ready(self) -> bool:
        """Whether the server answers and all its models are loaded."""
        try:
            return bool(self._triton.is_server_ready(client_timeout=self.timeout_s))
        except InferenceServerException:
            return False

    def models(self) -> list[str]:
        """Names of the loaded models."""
        return hold(self._calls.models(), self._send)

    def signature(self, model: str, version: str = "") -> Signature:
        """What goes into a model and what comes out.

        Raises:
            ModelUnknown, ModelUnavailable, ServerUnreachable, DeadlineExceeded.
        """
        return hold(self._calls.signature(model, version), self._send)

    def infer(self, model: str, arrays: Arrays, version: str = "") -> dict[str, np.ndarray]:
        """All outputs of a model, by name.

        Args:
            version: a number; empty for the one the server prefers.

        Raises:
            RequestRefused: the arrays do not fit the signature; nothing was sent.
            ServingError: any other branch of ``serving.errors``.
        """
        return hold(self._calls.infer(model, arrays, version), self._send)

    def classify(self, model: str, arrays: Arrays, top: int = 3, version: str = "") -> list[Labels]:
        """For each row the ``top`` likeliest (label, probability), likeliest first.

        The server's classification extension answers, so that labels are always those of the
        version that computed them; it prints probabilities with six decimals.
        """
        return hold(self._calls.classify(model, arrays, top, version), self._send)

    def predict(self, model: str, records: Records, version: str = "") -> list[float]:
        """The score of each record, a dict of field → raw value; see ``serving.records``."""
        return hold(self._calls.predict(model, records, version), self._send)

    def rank(
        self, model: str, request: Record, candidates: Records, version: str = ""
    ) -> list[float]:
        """The score of each candidate for one request; see ``serving.records``."""
        return hold(self._calls.rank(model, request, candidates, version), self._send)

    def forecast(
        self, model: str, history: History, horizon: int | None = None, version: str = ""
    ) -> Forecast:
        """What follows a history, in its own unit; see ``serving.forecasts``."""
        return hold(self._calls.forecast(model, history, horizon, version), self._send)

    def load(self, model: str) -> None:
        """Load a model, or the versions of it that were published since."""
        hold(self._calls.load(model), self._send)

    def unload(self, model: str) -> None:
        """Unload a model."""
        hold(self._calls.unload(model), self._send)

    def _send(self, call: Call) -> Any:
        method = getattr(self._triton, call.method)
        return method(*call.args, client_timeout=call.timeout_s)
