"""Quantile loss, calibration and metrics against plain formulae."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zoo.families.forecast.calibrate import factors
from zoo.families.forecast.losses import DistillConfig, Untaught, future_loss, paths_loss
from zoo.families.forecast.metrics import score
from zoo.families.forecast.quantiles import LEVELS, MEDIAN, pinball, positive, spread


def normal(shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).float()


@given(st.floats(-50, 50))
def test_steps_are_above_zero(x):
    assert positive(torch.tensor(x, dtype=torch.float64)) > 0


def test_spread_is_a_running_sum_to_both_sides():
    steps = torch.arange(1.0, 9).expand(1, 8)
    expected = [-10.0, -9, -7, -4, 0, 5, 11, 18, 26]
    assert spread(torch.zeros(1), steps)[0].tolist() == expected


def test_pinball_is_the_mean_over_levels():
    quantiles, y = normal((5, 9)).sort(dim=-1).values, normal((5,), seed=1)

    def loss(level, error):
        return 2 * max(level * error, (level - 1) * error)

    by_hand = [
        np.mean([loss(level, came - q) for level, q in zip(LEVELS, row, strict=True)])
        for row, came in zip(quantiles.tolist(), y.tolist(), strict=True)
    ]
    np.testing.assert_allclose(pinball(quantiles, y), by_hand, rtol=1e-5)


def test_missing_targets_give_no_gradient():
    mean = normal((2, 4)).requires_grad_()
    steps = normal((2, 4, 8)).abs().requires_grad_()
    y = normal((2, 4), seed=2)
    y[0, 1] = torch.nan
    future_loss(mean, spread(mean, steps), y, 0.5).backward()
    assert torch.isfinite(mean.grad).all() and mean.grad[0, 1] == 0
    assert (steps.grad[0, 1] == 0).all() and (steps.grad[1] != 0).any()


def test_an_empty_history_gives_no_gradient():
    mean = normal((2, 4)).requires_grad_()
    place = torch.tensor([[torch.nan], [0.0]])
    loss = future_loss(mean + place, spread(mean + place, torch.ones(2, 4, 8)), normal((2, 4)), 1.0)
    loss.backward()
    assert torch.isfinite(loss) and (mean.grad[0] == 0).all() and (mean.grad[1] != 0).all()


def test_paths_teach_the_quantiles_of_their_distribution():
    paths = normal((1, 4001, 1))
    quantiles = torch.zeros(1, 1, 9, requires_grad=True)
    optimiser = torch.optim.Adam([quantiles], lr=0.05)
    for _ in range(300):
        optimiser.zero_grad()
        paths_loss(torch.zeros(1, 1), quantiles, paths, 0.0).backward()
        optimiser.step()
    expected = np.quantile(paths.numpy(), LEVELS)
    np.testing.assert_allclose(quantiles.detach().numpy().ravel(), expected, atol=0.03)


def test_calibration_mends_the_width():
    y = normal((4000, 2)) * torch.tensor([1.0, 3.0])
    exact = torch.distributions.Normal(0, 1).icdf(torch.tensor(LEVELS))
    narrow = (exact / 2).expand(4000, 2, 9)
    stretch = factors(narrow, y)
    np.testing.assert_allclose(stretch.mean(dim=1), [2.0, 6.0], rtol=0.08)
    wide = spread(narrow[..., MEDIAN], narrow.diff(dim=-1) * stretch)
    for place, level in enumerate(LEVELS):
        assert abs((y <= wide[..., place]).float().mean() - level) < 0.01


def test_calibration_without_targets_changes_nothing():
    y = torch.full((10, 3), torch.nan)
    assert (factors(normal((10, 3, 9)).sort(dim=-1).values, y) == 1).all()


def test_metrics_of_a_known_case():
    quantiles = torch.tensor([-4.0, -3, -2, -1, 0, 1, 2, 3, 4]).expand(2, 2, 9)
    y = torch.tensor([[0.0, 5.0], [1.0, torch.nan]])
    found = score([(torch.ones(2, 2), quantiles, y)])
    assert found["mse"] == pytest.approx((1 + 16 + 0) / 3)
    assert found["mae"] == pytest.approx((0 + 5 + 1) / 3)
    assert found["coverage80"] == pytest.approx(2 / 3) and found["width80"] == 8


@pytest.mark.parametrize(
    "wrong", [{"method": "kd"}, {"lam": 1.5}, {"gaps": -0.1}, {"squares": -1.0}]
)
def test_wrong_settings(wrong):
    with pytest.raises(ValueError, match="expected"):
        DistillConfig(**wrong)


def test_what_learns_from_series_alone_cannot_be_taught():
    with pytest.raises(ValueError, match="expected vanilla"):
        Untaught(method="paths")
