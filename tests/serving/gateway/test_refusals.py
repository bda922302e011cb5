"""The endpoints: what they refuse they name."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
import pytest

from serving.gateway.app import Gateway
from tests.serving.gateway.inside import CLASSIFY, FORECASTS, PREDICT, RANK, ask, entered

MANY = [[0.0] * 4] * 9
REFUSED: list[tuple[str, Any, str]] = [
    (CLASSIFY, {}, "expected either 'features' or 'sparse'"),
    (CLASSIFY, {"features": [[0] * 4], "sparse": []}, "expected either"),
    (CLASSIFY, {"features": 3}, "'features' is a number: expected a list of rows"),
    (CLASSIFY, {"features": []}, "'features' has 0 rows: expected 1 to 8"),
    (CLASSIFY, {"features": MANY}, "'features' has 9 rows: expected 1 to 8"),
    (CLASSIFY, {"features": [[0, 0, 0]]}, r"input 'x' has shape \(1, 3\): expected"),
    (CLASSIFY, {"features": [[0, 0, 0, None]]}, "'features' holds null"),
    (CLASSIFY, {"features": [[0, 0, 0, 1e39]]}, "'x' is NaN or infinite in row 0"),
    (CLASSIFY, {"features": [[0, 0, 0, "1"]]}, "'features' holds text"),
    (CLASSIFY, {"features": [[0] * 4], "top": 0}, "'top' is not a whole number from 1"),
    (CLASSIFY, {"feature": []}, "unknown field 'feature': did you mean features"),
    (CLASSIFY, [], "the body is a list: expected an object"),
    (CLASSIFY, {"sparse": [3]}, r"'sparse\[0\]': expected an object"),
    (CLASSIFY, {"sparse": [{"values": [1]}]}, r"'sparse\[0\]': expected an object"),
    (CLASSIFY, {"sparse": [{"ids": [0]}, {"ids": [4]}]}, r"'sparse\[1\].ids' holds 4: .*0 to 3"),
    (CLASSIFY, {"sparse": [{"ids": [0, 1, 2, 4]}]}, r"'sparse\[0\].ids' holds 4: .*0 to 3"),
    (CLASSIFY, {"sparse": [{"ids": [-1]}]}, r"'sparse\[0\].ids' holds -1"),
    (CLASSIFY, {"sparse": [{"ids": [0.0]}]}, r"'sparse\[0\].ids' holds numbers that are not whole"),
    (CLASSIFY, {"sparse": [{"ids": [0], "values": []}]}, "has 1 ids and 0 values"),
    (PREDICT, {}, "field 'rows' is missing"),
    (PREDICT, {"rows": [{}], "ids": [[0, 0]]}, "beside each other"),
    (PREDICT, {"rows": [{}] * 9}, "'rows' has 9 rows: expected 1 to 8"),
    (PREDICT, {"rows": [{}, {"usr": 1}]}, "row 1 has unknown field 'usr': did you mean user"),
    (PREDICT, {"rows": [{"price": "much"}]}, "row 0: field 'price' is 'much': expected a number"),
    (PREDICT, {"rows": ["x" * 10_000]}, "row 0 is 'xxx"),
    (PREDICT, {"ids": [[0, 4]], "numbers": [[1]]}, "'item' of input 'ids' holds id 4"),
    (PREDICT, {"ids": [[0, 1]]}, "field 'numbers' is missing"),
    (PREDICT, {"ids": [[0]], "numbers": [[1]]}, "has 1 columns: expected 2, of the fields user"),
    (RANK, {"request": {}, "candidates": []}, "'candidates' has 0 candidates"),
    (RANK, {"candidates": [{}]}, "field 'request' is missing"),
    (RANK, {"request": {"item": 1}, "candidates": [{}]}, "belongs to each candidate"),
    (RANK, {"request": {}, "candidates": [{"user": 1}]}, "candidate 0 .*belongs to the request"),
    (RANK, {"item_ids": [[0]], "request_ids": [0]}, "field 'request_numbers' is missing"),
    (RANK, {"item_ids": [[0]], "item_numbers": [[0]]}, "'item_numbers': the model takes no such"),
    (FORECASTS, {"history": []}, "'history' has 0 series"),
    (FORECASTS, {"history": [3]}, r"'history\[0\]' is a number"),
    (FORECASTS, {"history": [[]]}, "is empty"),
    (FORECASTS, {"history": [[1e39]]}, "infinite|up to"),
    (FORECASTS, {"history": [[[1], [1, 2]]]}, "unequal length"),
    (FORECASTS, {"history": [[1.0]], "horizon": 0}, "'horizon' is not a whole number from 1"),
    (FORECASTS, {"history": [[1.0]], "horizon": 3001}, "1 to 3,000"),
    (FORECASTS, {"history": [[1.0]], "horizon": 10**9}, "up to 4,194,304 numbers"),
    (FORECASTS, {"history": [[[1.0]]] * 9}, "9 rows: expected 1 to 8"),
]


def test_refusals_name_what_is_wrong(gateway: Gateway) -> None:
    async def scene() -> list[httpx.Response]:
        async with entered(gateway) as client:
            return [await client.post(path, json=body) for path, body, _ in REFUSED]

    for found, (path, body, why) in zip(asyncio.run(scene()), REFUSED, strict=True):
        shown = f"{path} {body!s:.100}: {found.text}"
        assert found.status_code == 422, shown
        detail = found.json()["detail"]
        assert len(detail) <= 500 and "\n" not in detail, shown
        assert re.search(why, detail), shown


@pytest.mark.parametrize(
    ("path", "status", "why"),
    [
        ("/v1/graph/mlp-tin/classify", 404, "no model 'mlp-tin': did you mean mlp-tiny"),
        ("/v1/graph/clicks/classify", 404, "asked at /v1/ctr/clicks, not /v1/graph"),
        (f"{CLASSIFY}?version=7", 404, "no version 7: expected one of 1"),
        (f"{CLASSIFY}?version=0", 422, "query version"),
        (f"{CLASSIFY}?version=x", 422, "query version"),
        ("/v1/graph/mlp-tiny-sparse/classify", 404, "no model 'mlp-tiny-sparse'"),
        ("/v1/forecast/clicks-encode", 404, "no model 'clicks-encode'"),
    ],
)
def test_what_is_not_there(gateway: Gateway, path: str, status: int, why: str) -> None:
    body = {"history": [[1]]} if "forecast" in path else {"features": [[0] * 4]}
    found = ask(gateway, "POST", path, json=body)
    assert found.status_code == status and why in found.json()["detail"]


def test_a_body_that_is_no_json(gateway: Gateway) -> None:
    headers = {"content-type": "application/json"}
    for content in (b"", b"{", b"\xff", b"NaN", b'{"features": [[NaN]]}', b"[" * 100_000):
        found = ask(gateway, "POST", CLASSIFY, content=content, headers=headers)
        assert found.status_code == 400 and "the body is not JSON" in found.json()["detail"]
