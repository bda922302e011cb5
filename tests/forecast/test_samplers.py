"""Samplers against a case whose posterior is known: Gaussian windows, whose denoiser is linear.

The exact test of the family's method: x₀ ~ N(0, C), so what a prompt leaves open is Gaussian as
well, with a mean and covariance in closed form.
"""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from zoo.families.forecast.diffusion import cosine_schedule
from zoo.families.forecast.gaussian import Gaussian
from zoo.families.forecast.gpd import GPDConfig
from zoo.families.forecast.samplers import SAMPLERS, sample

WINDOW, PROMPT, SERIES, PATHS = 64, 48, 60, 64


def covariance() -> torch.Tensor:
    """Of a daily wave, a slow drift and noise."""
    steps = np.arange(WINDOW)
    apart = np.abs(steps[:, None] - steps)
    matrix = np.cos(2 * np.pi * apart / 24) * np.exp(-apart / 80) + 0.6 * np.exp(-apart / 30)
    return torch.from_numpy(matrix + 0.2 * np.eye(WINDOW))


@dataclass
class Exact:
    """A denoiser that is right."""

    config: Any
    levels: list[float] = field(default_factory=lambda: cosine_schedule(1000))

    def __post_init__(self) -> None:
        self.sizes, self.axes = torch.linalg.eigh(covariance())
        self.gaussian = Gaussian(WINDOW)
        root = torch.linalg.cholesky(covariance())
        noise = torch.randn(20_000, WINDOW, generator=torch.Generator().manual_seed(7)).double()
        self.gaussian.fit((noise @ root.T).float())

    def denoise(self, x: torch.Tensor, step: int) -> torch.Tensor:
        """E[x₀ | x], in closed form."""
        a = self.levels[step]
        gain = a**0.5 * self.sizes / (a * self.sizes + 1 - a)
        return x @ ((self.axes * gain) @ self.axes.T).float()


def settings(sampler: str, **changed: Any) -> Any:
    plain = {"sample_steps": 20, "eta": 1.0, "repeats": 5, "guidance": 0.5}
    return SimpleNamespace(**{**plain, "sampler": sampler, **changed})


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def drawn(config: Any, known: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Series, and the paths that a sampler draws for each: (series, window), (…, paths, window)."""
    root = torch.linalg.cholesky(covariance()).float()
    series = normal(SERIES, WINDOW, seed=1) @ root.T
    y, masks = series.repeat_interleave(PATHS, 0), known.expand(SERIES * PATHS, WINDOW)
    generator = torch.Generator().manual_seed(2)
    paths = sample(Exact(config), y, masks, lambda: torch.randn(y.shape, generator=generator))
    return series, paths.unflatten(0, (SERIES, PATHS))


def posterior(series: torch.Tensor, known: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean (series, open) and covariance (open, open) of what is not known."""
    c, k, u = covariance(), known, ~known
    weights = torch.linalg.solve(c[k][:, k], c[k][:, u]).T
    return series[:, k].double() @ weights.T, c[u][:, u] - weights @ c[k][:, u]


def fidelity(config: Any, known: torch.Tensor) -> tuple[float, float]:
    """Rms deviation of the paths' mean from the exact mean over that of exact draws, and the ratio
    of standard deviations."""
    series, paths = drawn(config, known)
    mean, spread = posterior(series, known)
    floor = (spread.diag().mean() / PATHS).sqrt()
    deviation = (paths[..., ~known].mean(dim=1) - mean).square().mean().sqrt()
    ratio = paths[..., ~known].std(dim=1).square().mean().sqrt() / spread.diag().mean().sqrt()
    return float(deviation / floor), float(ratio)


PROMPTED = torch.arange(WINDOW) < PROMPT
GAPPY = PROMPTED & (normal(WINDOW, seed=3) < 0.8)


@pytest.mark.parametrize("known", [PROMPTED, GAPPY], ids=["prompt", "gaps"])
def test_the_default_sampler_draws_from_the_posterior(known: torch.Tensor) -> None:
    config = GPDConfig(PROMPT, WINDOW - PROMPT)
    deviation, ratio = fidelity(settings(config.sampler), known)
    assert deviation <= 1.15
    assert 0.85 <= ratio <= 1.1


@pytest.mark.parametrize(("sampler", "most"), [("replace", 4.0), ("repaint", 3.0), ("guided", 2.5)])
def test_the_others_come_near(sampler: str, most: float) -> None:
    deviation, ratio = fidelity(settings(sampler), PROMPTED)
    assert deviation <= most
    assert 0.6 <= ratio <= 1.15


def test_going_back_helps() -> None:
    once, often = (fidelity(settings(name), PROMPTED)[0] for name in ("replace", "repaint"))
    assert often < once


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_known_values_are_kept(sampler: str) -> None:
    series, paths = drawn(settings(sampler, sample_steps=3, repeats=2), GAPPY)
    assert torch.equal(paths[..., GAPPY], series[:, None, GAPPY].expand(-1, PATHS, -1))
    assert torch.isfinite(paths).all()


def test_rows_do_not_depend_on_what_others_know() -> None:
    gaussian = Exact(settings("gaussian")).gaussian
    x0, y, noise = (normal(8, WINDOW, seed=seed) for seed in (4, 5, 6))
    masks = torch.stack([GAPPY, GAPPY, ~GAPPY, PROMPTED, PROMPTED, ~GAPPY, GAPPY, PROMPTED])
    together = gaussian(x0, y, masks, 0.9, lambda: noise)
    for row in range(8):
        one = slice(row, row + 1)
        alone = gaussian(x0[one], y[one], masks[one], 0.9, lambda one=one: noise[one])
        torch.testing.assert_close(alone, together[one], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("a", [0.9, 0.05])
def test_open_values_follow_the_conditional_gaussian(a: float) -> None:
    """Against E[x₀ | x, y] in its other form, by covariances."""
    gaussian, c = Exact(settings("gaussian")).gaussian, a / (1 - a)
    x0, y = normal(1, WINDOW, seed=4).double(), normal(1, WINDOW, seed=5).double()
    quiet = gaussian(x0.float(), y.float(), GAPPY[None], a, lambda: torch.zeros(1, WINDOW))
    covariance = torch.linalg.inv(gaussian.precision.double() + c * torch.eye(WINDOW))
    k, u = GAPPY, ~GAPPY
    gain = torch.linalg.solve(covariance[k][:, k], covariance[k][:, u]).T
    expected = x0[0, u] + gain @ (y - x0)[0, k]
    torch.testing.assert_close(quiet[0, u].double(), expected, rtol=1e-3, atol=1e-3)
    assert torch.equal(quiet[0, k], y.float()[0, k])
