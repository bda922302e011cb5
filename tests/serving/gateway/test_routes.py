"""The endpoints: what they answer is what the models answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.gateway.app import Gateway
from serving.gateway.backends import InProcess
from serving.local import Local
from tests.serving.gateway.inside import CLASSIFY, FORECASTS, PREDICT, RANK, ask, entered, settings
from tests.serving.tiny_models import CLICKS, FORECAST, LABELS, MLP, RANK_IDS, SPARSE

CLOSE = {"rtol": 0, "atol": 1e-6}


@pytest.fixture(scope="module")
def local(offered: Path) -> Iterator[Local]:
    """The same models, asked directly."""
    with Local(offered) as found:
        yield found


def answer(gateway: Gateway, path: str, body: Any, **params: Any) -> Any:
    """What a request that fits is answered."""
    found = ask(gateway, "POST", path, json=body, params=params)
    assert found.status_code == 200, found.text
    body = found.json()
    assert body["request_id"] == found.headers["x-request-id"] and body["version"] == 1
    assert body["model"] == path.split("/")[-1 if "forecast" in path else -2]
    return body


def table(rows: Any) -> np.ndarray:
    """Probabilities in the order of the labels."""
    found = [{one["label"]: one["probability"] for one in row} for row in rows]
    return np.array([[row[label] for label in LABELS] for row in found])


def test_dense_rows(gateway: Gateway, local: Local) -> None:
    rows = MLP.golden().inputs
    found = answer(gateway, CLASSIFY, {"features": rows["x"].tolist(), "top": 2})
    expected = local.classify("mlp-tiny", rows, 2)
    for row, best in zip(found["rows"], expected, strict=True):
        assert [one["label"] for one in row] == [label for label, _ in best]
        chances = [one["probability"] for one in row]
        np.testing.assert_allclose(chances, [chance for _, chance in best], **CLOSE)


@pytest.mark.parametrize(("top", "count"), [(None, 3), (1, 1), (2, 2), (99, 3)])
def test_top(gateway: Gateway, top: int | None, count: int) -> None:
    found = answer(gateway, CLASSIFY, {"features": [[1, 0, 0.5, 2]], "top": top})
    chances = [one["probability"] for one in found["rows"][0]]
    assert len(chances) == count and chances == sorted(chances, reverse=True)


def dense_of(sparse: list[dict[str, Any]]) -> list[list[float]]:
    rows = np.zeros((len(sparse), 4), np.float32)
    for row, one in zip(rows, sparse, strict=True):
        np.add.at(row, one["ids"], one.get("values") or np.ones(len(one["ids"])))
    return rows.tolist()


SPARSE_ROWS: list[list[dict[str, Any]]] = [
    [{"ids": [0, 3], "values": [1.5, -2]}],
    [{"ids": [2]}, {"ids": [0, 1, 2], "values": None}],
    [{"ids": [], "values": []}, {"ids": []}],
    [{"ids": [1, 1], "values": [0.5, 0.25]}],  # twice the same: their sum
    [{"ids": [0, 1, 2, 3]}],  # more than the sparse form is wide
    [{"ids": [k % 4]} for k in range(8)],  # more rows than the sparse form takes
]


@pytest.mark.parametrize("sparse", SPARSE_ROWS)
def test_sparse_rows_are_the_same_rows(
    gateway: Gateway, local: Local, sparse: list[dict[str, Any]]
) -> None:
    found = answer(gateway, CLASSIFY, {"sparse": sparse})
    rows = {"x": np.array(dense_of(sparse), np.float32)}
    expected = local.infer("mlp-tiny", rows)["probabilities"]
    np.testing.assert_allclose(table(found["rows"]), expected, rtol=0, atol=1e-5)


def test_sparse_rows_of_a_model_without_a_sparse_form(tmp_path: Path, local: Local) -> None:
    MLP.publish(tmp_path)
    sparse = [{"ids": [0, 3], "values": [1.5, -2]}]
    gateway = Gateway(settings(tmp_path), InProcess(tmp_path, 1))
    found = answer(gateway, CLASSIFY, {"sparse": sparse})
    rows = {"x": np.array(dense_of(sparse), np.float32)}
    np.testing.assert_allclose(
        table(found["rows"]), local.infer("mlp-tiny", rows)["probabilities"], **CLOSE
    )


def test_a_model_without_a_dense_form(tmp_path: Path) -> None:
    SPARSE.publish(tmp_path)
    gateway = Gateway(settings(tmp_path), InProcess(tmp_path, 1))
    assert answer(gateway, CLASSIFY, {"sparse": [{"ids": [1]}]})["rows"]
    for body in (
        {"features": [[0, 0, 0, 0]]},
        {"sparse": [{"ids": [0, 1, 2, 3]}]},
        {"sparse": [{"ids": [0]}] * 5},
    ):
        found = ask(
            Gateway(settings(tmp_path), InProcess(tmp_path, 1)), "POST", CLASSIFY, json=body
        )
        assert found.status_code == 422
        assert re.search("no form 'dense'|4 ids: .* 3|5 rows: .* 4", found.json()["detail"])


def test_sparse_rows_while_the_dense_form_cannot_answer(offered: Path) -> None:
    async def scene() -> None:
        gateway = Gateway(settings(offered, probe_s=60.0), InProcess(offered, 1))
        async with entered(gateway) as client:
            gateway.core.router.state["mlp-tiny", 1].answers = False
            found = await client.post(CLASSIFY, json={"sparse": [{"ids": [1]}]})
            assert found.status_code == 200
            for body in ({"features": [[0] * 4]}, {"sparse": [{"ids": [0, 1, 2, 3]}]}):
                assert (await client.post(CLASSIFY, json=body)).status_code == 503

    asyncio.run(scene())


def test_clicks_by_ids(gateway: Gateway, local: Local) -> None:
    rows = CLICKS.golden().inputs
    body = {"ids": rows["ids"].tolist(), "numbers": rows["numeric"].tolist()}
    expected = local.infer("clicks", rows)["score"].ravel()
    np.testing.assert_allclose(answer(gateway, PREDICT, body)["scores"], expected, **CLOSE)
    body["numbers"][0] = [None]
    rows["numeric"][0] = np.nan
    expected = local.infer("clicks", rows)["score"].ravel()
    np.testing.assert_allclose(answer(gateway, PREDICT, body)["scores"], expected, **CLOSE)


def test_clicks_by_raw_values(gateway: Gateway, local: Local) -> None:
    rows = [{"user": "a", "item": "b", "price": 0.25}, {"user": None, "item": 7}, {}]
    expected = local.predict("clicks-raw", rows)
    np.testing.assert_allclose(
        answer(gateway, PREDICT, {"rows": rows})["scores"], expected, **CLOSE
    )


def test_ranking_by_raw_values(gateway: Gateway, local: Local) -> None:
    request, candidates = (
        {"user": "a"},
        [{"item": "a"}, {"item": "z"}, {"item": "b"}, {"item": "a"}],
    )
    found = answer(gateway, RANK, {"request": request, "candidates": candidates})
    expected = local.rank("clicks-rank-raw", request, candidates)
    assert found["scores"] == expected
    assert found["ranking"] == [0, 3, 2, 1]  # of equal scores in their own order


def test_ranking_by_ids(gateway: Gateway, local: Local) -> None:
    rows = RANK_IDS.golden().inputs
    body = {
        "request_ids": rows["request_ids"].tolist(),
        "item_ids": rows["item_ids"].tolist(),
        "request_numbers": rows["request_numeric"].tolist(),
    }
    expected = local.infer("clicks-rank", rows)["score"]
    np.testing.assert_allclose(answer(gateway, RANK, body)["scores"], expected, **CLOSE)
    body["request_numbers"] = [None]
    assert answer(gateway, RANK, body)["scores"] == [None, None]  # NaN


HISTORY: list[list[float | None]] = [[1.0, None, 3.0, 5.0, 7.0], [2.0, 2.0], [None]]


@pytest.mark.parametrize("horizon", [None, 1, 3, 7])
def test_forecasts(gateway: Gateway, local: Local, horizon: int | None) -> None:
    found = answer(gateway, FORECASTS, {"history": HISTORY, "horizon": horizon})
    series = [np.array(one, np.float64) for one in HISTORY]
    expected = local.forecast("forecast-tiny", series, horizon)
    for name in ("quantiles", "median", "mean"):
        array = np.array(found[name], np.float32)  # null is NaN
        np.testing.assert_allclose(array, getattr(expected, name), **CLOSE)
    assert found["status"] == expected.status.tolist() == [0, 0, 1]
    assert found["median"][2] == [None] * (horizon or 3)
    assert found["levels"] == list(expected.levels)
    assert (found["passes"], found["note"]) == (expected.passes, expected.note)


def test_a_batch_of_histories(gateway: Gateway, local: Local) -> None:
    batch = FORECAST.golden().inputs["history"]
    found = answer(gateway, FORECASTS, {"history": batch.tolist()})
    expected = local.forecast("forecast-tiny", batch)
    np.testing.assert_allclose(found["quantiles"], expected.quantiles, **CLOSE)
    assert found["status"] == expected.status.tolist()
