"""Where ``predict`` and ``forecast`` ask: a gateway where the address is one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Leanzoo, assert_one_line
from tests.serving.stub_gateway import StubGateway, problem, running
from zoo.cli.door import KEY
from zoo.contract import Signature, TensorSpec


def spec(name: str, dtype: str, *shape: int | str, columns: tuple[str, ...] = ()) -> TensorSpec:
    return TensorSpec(name, dtype, shape, "test", columns=columns, missing=dtype == "float32")


RANKED = Signature(
    (
        spec("request_values", "object", 1, columns=("user",)),
        spec("item_values", "object", "candidates", 1, columns=("item",)),
    ),
    (spec("score", "float32", "candidates"),),
    0,
)
SUN = Signature(
    (spec("history", "float32", "channels", 2),),
    (
        spec(
            "quantiles", "float32", "channels", 1, 9, columns=tuple(f"0.{k}" for k in range(1, 10))
        ),
        spec("median", "float32", "channels", 1),
    ),
    4,
)
FORECASTED = {
    "version": 1,
    "levels": [k / 10 for k in range(1, 10)],
    "quantiles": [[[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]]],
    "median": [[5.0]],
    "mean": [[5.5]],
    "status": [0],
    "passes": 1,
    "note": "",
}


@pytest.fixture
def stub() -> Iterator[StubGateway]:
    with running() as stub:
        stub.describe("ads", "ctr", {"ads-rank-raw": RANKED})
        stub.describe("sun", "forecast", {"sun": SUN})
        stub.answers["/v1/models/ads-rank-raw"] = [problem(404, "no model 'ads-rank-raw'")]
        stub.answers["/v1/ctr/ads/rank"] = [(200, {"version": 1, "scores": [0.25, 0.75]})]
        stub.answers["/v1/forecast/sun"] = [(200, FORECASTED)]
        yield stub


def test_predict_asks_a_gateway_by_the_name_of_a_form(
    leanzoo: Leanzoo, stub: StubGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"request": {"user": 1}, "candidates": [{"item": "a"}, {"item": "b"}]}
    (tmp_path / "given.json").write_text(json.dumps(given))
    arrays = {
        "request_values": np.array(["1"]),
        "item_values": np.array([["a"], ["b"]]),
    }
    (tmp_path / "arrays.json").write_text(json.dumps({k: v.tolist() for k, v in arrays.items()}))
    asked = ("predict", "ads-rank-raw", "--url", stub.url, "--json", "--input")
    best = {"candidate": 1, "score": 0.75}
    assert leanzoo(*asked, tmp_path / "given.json", "--key", "lz_1").json["ranking"][0] == best
    monkeypatch.setenv(KEY, "lz_2")
    assert leanzoo(*asked, tmp_path / "arrays.json").json["ranking"][0] == best
    first, second = stub.of("/v1/ctr/ads/rank")
    assert first.body == given and second.body == {**given, "request": {"user": "1"}}
    assert first.headers["authorization"] == "Bearer lz_1"
    assert second.headers["authorization"] == "Bearer lz_2"


def test_forecast_asks_a_gateway(leanzoo: Leanzoo, stub: StubGateway, tmp_path: Path) -> None:
    (tmp_path / "sun.csv").write_text("time,load\n2024-01-01,1\n2024-01-02,2\n2024-01-03,3\n")
    out = ("--picture", tmp_path / "sun.png", "--csv", tmp_path / "out.csv")
    outcome = leanzoo("forecast", "sun", "--data", tmp_path / "sun.csv", "--url", stub.url, *out)
    assert outcome.code == 0, outcome.err
    (one,) = stub.of("/v1/forecast/sun")
    assert one.body == {"history": [[2.0, 3.0]]} and "authorization" not in one.headers
    row = (tmp_path / "out.csv").read_text().splitlines()[1]
    assert row == "2024-01-04,load,5.0,5.5,1.0,2.0,3.0,4.0,5.0,6.0,7.0,8.0,9.0"


def test_refused_in_one_line(leanzoo: Leanzoo, stub: StubGateway, tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text("[]")
    asked = ("predict", "ads-rank-raw", "--input", tmp_path / "rows.json")
    assert_one_line(leanzoo(*asked, "--key", "lz_1"), "--key is for a gateway: expected --url http")
    outcome = leanzoo(*asked, "--key", "lz_1", "--local")
    assert_one_line(outcome, "--key is for a gateway: expected --url http")
    outcome = leanzoo(*asked, "--url", "http://127.0.0.1:9")
    assert_one_line(outcome, "no gateway answers at http://127.0.0.1:9")
    stub.answers["/v1/models/ads-rank-raw"] = [problem(401, "no key: expected Authorization")]
    outcome = leanzoo(*asked, "--url", stub.url)
    assert_one_line(outcome, "no key: expected Authorization (request r-1)")
