"""The endpoints: what is asked of whom, and how answers are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from serving.endpoint import refusing
from serving.errors import RequestRefused
from serving.forecasts import forecast_later
from serving.gateway import clicks, graph, series
from serving.gateway.body import parse
from serving.gateway.catalogue import CTR, FORECAST, GRAPH, Served
from serving.gateway.core import Core
from serving.gateway.described import described, summaries
from serving.gateway.measures import Measures
from serving.gateway.openapi import POSTED
from serving.gateway.problems import Problem
from serving.gateway.visit import Visit, visit_of

Model = Annotated[str, Path(description="Base name of a model, such as mlp-citeseer.")]
Version = Annotated[
    int | None, Query(ge=1, le=1 << 31, description="Ask this version, whatever the rollout says.")
]


class Json(JSONResponse):
    """Written by orjson, numpy's arrays included."""

    def render(self, content: Any) -> bytes:
        """The body."""
        return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)


def make_routes(core: Core, measures: Measures) -> APIRouter:
    """All endpoints of a core."""
    router = APIRouter(default_response_class=Json)
    _add_graph(router, core)
    _add_clicks(router, core)
    _add_series(router, core)
    _add_descriptions(router, core)
    _add_health(router, core, measures)
    return router


def _add_graph(router: APIRouter, core: Core) -> None:
    @router.post("/v1/graph/{model}/classify", **POSTED["classify"])
    async def classify(request: Request, model: Model, version: Version = None) -> Response:
        """For each row the likeliest labels."""
        visit = _visit(request, "classify")
        body = parse(visit.body, graph.FIELDS)
        forms = core.router.forms(model, GRAPH)
        form = graph.form_of(body)
        form = form if form in forms else "dense"
        served = core.choose(visit, model, GRAPH, form, version)
        if "features" in body:
            arrays = graph.dense(body, served, visit.body)
        else:

            def wide() -> Served:
                return core.choose(visit, model, GRAPH, "dense", version)

            served, arrays = graph.sparse(body, served, wide if "dense" in forms else None)
            visit.version = served.version
        outputs = await core.infer(served, arrays)
        return _answer(visit, graph.answer(outputs, served, body))


def _add_clicks(router: APIRouter, core: Core) -> None:
    @router.post("/v1/ctr/{model}/predict", **POSTED["predict"])
    async def predict(request: Request, model: Model, version: Version = None) -> Response:
        """The score of each row."""
        visit = _visit(request, "predict")
        body = parse(visit.body, clicks.ROWS)
        served = core.choose(visit, model, CTR, clicks.form_of(body, "rows"), version)
        outputs = await core.infer(served, clicks.predict_arrays(body, served))
        return _answer(visit, clicks.scores(outputs))

    @router.post("/v1/ctr/{model}/rank", **POSTED["rank"])
    async def rank(request: Request, model: Model, version: Version = None) -> Response:
        """The score of each candidate of one request, and the candidates in order."""
        visit = _visit(request, "rank")
        body = parse(visit.body, clicks.RANKING)
        served = core.choose(visit, model, CTR, clicks.form_of(body, "rank"), version)
        outputs = await core.infer(served, clicks.rank_inputs(body, served))
        return _answer(visit, clicks.ranking(outputs))


def _add_series(router: APIRouter, core: Core) -> None:
    @router.post("/v1/forecast/{model}", **POSTED["forecast"])
    async def forecast(request: Request, model: Model, version: Version = None) -> Response:
        """What follows a history, as quantiles."""
        visit = _visit(request, "forecast")
        body = parse(visit.body, series.FIELDS)
        served = core.choose(visit, model, FORECAST, series.FORM, version)
        history, horizon = series.history_of(body, served)

        async def ask(arrays: Any) -> Any:
            return await core.infer(served, arrays)

        try:
            with refusing(model):
                made = await forecast_later(served.signature, history, horizon, ask)
        except RequestRefused as error:
            raise Problem(422, str(error)) from None
        return _answer(visit, series.answer(made))


def _add_descriptions(router: APIRouter, core: Core) -> None:
    @router.get("/v1/models")
    async def models(request: Request) -> Response:
        """The models that can be asked."""
        _visit(request, "models")
        return Json({"models": summaries(core)})

    @router.get("/v1/models/{model}")
    async def model(request: Request, model: Model) -> Response:
        """One model: its card, metrics, tensors, versions, and requests that run."""
        visit = _visit(request, "model")
        found = described(core, model)
        visit.model = model
        return Json(found)


def _add_health(router: APIRouter, core: Core, measures: Measures) -> None:
    @router.get("/livez")
    async def livez(request: Request) -> Response:
        """Whether this process works at all."""
        _visit(request, "livez")
        return Json({"status": "alive"})

    @router.get("/readyz", responses={503: {"description": "It is not ready."}})
    async def readyz(request: Request) -> Response:
        """Whether every model has answered its golden rows, and nobody is about to stop it."""
        _visit(request, "readyz")
        reasons = {"gateway": "it is about to stop"} if core.draining else core.router.faults()
        if not core.router.bases:
            reasons["gateway"] = "no model is published"
        if reasons:
            return Json({"status": "not ready", "reasons": reasons}, 503)
        return Json({"status": "ready"})

    @router.get("/metrics", response_class=Response)
    async def metrics(request: Request) -> Response:
        """What Prometheus reads."""
        _visit(request, "metrics")
        return Response(measures.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _visit(request: Request, route: str) -> Visit:
    visit = visit_of(request.scope)
    visit.route = route
    return visit


def _answer(visit: Visit, answer: Mapping[str, Any]) -> Response:
    head = {"model": visit.model, "version": visit.version, "request_id": visit.request_id}
    return Json({**head, **answer})
