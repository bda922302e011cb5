"""GPD, a generative pre-trained diffusion model of time series (Yang et al., arXiv 2406.02212)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from zoo.families.forecast.diffusion import PREDICTIONS, clean, cosine_schedule
from zoo.families.forecast.gaussian import Gaussian
from zoo.families.forecast.quantiles import STEPS
from zoo.families.forecast.samplers import SAMPLERS

FREQUENCIES = 32  # of the time embedding
SLOWEST = 10_000.0


@dataclass(frozen=True)
class GPDConfig:
    """Architecture, and how paths are drawn.

    Attributes:
        lookback, horizon: of the data; together the window that is diffused.
        channels: of the data; every channel is a sample by itself.
        hidden, layers: width and depth of the network.
        diffusion_steps: T of the noise schedule.
        prediction: what the network predicts, ``v`` or ``eps``.
        sampler: one of ``samplers.SAMPLERS``.
        sample_steps: network calls of a path, or of each of its repeats.
        repeats: of every step (repaint).
        guidance: weight of the gradient (guided).
        eta: share of fresh noise in a step (replace, repaint, guided).
        paths: drawn of every series where a model is scored.
    """

    lookback: int
    horizon: int
    channels: int = 0
    hidden: int = 384
    layers: int = 5
    diffusion_steps: int = 1000
    prediction: str = "v"
    sampler: str = "gaussian"
    sample_steps: int = 20
    repeats: int = 5
    guidance: float = 0.5
    eta: float = 1.0
    paths: int = 64

    def __post_init__(self) -> None:
        sizes = (self.lookback, self.horizon, self.hidden, self.sample_steps, self.repeats)
        if min(*sizes, self.paths) < 1 or self.layers < 2:
            raise ValueError("expected sizes, steps, repeats and paths >= 1, and layers >= 2")
        if self.sample_steps > self.diffusion_steps:
            raise ValueError("expected sample_steps <= diffusion_steps")
        if self.prediction not in PREDICTIONS or self.sampler not in SAMPLERS:
            raise ValueError(f"expected prediction in {PREDICTIONS} and sampler in {SAMPLERS}")
        if self.guidance < 0 or not 0 <= self.eta <= 1:
            raise ValueError("expected guidance >= 0 and 0 <= eta <= 1")

    @property
    def window(self) -> int:
        """History and future together."""
        return self.lookback + self.horizon

    def reach(self, horizon: int) -> int:
        """Steps drawn at a time on the way to a horizon; beyond its own, half of a window."""
        return self.horizon if horizon <= self.horizon else self.window // 2


class GPD(nn.Module):
    """An MLP that sees its raw input in every layer (Preechakul et al. 2022, latent DDIM).

    Time scales the layers and shifts nothing. ``gaussian`` knows which values of a window go
    together, ``calibration`` how much wider than its paths a forecast is: both are fitted to data,
    neither by gradients.

    Shapes: x (rows, window), noisy and on the scale of its prompt, t (rows,) or (1,), the step
    0 … diffusion_steps − 1 → prediction (rows, window).
    """

    calibration: torch.Tensor

    def __init__(self, config: GPDConfig) -> None:
        super().__init__()
        self.config = config
        self.levels = cosine_schedule(config.diffusion_steps)
        window, hidden, depth = config.window, config.hidden, config.layers
        self.time = nn.Sequential(
            nn.Linear(2 * FREQUENCIES, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU()
        )
        widths = [window, *[hidden + window] * (depth - 2)]
        self.layers = nn.ModuleList(nn.Linear(width, hidden) for width in widths)
        self.scales = nn.ModuleList(nn.Linear(hidden, hidden) for _ in widths)
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in widths)
        self.last = nn.Linear(hidden + window, window)
        for layer in (*self.layers, self.last):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.gaussian = Gaussian(window)
        # factors of the steps between quantiles of its paths
        self.register_buffer("calibration", torch.ones(config.horizon, STEPS))

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """What was added to the window, as v or ε."""
        time = self.time(embed(t))
        h = x
        for depth, (layer, scale, norm) in enumerate(
            zip(self.layers, self.scales, self.norms, strict=True)
        ):
            inputs = torch.cat([h, x], dim=1) if depth else h
            h = nn.functional.silu(norm(layer(inputs) * (1 + scale(time))))
        prediction: torch.Tensor = self.last(torch.cat([h, x], dim=1))
        return prediction

    def denoise(self, x: torch.Tensor, step: int) -> torch.Tensor:
        """The mean of the windows that x may have been. Shapes: (rows, window) → the same."""
        t = torch.full((1,), float(step), device=x.device)
        return clean(self.config.prediction, self(x, t), x, self.levels[step])


def embed(t: torch.Tensor) -> torch.Tensor:
    """Cosines and sines of a step at several frequencies. Shapes: (rows,) → (rows, 64)."""
    rates = torch.exp(-math.log(SLOWEST) * torch.arange(FREQUENCIES, device=t.device) / FREQUENCIES)
    angles = t.float().unsqueeze(1) * rates
    return torch.cat([angles.cos(), angles.sin()], dim=1)
