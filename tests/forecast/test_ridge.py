"""The closed-form baseline, and the student that begins with it."""

import numpy as np
import pytest
import torch

from zoo.families.forecast import ridge
from zoo.families.forecast.normalise import Normaliser
from zoo.families.forecast.quantile_mlp import QuantileMLPConfig, quantile_mlp
from zoo.families.forecast.windows import Windows

LOOKBACK, HORIZON = 24, 6


def windows(rows=900, seed=0):
    rng, steps = np.random.default_rng(seed), np.arange(rows)
    values = [np.sin(0.26 * steps) * size + 0.1 * rng.normal(size=rows) for size in (1, 5)]
    return Windows(np.stack(values, 1).astype(np.float32), 0, rows, LOOKBACK, HORIZON)


def test_it_solves_the_weighted_least_squares():
    train = windows()
    fitted, _ = ridge.fit(train, windows(300, seed=1))
    ids = np.arange(len(train))
    seen = Normaliser()(torch.from_numpy(train.history(ids)))
    scale = seen.scale.flatten().numpy()
    u = seen.values.flatten(0, 1).numpy()
    target = train.future(ids) - (seen.mean + seen.offset).numpy()
    x = np.concatenate([u * scale[:, None], scale[:, None]], 1).astype(np.float64)
    penalty = fitted.penalty * np.trace(x.T @ x) / x.shape[1]
    rows = np.concatenate([x, np.sqrt(penalty) * np.eye(x.shape[1])])
    y = np.concatenate([target.reshape(len(x), -1), np.zeros((x.shape[1], HORIZON))])
    expected = np.linalg.lstsq(rows, y, rcond=None)[0]
    np.testing.assert_allclose(fitted.weight, expected[:-1], atol=2e-4)
    np.testing.assert_allclose(fitted.bias, expected[-1], atol=2e-4)


def test_penalty_and_prior_are_the_best_on_validation(monkeypatch):
    train, val = windows(120), windows(400, seed=1)

    def squares(fitted):
        seen = Normaliser()(torch.from_numpy(val.history(np.arange(len(val)))))
        forecast = seen.back(seen.values @ fitted.weight + fitted.bias)
        return float(((forecast - torch.from_numpy(val.future(np.arange(len(val))))) ** 2).mean())

    plain, best = ridge.fit(train, val, period=12)
    alone = []
    for penalty in ridge.PENALTIES:
        monkeypatch.setattr(ridge, "PENALTIES", (penalty,))
        alone.append([squares(one) for one in ridge.fit(train, val, period=12)])
    assert squares(plain) == pytest.approx(min(pair[0] for pair in alone), rel=1e-5)
    assert squares(best) == pytest.approx(min(pair[1] for pair in alone), rel=1e-5)
    assert squares(best) <= squares(plain)


def test_constant_series_have_a_map_as_well():
    values = np.stack([np.full(600, 5.0), np.sin(0.26 * np.arange(600))], 1).astype(np.float32)
    flat, mixed = Windows(values[:, :1], 0, 600, 24, 6), Windows(values, 0, 600, 24, 6)
    weights, biases = ridge.fit_own(mixed, mixed)
    assert not ridge.fit(flat, flat)[0].weight.any() and not ridge.fit_own(flat, flat)[0].any()
    assert not weights[0].any() and not biases[0].any() and weights[1].any()


def test_the_student_begins_as_the_ridge():
    train = windows()
    _, fitted = ridge.fit(train, windows(300, seed=1), period=4)
    model = quantile_mlp(QuantileMLPConfig(LOOKBACK, HORIZON)).eval()
    model.core.begin(fitted.weight[None], fitted.bias[None, None])
    history = torch.from_numpy(train.history(np.arange(5)))
    seen = Normaliser()(history)
    with torch.no_grad():
        _, median, mean, _ = model(history)
    expected = seen.back(seen.values @ fitted.weight + fitted.bias)
    torch.testing.assert_close(mean, expected)
    torch.testing.assert_close(median, expected)


def test_priors():
    known = ridge.priors(LOOKBACK, 12)
    assert set(known) == {"plain", "recent", "plain, seasonal", "recent, seasonal"}
    assert set(ridge.priors(LOOKBACK, 1)) == set(ridge.priors(LOOKBACK, 20)) == {"plain", "recent"}
    for prior in known.values():
        np.linalg.cholesky(prior)
    shared = known["plain, seasonal"][0] > 1
    assert shared.nonzero()[0].tolist() == [0, 12]


def test_channels_have_their_own_maps_where_they_differ():
    rows, rng = np.arange(900), np.random.default_rng(0)
    up = np.sin(0.26 * rows)
    other = np.sign(np.sin(0.13 * rows)) * np.sin(0.39 * rows)
    values = np.stack([up, other], 1) + 0.05 * rng.normal(size=(900, 2))
    series = Windows(values.astype(np.float32), 0, 900, LOOKBACK, HORIZON)
    weights, biases = ridge.fit_own(series, series)
    assert weights.shape == (2, LOOKBACK, HORIZON) and biases.shape == (2, 1, HORIZON)
    _, shared = ridge.fit(series, series)
    history = torch.from_numpy(series.history(np.arange(len(series))))
    future = torch.from_numpy(series.future(np.arange(len(series))))
    errors = []
    for own in (True, False):
        config = QuantileMLPConfig(LOOKBACK, HORIZON, channels=2, own=own)
        model = quantile_mlp(config).eval()
        maps = (weights, biases) if own else (shared.weight[None], shared.bias[None, None])
        model.core.begin(*maps)
        with torch.no_grad():
            errors.append(float(((model(history)[2] - future) ** 2).mean()))
    assert errors[0] < 0.95 * errors[1]
