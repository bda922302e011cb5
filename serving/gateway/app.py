"""The gateway as one FastAPI application."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse
from starlette.types import ASGIApp

from serving.gateway.access import Key
from serving.gateway.backends import Backend
from serving.gateway.catalogue import Catalogue
from serving.gateway.core import Core
from serving.gateway.door import Door
from serving.gateway.keeper import Keeper
from serving.gateway.measures import Measures
from serving.gateway.openapi import describe
from serving.gateway.problems import FAILED, MEDIA_TYPE, Problem
from serving.gateway.router import Router
from serving.gateway.routes import make_routes
from serving.gateway.settings import Settings
from serving.gateway.visit import visit_of

PAGE = Path(__file__).with_name("page")
POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


class Gateway:
    """A core, what keeps it, and the application in front of both.

    Args:
        settings: limits and addresses.
        backend: what answers.
        keys: that open it; None for a door that stands open.
    """

    def __init__(
        self, settings: Settings, backend: Backend, keys: Sequence[Key] | None = None
    ) -> None:
        catalogue = Catalogue(settings.repository, settings.models)
        self.core = Core(settings, catalogue, Router(), backend)
        self.measures = Measures()
        self.keeper = Keeper(self.core, self.measures)
        self.fastapi = _fastapi(self.core, self.measures, self._lifespan)
        self.app: ASGIApp = Door(self.fastapi, self.core, self.measures, keys)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        await self.keeper.start()
        keeping = asyncio.create_task(self.keeper.run())
        yield
        keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeping
        await self.core.backend.close()


def _fastapi(core: Core, measures: Measures, lifespan: Callable[..., Any]) -> FastAPI:
    app = FastAPI(
        title="leanzoo",
        version=metadata.version("leanzoo"),
        description="Small, fast models: classify nodes, score and rank clicks, forecast series.",
        docs_url=None,  # its page comes from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        exception_handlers={
            Problem: _problem,
            RequestValidationError: _invalid,
            HTTPException: _http,
            Exception: _failed,
        },
    )
    app.include_router(make_routes(core, measures))
    app.openapi = lambda: describe(app, core)  # type: ignore[method-assign]
    app.mount("/page", _Page(directory=PAGE))
    app.add_api_route("/", _index, include_in_schema=False)
    return app


class _Page(StaticFiles):
    """The files of the page, which load nothing from elsewhere."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        return _guarded(response)


async def _index() -> Response:
    return _guarded(FileResponse(PAGE / "index.html"))


def _guarded(response: Response) -> Response:
    response.headers["content-security-policy"] = POLICY
    response.headers["x-content-type-options"] = "nosniff"
    response.headers["referrer-policy"] = "no-referrer"
    response.headers["cache-control"] = "no-cache"
    return response


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    body = error.body(visit_of(request.scope).request_id)
    return Response(body, error.status, error.headers, MEDIA_TYPE)


async def _failed(request: Request, _: Exception) -> Response:
    return await _problem(request, Problem(*FAILED))  # the door says it in the log


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = " ".join(str(part) for part in first["loc"])
    return await _problem(request, Problem(422, f"{where}: {first['msg']}"))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    details = {404: "nothing is here: see /openapi.json", 405: "the method is not allowed here"}
    detail = details.get(error.status_code, str(error.detail))
    return await _problem(request, Problem(error.status_code, detail, error.headers))
