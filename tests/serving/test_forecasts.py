"""Histories and horizons of any length, in process and through a server."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from serving.client import Client
from serving.dialogue import hold
from serving.errors import RequestRefused
from serving.forecasts import MAX_PASSES, Forecast
from serving.local import Local
from serving.triton import Triton
from serving.triton_calls import Call, TritonCalls

MODEL = "forecast-tiny"  # mean of the last 4 values + 1, 2, 3; quantiles ever further from it
NAN = np.nan


@pytest.fixture
def local(shared_repository: Path) -> Local:
    return Local(shared_repository)


def series(*channels: list[float]) -> np.ndarray:
    return np.array(channels, np.float32)


def assert_equal(one: Forecast, other: Forecast) -> None:
    for name in ("quantiles", "median", "mean", "status"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_one_pass(local: Local) -> None:
    given = local.forecast(MODEL, series([9, 1, 2, 3, 4], [9, 5, 5, 5, 5]))
    np.testing.assert_array_equal(given.median, [[3.5, 4.5, 5.5], [6, 7, 8]])
    np.testing.assert_array_equal(given.mean, given.median + 0.5)
    assert given.quantiles.shape == (2, 3, 9)
    assert given.quantiles.dtype == given.median.dtype == np.float32
    assert given.levels == (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    assert given.status.tolist() == [0, 0]
    assert not given.rolled and given.note == ""


def test_a_short_horizon_is_the_beginning(local: Local) -> None:
    history = series([1, 2, 3, 4])
    whole, part = local.forecast(MODEL, history), local.forecast(MODEL, history, np.int64(2))
    np.testing.assert_array_equal(part.quantiles, whole.quantiles[:, :2])
    np.testing.assert_array_equal(part.median, whole.median[:, :2])
    assert part.passes == 1


def test_left_padding_is_a_shorter_history(local: Local) -> None:
    short = local.forecast(MODEL, series([3, 5]))
    assert_equal(short, local.forecast(MODEL, series([NAN, NAN, 3, 5])))
    assert_equal(short, local.forecast(MODEL, series([7, 8, NAN, NAN, 3, 5])))
    np.testing.assert_array_equal(short.median, [[5, 6, 7]])


def test_a_batch_is_answered_as_its_rows(local: Local) -> None:
    batch = np.random.default_rng(0).normal(size=(5, 2, 9))
    together = local.forecast(MODEL, batch, 7)
    assert together.quantiles.shape == (5, 2, 7, 9) and together.status.shape == (5, 2)
    for row, history in enumerate(batch):
        alone = local.forecast(MODEL, history, 7)
        np.testing.assert_array_equal(together.quantiles[row], alone.quantiles)
        np.testing.assert_array_equal(together.status[row], alone.status)


def test_lists_of_series_of_any_lengths(local: Local) -> None:
    given = local.forecast(MODEL, [[1, 2, 3, 4, 5, 6], np.array([8.0]), [], (None, 2, 4)])
    padded = series([3, 4, 5, 6], [NAN, NAN, NAN, 8], [NAN] * 4, [NAN, NAN, 2, 4])
    assert_equal(given, local.forecast(MODEL, padded))
    assert_equal(
        local.forecast(MODEL, [[[1, 2], [3, 4]]]), local.forecast(MODEL, [[[1, 2], [3, 4]]])
    )
    assert local.forecast(MODEL, [[[1, 2], [3, 4]]]).median.shape == (1, 2, 3)


def test_nothing_known_is_said(local: Local) -> None:
    given = local.forecast(MODEL, series([NAN] * 5, [1] * 5, [4, NAN, NAN, NAN, NAN]), 8)
    assert given.status.tolist() == [1, 0, 1]
    assert np.isnan(given.quantiles[[0, 2]]).all() and np.isnan(given.median[[0, 2]]).all()
    assert np.isfinite(given.quantiles[1]).all()


def test_beyond_the_horizon_it_rolls_on_the_median(local: Local) -> None:
    given = local.forecast(MODEL, series([1, 1, 1, 1]), 8)
    second = local.forecast(MODEL, series([1, 2, 3, 4]))
    third = local.forecast(MODEL, np.concatenate([series([4]), second.median], axis=1))
    rolled = np.concatenate([[[2, 3, 4]], second.median, third.median[:, :2]], axis=1)
    np.testing.assert_array_equal(given.median, rolled)
    np.testing.assert_array_equal(given.mean, rolled + 0.5)
    assert given.rolled and given.passes == 3
    assert given.note.startswith("8 steps are beyond the model's 3: asked 3 times")
    assert "\n" not in given.note


def test_quantiles_of_later_passes_are_in_order_and_widen(local: Local) -> None:
    given = local.forecast(MODEL, np.random.default_rng(1).normal(size=(3, 6)), 12)
    assert (np.diff(given.quantiles, axis=-1) > 0).all()
    np.testing.assert_array_equal(given.quantiles[..., 4], given.median)
    width = given.quantiles[..., -1] - given.quantiles[..., 0]
    assert (np.diff(width, axis=-1) > 0).all()
    first, second = 3 * 0.4, np.hypot(3 * 0.4, 1 * 0.4)  # distances at the end, and behind it
    distance = given.quantiles[..., -1] - given.median
    np.testing.assert_allclose(distance[:, 2:4], np.tile([first, second], (3, 1)), rtol=1e-5)


def test_any_numbers(local: Local) -> None:
    whole = np.array([[1, 2, 3, 4]])
    for history in (whole, whole.astype(np.uint8), whole.astype(object), whole[:, ::-1][:, ::-1]):
        np.testing.assert_array_equal(local.forecast(MODEL, history).median, [[3.5, 4.5, 5.5]])
    flags = local.forecast(MODEL, whole > 2)
    np.testing.assert_array_equal(flags.median, [[1.5, 2.5, 3.5]])


table = SimpleNamespace(columns=["a"])
REFUSED: list[tuple[Any, Any, str]] = [
    (np.zeros(5), None, r"history has shape \(5,\): expected \(channels, time\).*\[series\]"),
    ([1.0, 2.0], None, r"history has shape \(2,\): expected \(channels, time\)"),
    (np.zeros((1, 1, 1, 5)), None, r"history has shape \(1, 1, 1, 5\)"),
    (None, None, "history holds something else than numbers"),
    (np.zeros((1, 0)), None, r"history of shape \(1, 0\) is empty"),
    ([], None, r"history has shape \(0,\)"),
    ([[]], None, r"history of shape \(1, 0\) is empty"),
    ([[1, 2], [np.inf]], None, "'history' is infinite in row 0: clean it"),
    ([[1, 1e39]], None, "'history' is infinite in row 0: clean it"),
    ([[1, 1e20]], None, r"history holds 1e\+20: expected values up to 1e\+17"),
    ([["a", "b"]], None, "history holds something else than numbers"),
    (np.array([["1", "2"]]), None, "history is of type <U1: expected numbers"),
    (np.array([[1, "x"]], object), None, "history holds something that is no number"),
    (np.array([["2020-01-01"]], "datetime64[s]"), None, "history is of type datetime64"),
    (np.zeros((1, 4), complex), None, "history is of type complex128: expected numbers"),
    ([[[1, 2]], [[1]]], None, "rows of unequal length below an axis of batch"),
    (table, None, r"history is a table, whose time runs downwards.*to_numpy\(\).T"),
    (np.zeros((9, 1, 4)), None, "'history' has 9 rows: expected 1 to 8; split it"),
    (np.zeros((1, 4)), 0, "horizon is 0: expected a whole number of steps, 1 to 3,000"),
    (np.zeros((1, 4)), -3, "horizon is -3: expected"),
    (np.zeros((1, 4)), 2.5, "horizon is 2.5: expected a whole number"),
    (np.zeros((1, 4)), "9", "horizon is '9': expected a whole number"),
    (np.zeros((1, 4)), 3 * MAX_PASSES + 1, "horizon is 3001: expected .* 1 to 3,000"),
]


@pytest.mark.parametrize(("history", "horizon", "message"), REFUSED)
def test_refused_in_one_line(local: Local, history: Any, horizon: Any, message: str) -> None:
    with pytest.raises(RequestRefused, match=f"model '{MODEL}': .*{message}") as caught:
        local.forecast(MODEL, history, horizon)
    assert "\n" not in str(caught.value)


def test_models_that_do_not_forecast(local: Local) -> None:
    with pytest.raises(RequestRefused, match="'mlp-tiny': it does not forecast.*use infer"):
        local.forecast("mlp-tiny", np.zeros((1, 4)))


def test_models_of_certain_channels(tmp_path: Path, tiny_models: dict) -> None:
    model = tiny_models[MODEL]
    (taken,) = model.signature.inputs
    fixed = replace(
        model,
        name="fixed",
        signature=replace(model.signature, inputs=(replace(taken, shape=(2, 4)),)),
    )
    fixed.publish(tmp_path)
    with Local(tmp_path) as local:
        assert local.forecast("fixed", np.zeros((2, 9)), 9).median.shape == (2, 9)
        with pytest.raises(RequestRefused, match="has 3 channels: expected the 2 that the"):
            local.forecast("fixed", np.zeros((3, 9)))


@pytest.mark.triton
def test_through_a_server(server: Triton, local: Local) -> None:
    history = np.random.default_rng(2).normal(size=(2, 9))
    history[0, 3] = NAN
    with Client(server.grpc_url, timeout_s=30) as client:
        for horizon in (None, 2, 8):
            answered = client.forecast(MODEL, history, horizon)
            expected = local.forecast(MODEL, history, horizon)
            for name in ("quantiles", "median", "mean"):
                np.testing.assert_allclose(getattr(answered, name), getattr(expected, name), 1e-6)
            assert (answered.passes, answered.note) == (expected.passes, expected.note)
        with pytest.raises(RequestRefused, match=f"model '{MODEL}': horizon is 0"):
            client.forecast(MODEL, history, 0)
        with pytest.raises(RequestRefused, match="'mlp-tiny': it does not forecast"):
            client.forecast("mlp-tiny", history)


def test_a_client_reads_a_window_of_another_length_anew(tiny_models: dict) -> None:
    model = tiny_models[MODEL]
    (taken,) = model.signature.inputs
    longer = replace(model.signature, inputs=(replace(taken, shape=("channels", 6)),))
    described = [longer, model.signature]

    def send(call: Call) -> SimpleNamespace:
        if call.method == "get_model_config":
            text = SimpleNamespace(string_value=json.dumps(described.pop().to_dict()))
            config = SimpleNamespace(parameters={"signature": text}, output=[])
            return SimpleNamespace(config=config)
        (tensor,) = call.args[1]
        if tensor.shape()[-1] != length:
            raise InferenceServerException("it takes another window", "StatusCode.INVALID_ARGUMENT")
        answers = model.answer({"history": np.ones((1, 1, 4), np.float32)})
        version = SimpleNamespace(model_version="1")
        return SimpleNamespace(as_numpy=answers.get, get_response=lambda: version)

    calls, history = TritonCalls("127.0.0.1:9", timeout_s=5), np.ones((1, 9))
    length = 4
    hold(calls.forecast(MODEL, history, None, ""), send)
    length = 6
    answer = hold(calls.forecast(MODEL, history, None, ""), send)
    np.testing.assert_array_equal(answer.median, [[2, 3, 4]])
    assert described == []
