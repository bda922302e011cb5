"""What a served forecaster promises, whatever its core is."""

import numpy as np
import pytest
import torch

from zoo.families.forecast import MODELS
from zoo.families.forecast.normalise import Normaliser
from zoo.families.forecast.quantile_mlp import QuantileMLPConfig, quantile_mlp
from zoo.families.forecast.quantiles import LEVELS, MEDIAN

ONE_PASS = [spec for spec in MODELS if spec.name != "gpd"]
APART = [spec for spec in ONE_PASS if spec.name != "tsmixer"]  # its channels see each other
SIZES = {"lookback": 48, "horizon": 24, "channels": 3}


@pytest.fixture(params=ONE_PASS, ids=lambda spec: spec.name)
def model(request):
    torch.manual_seed(0)
    module = request.param.build(request.param.config(**SIZES))
    for parameter in module.parameters():  # none at zero, or what it multiplies would not matter
        torch.nn.init.normal_(parameter, std=0.1)
    return module.eval()


@pytest.fixture
def history():
    steps = torch.arange(SIZES["lookback"])
    waves = torch.sin(steps * torch.tensor([[0.26], [0.13], [0.5]]))
    noise = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 3, SIZES["lookback"])))
    return (waves + 0.3 * noise).float()


@torch.no_grad()
def ask(model, history):
    return model(history)


def test_shapes_and_order(model, history):
    quantiles, median, mean, status = ask(model, history)
    assert quantiles.shape == (2, 3, 24, len(LEVELS))
    assert median.shape == mean.shape == (2, 3, 24) and status.tolist() == [[0] * 3] * 2
    assert (quantiles.diff(dim=-1) > 0).all()
    assert torch.equal(quantiles[..., MEDIAN], median)


@pytest.mark.parametrize(("scale", "offset"), [(10.0, 0.0), (1e-3, 5.0), (1000.0, 1e6)])
def test_unit_of_the_caller(model, history, scale, offset):
    expected = ask(model, history)
    answer = ask(model, history * scale + offset)
    digits = 30 * 2.0**-23 * offset / scale  # what float32 leaves of a deviation
    for one, other in zip(answer[:3], expected[:3], strict=True):
        back = (one.double() - offset) / scale
        torch.testing.assert_close(back, other.double(), rtol=1e-4, atol=1e-4 + digits)


def test_rows_do_not_touch_each_other(model, history):
    both, second = ask(model, history), ask(model, history[1:])
    for one, other in zip(both, second, strict=True):
        torch.testing.assert_close(one[1:], other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("model", APART, ids=lambda spec: spec.name, indirect=True)
def test_channels_stand_for_themselves(model, history):
    order = [2, 0, 1]
    for one, other in zip(ask(model, history[:, order]), ask(model, history), strict=True):
        torch.testing.assert_close(one, other[:, order], rtol=1e-5, atol=1e-5)


def test_every_channel_has_its_map(history):
    torch.manual_seed(0)
    own = quantile_mlp(QuantileMLPConfig(**SIZES, own=True)).eval()
    own.core.begin(torch.randn(3, 48, 24) / 10, torch.randn(3, 1, 24))
    means = ask(own, history)[2]
    for channel in range(3):
        one = quantile_mlp(QuantileMLPConfig(**SIZES)).eval()
        one.core.begin(own.core.skip[channel, None], own.core.skip_bias[channel, None])
        torch.testing.assert_close(ask(one, history)[2][:, channel], means[:, channel])


def test_missing_values(model, history):
    gappy = history.clone()
    gappy[0, 1, 5:20] = torch.nan
    answer, whole = ask(model, gappy), ask(model, history)
    assert all(torch.isfinite(one).all() for one in answer)
    assert not torch.equal(answer[2][0, 1], whole[2][0, 1])
    untouched = (0, [0, 2]) if not model.together else (slice(1, 2),)
    for one, other in zip(answer, whole, strict=True):
        torch.testing.assert_close(one[1], other[1])
        torch.testing.assert_close(one[untouched], other[untouched])


def test_values_before_a_history_do_not_count(history):
    history[:, :, :30] = torch.nan
    padded, short = Normaliser()(history), Normaliser()(history[:, :, 30:])
    assert not padded.values[:, :, :30].any() and not padded.known[:, :, :30].any()
    torch.testing.assert_close(padded.values[:, :, 30:], short.values)
    for name in ("offset", "mean", "scale"):
        torch.testing.assert_close(getattr(padded, name), getattr(short, name))


def test_nothing_known_is_said(model, history):
    history[0, 2] = torch.nan
    quantiles, median, mean, status = ask(model, history)
    assert status.tolist() == [[0, 0, 1], [0, 0, 0]]
    for one in (quantiles, median, mean):
        assert torch.isnan(one[0, 2]).all() and torch.isfinite(one[0, :2]).all()


def test_a_constant_stays_what_it_is(model, history):
    history[1, 0] = 41.7
    history[1, 1] = torch.nan
    history[1, 1, 7] = -3.0
    quantiles, _, mean, _ = ask(model, history)
    assert (quantiles[1, 0] == np.float32(41.7)).all() and (mean[1, 0] == np.float32(41.7)).all()
    assert (mean[1, 1] == -3).all()


def test_stretched_quantiles(model, history):
    before, _, mean, _ = ask(model, history)
    model.calibration.fill_(2.0)
    after, median, same, _ = ask(model, history)
    torch.testing.assert_close(after - median[..., None], 2 * (before - median[..., None]))
    torch.testing.assert_close(same, mean)
