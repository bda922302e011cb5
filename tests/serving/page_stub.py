"""A gateway that answers by rote: what the page at / is tested against, without a model.

python -m tests.serving.page_stub      serves it on a port, for a look
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles

PAGE = Path(__file__).parents[2] / "serving" / "gateway" / "page"
POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
OPEN_PATHS = ("/", "/livez", "/readyz")
KEY = "lz_a-key-of-the-tests"

CARD = """---
library_name: onnx
model-index:
- name: {name}
  results:
  - task:
      type: node-classification
    metrics:
    - type: accuracy
      value: 0.757
---

# {name}

A small `mlp`, distilled from `gcn-citeseer` (a gcn) with ffg2m.

- Data: `citeseer`; licence: **unstated**
- <script>window.pwned = 1</script><img src=x onerror="window.pwned = 1">

## Accuracy

| accuracy on | teacher | this model |
|---|---|---|
| test rows | 0.721 | 0.757 |

## Limits

It knows only the classes in `labels.txt`,
and [says so](javascript://x%0Awindow.pwned=1); more [here](https://example.org/card).

```bash
leanzoo train {name}
```
"""
LABELS = ["AI", "ML", "IR", "DB", "Agents", "<b>HCI</b>"]
FILM = {"genres": ["Comedy", "Drama"], "release_year": 1994}
VIEWER = {"user": 196, "age": 49, "gender": "M", "occupation": "writer", "liked": [257, 381, 11]}
CANDIDATES = [{"item": item, **FILM} for item in (242, 302, 377, 51, 346)]
LEVELS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


def wave(start: int, steps: int, level: float) -> list[float]:
    """A daily rhythm of half-hours with some unrest, always the same."""
    return [
        round(
            level * (1 + 0.2 * math.sin(at / 48 * 2 * math.pi) + 0.03 * math.sin(at * at % 97)), 1
        )
        for at in range(start, start + steps)
    ]


HISTORY = [[None if 300 < at < 309 else y for at, y in enumerate(wave(0, 336, 4600))]]
HISTORY += [wave(9, 336, 17.5), [None] * 336]


def state_of(task: str, endpoints: list[str], version: int, **more: Any) -> dict[str, Any]:
    """What the gateway says of a model in its list."""
    known = {"task": task, "endpoints": endpoints, "versions": [version], "version": version}
    return {**known, "canary": None, "ready": True, **more}


CITESEER, CORA, CLICKS, POWER = (
    "mlp-citeseer",
    "mlp-cora",
    "finalmlp-ml100k",
    "quantile_mlp-vic_elec",
)
TRIAL = {"version": 2, "fraction": 0.05}
MODELS = {
    CITESEER: state_of("graph", [f"/v1/graph/{CITESEER}/classify"], 1, canary=TRIAL),
    CORA: state_of("graph", [f"/v1/graph/{CORA}/classify"], 1, ready=False),
    CLICKS: state_of("ctr", [f"/v1/ctr/{CLICKS}/{verb}" for verb in ("predict", "rank")], 3),
    POWER: state_of("forecast", [f"/v1/forecast/{POWER}"], 1),
}
SPARSE = [
    {"ids": [3, 17, 212, 977, 1840, 3001], "values": [1.0] * 6},
    {"ids": [8, 45, 96]},
    {"ids": list(range(0, 3700, 97))},
]
EXAMPLES = {
    "classify": {"sparse": SPARSE, "top": 6},
    "predict": {"rows": [{**VIEWER, **candidate} for candidate in CANDIDATES[:3]]},
    "rank": {"request": VIEWER, "candidates": CANDIDATES},
    "forecast": {"history": HISTORY, "horizon": 48},
}
TENSORS = {
    "inputs": [{"name": "x", "dtype": "float32", "shape": [3703], "doc": "raw features"}],
    "outputs": [
        {"name": "probabilities", "dtype": "float32", "shape": [6], "doc": "of each class"}
    ],
}


def kind_of(endpoint: str) -> str:
    """Which kind of question an endpoint answers."""
    return "forecast" if endpoint.startswith("/v1/forecast/") else endpoint.split("/")[-1]


def classify(body: dict[str, Any]) -> dict[str, Any]:
    """Classes of each row, the likeliest first."""
    share = [0.912, 0.05, 0.02, 0.01, 0.0077, 0.0003]
    rows = []
    for at, _ in enumerate(body["sparse"]):
        names = LABELS[4 - at :] + LABELS[: 4 - at]
        rows.append([{"label": n, "probability": p} for n, p in zip(names, share, strict=True)])
    return {"rows": [row[: body.get("top", 3)] for row in rows]}


def predict(body: dict[str, Any]) -> dict[str, Any]:
    """A score per row."""
    return {"scores": [0.31 + 0.17 * at for at, _ in enumerate(body["rows"])]}


def rank(body: dict[str, Any]) -> dict[str, Any]:
    """Scores of the candidates, and their order."""
    scores = [0.31, 0.842, 0.118, 0.655, 0.0004][: len(body["candidates"])]
    return {"scores": scores, "ranking": sorted(range(len(scores)), key=lambda at: -scores[at])}


def forecast(body: dict[str, Any]) -> dict[str, Any]:
    """Quantiles that fan out around the rhythm; nothing where nothing is known."""
    horizon = body.get("horizon", 48)
    quantiles: list[list[list[float | None]]] = []
    status = []
    for history in body["history"]:
        known = [value for value in history if value is not None]
        status.append(int(not known))
        level = sum(known) / len(known) if known else math.nan
        spread = [0.02 * level * math.sqrt(1 + at) for at in range(horizon)]
        middle = wave(336, horizon, level) if known else [None] * horizon
        quantiles.append(
            [
                [None if y is None else y + s * (level_of - 0.5) * 2 for level_of in LEVELS]
                for y, s in zip(middle, spread, strict=True)
            ]
        )
    median = [[step[4] for step in channel] for channel in quantiles]
    known_parts = {"levels": LEVELS, "quantiles": quantiles, "median": median, "mean": median}
    return {**known_parts, "status": status, "passes": 1, "note": ""}


ANSWERS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "classify": classify,
    "predict": predict,
    "rank": rank,
    "forecast": forecast,
}


def problem(status: int, title: str, detail: str) -> JSONResponse:
    """A refusal as the gateway words it."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(
        body | {"request_id": "r-17"}, status, media_type="application/problem+json"
    )


def make_stub(key: str | None = None) -> FastAPI:
    """The application; with a key, everything but the page asks for it."""
    app = FastAPI(openapi_url=None)
    app.mount("/page", StaticFiles(directory=PAGE))

    @app.middleware("http")
    async def door(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        path = request.url.path
        given = request.headers.get("authorization")
        free = path in OPEN_PATHS or path.startswith("/page/")
        if key is not None and not free and given != f"Bearer {key}":
            return problem(401, "Unauthorized", "no key, or one that is not known")
        response = await answer(request)
        response.headers["content-security-policy"] = POLICY
        return response

    add_reading(app)

    @app.post("/v1/{path:path}")
    async def ask(request: Request) -> Any:
        endpoint, body = request.url.path, await request.json()
        if "history" in body and not body["history"]:
            return problem(422, "Unprocessable Content", "history holds no channel")
        name = endpoint.split("/")[3]
        known = {"model": name, "version": MODELS[name]["version"], "request_id": "r-18"}
        return known | ANSWERS[kind_of(endpoint)](body)

    return app


def add_reading(app: FastAPI) -> None:
    """The page, and what it reads of the models."""

    @app.get("/")
    def page() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    @app.get("/readyz")
    def ready() -> dict[str, str]:
        return {"status": "ready"}

    @app.get("/v1/models")
    def models() -> dict[str, Any]:
        return {"models": [{"name": name, **state} for name, state in MODELS.items()]}

    @app.get("/v1/models/{name}")
    def model(name: str) -> dict[str, Any]:
        state = MODELS[name]
        forms = {
            form: {"triton_model": name, "max_batch": rows, **TENSORS}
            for form, rows in (("dense", 1024), ("rank", 0))
        }
        examples = {path: EXAMPLES[kind_of(path)] for path in state["endpoints"]}
        said = {"card": CARD.format(name=name), "metrics": {"accuracy": 0.757}, "recipe": {}}
        return {"name": name, **state, **said, "forms": forms, "examples": examples}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8089)
    parser.add_argument("--key")
    told = parser.parse_args()
    uvicorn.run(make_stub(told.key), host="127.0.0.1", port=told.port, log_level="warning")
