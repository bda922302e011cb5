"""The API's description: what bodies and answers look like, with examples that run."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from serving.gateway.core import Core
from serving.gateway.described import PATHS, described
from serving.gateway.door import OPEN_PATHS
from serving.gateway.problems import MEDIA_TYPE

NUMBER = {"type": "number"}
MAYBE = {"type": ["number", "null"]}
WHOLE = {"type": "integer"}
TEXT = {"type": "string"}
RECORD = {
    "type": "object",
    "description": "field → raw value: text, number, true, false, a list of these, or null",
}


def _list(of: Any, **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": of, **more}


def _object(required: tuple[str, ...], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def _body(*kinds: dict[str, Any]) -> dict[str, Any]:
    closed = [{**kind, "additionalProperties": False} for kind in kinds]
    return closed[0] if len(closed) == 1 else {"oneOf": closed}


SOME = {"minItems": 1}
TOP = {"type": "integer", "minimum": 1, "default": 3, "description": "labels of each row"}
SPARSE = _object(("ids",), ids=_list(WHOLE), values=_list(NUMBER))
ROWS_OF_IDS, ROWS_OF_NUMBERS = _list(_list(WHOLE), **SOME), _list(_list(MAYBE), **SOME)
HISTORY = {
    "description": "one list per channel, the oldest first; or a batch of such histories",
    "anyOf": [_list(_list(MAYBE), **SOME), _list(_list(_list(MAYBE)), **SOME)],
}
BODIES = {
    "classify": _body(
        _object(("features",), features=_list(_list(NUMBER), **SOME), top=TOP),
        _object(("sparse",), sparse=_list(SPARSE, **SOME), top=TOP),
    ),
    "predict": _body(
        _object(("rows",), rows=_list(RECORD, **SOME)),
        _object(("ids",), ids=ROWS_OF_IDS, numbers=ROWS_OF_NUMBERS),
    ),
    "rank": _body(
        _object(("request", "candidates"), request=RECORD, candidates=_list(RECORD, **SOME)),
        _object(
            ("item_ids",),
            request_ids=_list(WHOLE),
            item_ids=ROWS_OF_IDS,
            request_numbers=_list(MAYBE),
            item_numbers=ROWS_OF_NUMBERS,
        ),
    ),
    "forecast": _body(
        _object(("history",), history=HISTORY, horizon={"type": "integer", "minimum": 1})
    ),
}
HEAD = {"model": TEXT, "version": WHOLE, "request_id": TEXT}
LABEL = _object(("label", "probability"), label=TEXT, probability=NUMBER)
NESTED = {"type": "array", "description": "(batch,) channel, step, and of quantiles level"}
ANSWERS = {
    "classify": _object((*HEAD, "rows"), **HEAD, rows=_list(_list(LABEL))),
    "predict": _object((*HEAD, "scores"), **HEAD, scores=_list(MAYBE)),
    "rank": _object(
        (*HEAD, "scores", "ranking"), **HEAD, scores=_list(MAYBE), ranking=_list(WHOLE)
    ),
    "forecast": _object(
        (*HEAD, "levels", "quantiles", "median", "mean", "status", "passes", "note"),
        **HEAD,
        **{"levels": _list(NUMBER), "quantiles": NESTED, "median": NESTED, "mean": NESTED},
        **{"status": {"type": "array"}, "passes": WHOLE, "note": TEXT},
    ),
}
PROBLEM = _object(
    ("type", "title", "status", "detail", "request_id"),
    **{"type": TEXT, "title": TEXT, "status": WHOLE, "detail": TEXT, "request_id": TEXT},
)
REFUSALS = {
    **{400: "The body is not JSON.", 401: "No key, or one that opens nothing."},
    **{404: "No such model or version.", 408: "The body did not come in time."},
    413: "The body is too large.",
    **{415: "The body is of another type than JSON.", 422: "The request does not fit the model."},
    **{429: "Too many requests with this key.", 503: "Overload, or no model server at present."},
    504: "No answer within the deadline.",
}


def _refusals(codes: tuple[int, ...]) -> dict[int, Any]:
    content = {MEDIA_TYPE: {"schema": PROBLEM}}
    return {code: {"description": REFUSALS[code], "content": content} for code in codes}


def _posted(name: str) -> dict[str, Any]:
    """What a route says of itself."""
    answer = {
        "description": "Answered.",
        "content": {"application/json": {"schema": ANSWERS[name]}},
    }
    content = {"application/json": {"schema": BODIES[name]}}
    return {
        "operation_id": name,
        "responses": {200: answer, **_refusals(tuple(REFUSALS))},
        "openapi_extra": {"requestBody": {"required": True, "content": content}},
    }


POSTED = {name: _posted(name) for name in BODIES}


def describe(app: FastAPI, core: Core) -> dict[str, Any]:
    """The OpenAPI document, with a request for every model that is served now."""
    made = get_openapi(title=app.title, version=app.version, routes=app.routes)
    for base in sorted(core.router.bases):
        found = described(core, base)["examples"]
        for template in (t for t in PATHS.values() if t.format(base) in found):
            body = found[template.format(base)]
            operation = made["paths"][template.format("{model}")]["post"]
            content = operation["requestBody"]["content"]["application/json"]
            content.setdefault("examples", {})[base] = {"value": body}
    keyed = {"type": "http", "scheme": "bearer"}
    made.setdefault("components", {})["securitySchemes"] = {"key": keyed}
    made["security"] = [{"key": []}]
    for path, operations in made["paths"].items():
        for operation in operations.values():
            if path in OPEN_PATHS:
                operation["security"] = []
                continue
            for code, refusal in _refusals((401, 404, 429)).items():
                operation["responses"].setdefault(str(code), refusal)
            if "requestBody" not in operation:  # nothing in them can be refused so
                operation["responses"].pop("422", None)
    return made
