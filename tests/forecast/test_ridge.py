"""The closed-form baseline, and the student that begins with it."""

import numpy as np
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
    fitted = ridge.fit(train, windows(300, seed=1))
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
    np.testing.assert_allclose(fitted.weight, expected[:-1].T, atol=2e-4)
    np.testing.assert_allclose(fitted.bias, expected[-1], atol=2e-4)


def test_the_penalty_is_the_best_on_validation():
    train, val = windows(120), windows(400, seed=1)

    def squares(penalties):
        old, ridge.PENALTIES = ridge.PENALTIES, penalties
        try:
            fitted = ridge.fit(train, val)
        finally:
            ridge.PENALTIES = old
        seen = Normaliser()(torch.from_numpy(val.history(np.arange(len(val)))))
        forecast = seen.back(seen.values @ fitted.weight.T + fitted.bias)
        return float(((forecast - torch.from_numpy(val.future(np.arange(len(val))))) ** 2).mean())

    assert squares(ridge.PENALTIES) <= min(squares((one,)) for one in ridge.PENALTIES) + 1e-9


def test_the_student_begins_as_the_ridge():
    train = windows()
    fitted = ridge.fit(train, windows(300, seed=1))
    model = quantile_mlp(QuantileMLPConfig(LOOKBACK, HORIZON)).eval()
    model.core.begin(fitted.weight, fitted.bias)
    history = torch.from_numpy(train.history(np.arange(5)))
    seen = Normaliser()(history)
    with torch.no_grad():
        _, median, mean, _ = model(history)
    expected = seen.back(seen.values @ fitted.weight.T + fitted.bias)
    torch.testing.assert_close(mean, expected)
    torch.testing.assert_close(median, expected)
