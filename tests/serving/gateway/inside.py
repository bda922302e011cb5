"""A gateway in the process of a test, and a backend that does what the test wants."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from structlog.testing import capture_logs

from serving.gateway.access import hashed
from serving.gateway.app import Gateway
from serving.gateway.catalogue import Served
from serving.gateway.measures import Measures
from serving.gateway.settings import Settings
from serving.local import Local
from tests.serving.tiny_model import TinyModel

PATIENCE_S = 20.0
ONE_ROW = {"features": [[0.1, 0.2, 0.3, 0.4]]}
CLASSIFY = "/v1/graph/mlp-tiny/classify"
PREDICT, RANK = "/v1/ctr/clicks/predict", "/v1/ctr/clicks/rank"
FORECASTS = "/v1/forecast/forecast-tiny"

Arrays = Mapping[str, np.ndarray]
Before = Callable[[Served, Arrays], Awaitable[Any]]


async def nothing(*_: Any) -> None:
    """Nothing happens before a model answers."""


class Scripted:
    """Answers as the models of a repository do, once ``before`` has let it.

    Attributes:
        before: is awaited by every request but golden rows.
        probed: is awaited by golden rows.
        asked: name and version of every request but golden rows.
        cancelled: of these how many were called off.
        loaded: names that were to be loaded.
    """

    def __init__(self, repository: Path) -> None:
        self.local = Local(repository)
        self.before: Before = nothing
        self.probed: Before = nothing
        self.asked: list[tuple[str, int]] = []
        self.cancelled = 0
        self.loaded: list[str] = []

    async def infer(self, served: Served, arrays: Arrays, timeout_s: float) -> Arrays:
        if arrays is served.golden.inputs:
            changed = await self.probed(served, arrays)
        else:
            self.asked.append((served.name, served.version))
            try:
                changed = await self.before(served, arrays)
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        if changed is not None:
            answer: Arrays = changed
            return answer
        return self.local.infer(served.name, arrays, str(served.version))

    async def load(self, name: str) -> None:
        self.loaded.append(name)

    async def close(self) -> None:
        self.local.close()


def settings(repository: Path, **more: Any) -> Settings:
    """What a gateway of a test is told."""
    return replace(Settings(repository, probe_s=0.1, probe_budget_s=5.0, drain_s=0.0), **more)


@contextlib.asynccontextmanager
async def entered(gateway: Gateway, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway that has started, and a client of it."""
    transport = httpx.ASGITransport(gateway.app, raise_app_exceptions=False)
    async with (
        gateway.fastapi.router.lifespan_context(gateway.fastapi),
        httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as found,
    ):
        yield found


def ask(gateway: Gateway, method: str, path: str, **request: Any) -> httpx.Response:
    """One request to a gateway that is started for it."""

    async def asking() -> httpx.Response:
        async with entered(gateway) as client:
            return await client.request(method, path, **request)

    return asyncio.run(asking())


async def until(condition: Callable[[], Any]) -> None:
    """Wait for something that others bring about."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.01)


def retrained(model: TinyModel) -> TinyModel:
    """The same model with other weights."""
    weights = {
        name: array
        + np.float32(0.5) * (np.arange(array.size, dtype=np.float32)).reshape(array.shape)
        if array.dtype == np.float32
        else array
        for name, array in model.weights.items()
    }
    return replace(model, weights=weights)


def counted(measures: Measures, name: str, **labels: str) -> float:
    """A counter's value; 0 where nothing was counted."""
    return measures.registry.get_sample_value(name, labels) or 0.0


Asked = Callable[[], Coroutine[Any, Any, httpx.Response]]
Scene = Callable[[Gateway, Scripted, Asked], Coroutine[Any, Any, None]]


def play(root: Path, scene: Scene, **more: Any) -> list[Any]:
    """Run a scene in a gateway over ``root``; the lines of its log."""

    async def playing() -> None:
        backend = Scripted(root)
        gateway = Gateway(settings(root, **more), backend)
        async with entered(gateway) as client:

            async def asked() -> httpx.Response:
                return await client.post(CLASSIFY, json=ONE_ROW)

            await scene(gateway, backend, asked)

    with capture_logs() as logs:
        asyncio.run(playing())
    assert not [line for line in logs if line["event"] == "keeper failed"]
    return logs


KEY = "lz_secret-of-a-team"
KEYED = {"Authorization": f"Bearer {KEY}"}
JSON = {"content-type": "application/json"}


def gated(scripted: Scripted, **more: Any) -> Gateway:
    return Gateway(settings(scripted.local.repository, **more), scripted)


def keyed(scripted: Scripted, **more: Any) -> Gateway:
    return Gateway(settings(scripted.local.repository, **more), scripted, [hashed("team-a", KEY)])


def is_problem(response: Any, status: int, detail: str) -> bool:
    body = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert body["status"] == response.status_code == status, body
    assert set(body) == {"type", "title", "status", "detail", "request_id"}
    assert body["request_id"] == response.headers["x-request-id"]
    assert re.search(detail, body["detail"]), body["detail"]
    return True
