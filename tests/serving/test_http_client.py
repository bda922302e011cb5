"""What the gateway's clients send, and what they make of its answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from serving.client import connect, connect_async
from serving.errors import (
    ModelUnknown,
    RequestRefused,
)
from tests.serving.stub_gateway import StubGateway, running
from zoo.contract import Signature, TensorSpec

LABELS = [[{"label": "cat", "probability": 0.75}, {"label": "dog", "probability": 0.25}]]
CLASSIFY, PREDICT, RANK = "/v1/graph/mlp/classify", "/v1/ctr/ads/predict", "/v1/ctr/ads/rank"
FORECAST = "/v1/forecast/sun"
NAN = np.nan


def spec(name: str, dtype: str, *shape: int | str, columns: tuple[str, ...] = ()) -> TensorSpec:
    return TensorSpec(name, dtype, shape, "test", columns=columns, missing=dtype == "float32")


SCORE = (spec("score", "float32", 1),)
DENSE = Signature((spec("x", "float32", 2),), (spec("probabilities", "float32", 2),), 8)
FIELDS = ("user", "tags", "tags")
CODED = Signature(
    (spec("ids", "int64", 3, columns=FIELDS), spec("numeric", "float32", 1, columns=("price",))),
    SCORE,
    8,
)
RAW = Signature(
    (spec("values", "object", 3, columns=FIELDS), spec("numeric", "float32", 1, columns=("age",))),
    SCORE,
    8,
)
RANKED = Signature(
    (
        spec("request_values", "object", 1, columns=("user",)),
        spec("item_values", "object", "candidates", 1, columns=("item",)),
    ),
    (spec("score", "float32", "candidates"),),
    0,
)


def forecasting(lookback: int) -> Signature:
    outputs = tuple(spec(name, "float32", "channels", 2) for name in ("median", "mean"))
    quantiles = spec("quantiles", "float32", "channels", 2, 3)
    return Signature((spec("history", "float32", "channels", lookback),), (quantiles, *outputs), 4)


@pytest.fixture
def stub() -> Iterator[StubGateway]:
    with running() as stub:
        stub.describe("mlp", "graph", {"mlp": DENSE}, labels=["dog", "cat"], card="# mlp")
        stub.describe("ads", "ctr", {"ads": CODED, "ads-raw": RAW, "ads-rank-raw": RANKED})
        stub.describe("sun", "forecast", {"sun": forecasting(3)})
        stub.answers[CLASSIFY] = [(200, {"version": 1, "request_id": "r", "rows": LABELS})]
        stub.answers[PREDICT] = [(200, {"version": 1, "scores": [0.5, 1]})]
        stub.answers[RANK] = [(200, {"version": 1, "scores": [0.25, 0.75], "ranking": [1, 0]})]
        stub.answers[FORECAST] = [(200, FORECASTED)]
        yield stub


FORECASTED = {
    "version": 1,
    "levels": [0.1, 0.5, 0.9],
    "quantiles": [[[1, 2, 3], [1, 3, 5]], [[None] * 3] * 2],
    "median": [[2, 3], [None, None]],
    "mean": [[2, 3], [None, None]],
    "status": [0, 1],
    "passes": 1,
    "note": "",
}


def in_thread(url: str, method: str, *args: Any, **named: Any) -> Any:
    with connect(url, named.pop("key", None), timeout_s=5) as client:
        return getattr(client, method)(*args, **named)


def in_coroutine(url: str, method: str, *args: Any, **named: Any) -> Any:
    async def inside() -> Any:
        async with connect_async(url, named.pop("key", None), timeout_s=5) as client:
            return await getattr(client, method)(*args, **named)

    return asyncio.run(inside())


both = pytest.mark.parametrize("asked", [in_thread, in_coroutine])
Ask = Callable[..., Any]


@both
def test_classify(stub: StubGateway, asked: Ask) -> None:
    rows = np.array([[0.5, 1.0]], np.float32)
    assert asked(stub.url, "classify", "mlp", {"x": rows}, 2) == [[("cat", 0.75), ("dog", 0.25)]]
    sparse = {
        "feature_ids": np.array([[7, 3, 9], [9, 9, 9]]),
        "feature_values": np.array([[1, 0.5, 0], [0, 0, 0]], np.float32),
    }
    asked(stub.url, "classify", "mlp", sparse)
    assert [one.body for one in stub.of(CLASSIFY)] == [
        {"features": [[0.5, 1.0]], "top": 2},
        {"sparse": [{"ids": [7, 3], "values": [1.0, 0.5]}, {"ids": [], "values": []}], "top": 3},
    ]
    answer = asked(stub.url, "infer", "mlp", {"x": rows})
    np.testing.assert_array_equal(answer["probabilities"], np.float32([[0.25, 0.75]]))


@both
def test_scores_of_records_and_of_arrays(stub: StubGateway, asked: Ask) -> None:
    records = [{"user": 1, "tags": ["a", "b"], "age": NAN}, {"user": np.int64(2), "age": None}]
    assert asked(stub.url, "predict", "ads-raw", records) == [0.5, 1.0]
    raw = {
        "values": np.array([["1", "a", "b"], ["2", "a", ""]], object),
        "numeric": np.array([[NAN], [3.5]], np.float32),
    }
    answer = asked(stub.url, "infer", "ads-raw", raw)
    np.testing.assert_array_equal(answer["score"], np.float32([[0.5], [1.0]]))
    coded = {"ids": np.array([[1, 2, 3], [4, 5, 6]]), "numeric": np.float32([[NAN], [2]])}
    asked(stub.url, "infer", "ads", coded)
    assert [one.body for one in stub.of(PREDICT)] == [
        {"rows": [{"user": 1, "tags": ["a", "b"], "age": None}, {"user": 2, "age": None}]},
        {"rows": [{"user": "1", "tags": ["a", "b"]}, {"user": "2", "tags": ["a"], "age": 3.5}]},
        {"ids": [[1, 2, 3], [4, 5, 6]], "numbers": [[None], [2.0]]},
    ]


@both
def test_ranks(stub: StubGateway, asked: Ask) -> None:
    items = [{"item": "a"}, {"item": "b"}]
    assert asked(stub.url, "rank", "ads-rank-raw", {"user": 1}, items) == [0.25, 0.75]
    arrays = {
        "request_values": np.array(["1"], object),
        "item_values": np.array([["a"], ["b"]], object),
    }
    answer = asked(stub.url, "infer", "ads-rank-raw", arrays)
    np.testing.assert_array_equal(answer["score"], np.float32([0.25, 0.75]))
    assert [one.body for one in stub.of(RANK)] == [
        {"request": {"user": 1}, "candidates": items},
        {"request": {"user": "1"}, "candidates": items},
    ]


@both
def test_forecasts(stub: StubGateway, asked: Ask) -> None:
    found = asked(stub.url, "forecast", "sun", [[1, 2, 3, 4], [NAN]], 2)
    assert stub.of(FORECAST)[0].body == {
        "history": [[2, 3, 4], [None, None, None]],
        "horizon": 2,
    }
    np.testing.assert_array_equal(found.quantiles[0], [[1, 2, 3], [1, 3, 5]])
    assert np.isnan(found.quantiles[1]).all() and found.quantiles.dtype == np.float32
    np.testing.assert_array_equal(found.mean, np.float32([[2, 3], [NAN, NAN]]))
    assert (found.levels, found.passes, found.note) == ((0.1, 0.5, 0.9), 1, "")
    assert found.status.tolist() == [0, 1]


@both
def test_a_version_that_looks_further_back_is_asked_again(stub: StubGateway, asked: Ask) -> None:
    stub.answers[FORECAST] = [(200, {**FORECASTED, "version": 2})]
    path = "/v1/models/sun"
    stub.answers[path].append((200, {**stub.answers[path][0][1], "version": 2}))
    longer = {"sun": {"triton_model": "sun", **forecasting(5).to_dict()}}
    stub.answers[path][1][1]["forms"] = longer
    asked(stub.url, "forecast", "sun", np.ones((2, 9)))
    lengths = [len(one.body["history"][0]) for one in stub.of(FORECAST)]
    assert lengths == [3, 5] and "horizon" not in stub.of(FORECAST)[0].body


@both
def test_models_are_described(stub: StubGateway, asked: Ask) -> None:
    assert asked(stub.url, "models") == ["ads", "mlp", "sun"]
    assert asked(stub.url, "signature", "ads-rank-raw") == RANKED
    assert asked(stub.url, "describe", "mlp", "7")["card"] == "# mlp"
    assert stub.asked[-1].path == "/v1/models/mlp?version=7"
    with pytest.raises(ModelUnknown, match="'ads' has no form 'ads-sparse': did you mean ads"):
        asked(stub.url, "signature", "ads-sparse")
    assert asked(stub.url, "ready") is False
    stub.answers["/readyz"] = [(200, {"status": "ready"})]
    assert asked(stub.url, "ready") is True


@both
def test_requests_carry_key_version_bucket_and_id(stub: StubGateway, asked: Ask) -> None:
    named = {"version": "2", "request_key": "user 7", "request_id": "r-9"}
    answer = asked(stub.url, "ask", CLASSIFY, {"features": []}, key="lz_secret", **named)
    assert (answer["version"], answer["request_id"]) == (1, "r")
    (one,) = stub.of(CLASSIFY)
    assert one.path == f"{CLASSIFY}?version=2"
    assert one.headers["authorization"] == "Bearer lz_secret"
    assert (one.headers["x-request-key"], one.headers["x-request-id"]) == ("user 7", "r-9")
    assert one.headers["content-type"] == "application/json"
    with pytest.raises(RequestRefused, match="request_id is 'ü': expected printable ASCII"):
        asked(stub.url, "ask", CLASSIFY, {}, request_id="ü")
