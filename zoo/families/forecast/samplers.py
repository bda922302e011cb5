"""How a network that was trained without prompts continues one.

    sample
    ├── replace    known values noised afresh before every step          (Lugmayr et al. 2022)
    ├── repaint    the same, each step gone back over and taken again    (RePaint, ibid.)
    ├── guided     steps against the gradient of the known values' error (DPS, Chung et al. 2023)
    └── gaussian   the open values drawn given the known ones' error     (``gaussian``; no gradient)

All take ``sample_steps`` steps of DDIM (Song et al. 2021) from noise to a window, write the known
values back, and take a missing value for what it is: one more that is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch

from zoo.families.forecast.gaussian import Gaussian

Draw = Callable[[], torch.Tensor]


class Denoiser(Protocol):
    """What a sampler needs of a model: its settings, noise levels and two estimates."""

    config: Any
    levels: list[float]
    gaussian: Gaussian

    def denoise(self, x: torch.Tensor, step: int) -> torch.Tensor:
        """The mean of the windows that x may have been. Shapes: (rows, window) → the same."""


def sample(
    model: Denoiser, y: torch.Tensor, known: torch.Tensor, draw: Draw, sampler: str = ""
) -> torch.Tensor:
    """Draw windows that agree with what is known of them.

    Args:
        model: with the sampler and its settings in ``config``.
        y: (rows, window) on the scale of the prompt; finite, and read only where known.
        known: (rows, window) bool.
        draw: gives standard normal noise, (rows, window), anew at every call.
        sampler: instead of the model's own.

    Returns:
        (rows, window), equal to y where known.
    """
    x = WAYS[sampler or model.config.sampler](model, y, known, draw)
    return torch.where(known, y, x)


def _steps(model: Denoiser) -> Iterator[tuple[int, float, float]]:
    """Evenly spaced steps, from the last, each with its noise level and the next one's."""
    count, last = model.config.sample_steps, len(model.levels) - 1
    steps = [round(last * (1 - k / max(count - 1, 1))) for k in range(count)]
    levels = [model.levels[step] for step in steps]
    return zip(steps, levels, [*levels[1:], 1.0], strict=True)


def _step(
    x: torch.Tensor, x0: torch.Tensor, a: float, b: float, eta: float, draw: Draw
) -> torch.Tensor:
    """From noise level a to b, given what the clean window is thought to be."""
    if b == 1:
        return x0
    fresh = eta * ((1 - b) / (1 - a) * (1 - a / b)) ** 0.5
    noise = (x - a**0.5 * x0) / (1 - a) ** 0.5
    return b**0.5 * x0 + (1 - b - fresh**2) ** 0.5 * noise + fresh * draw()


def _repaint(
    model: Denoiser, y: torch.Tensor, known: torch.Tensor, draw: Draw, repeats: int = 0
) -> torch.Tensor:
    x, eta = draw(), model.config.eta
    for step, a, b in _steps(model):
        for repeat in range(repeats or model.config.repeats):
            if repeat:
                x = (a / b) ** 0.5 * x + (1 - a / b) ** 0.5 * draw()
            x = torch.where(known, a**0.5 * y + (1 - a) ** 0.5 * draw(), x)
            x = _step(x, model.denoise(x, step), a, b, eta, draw)
    return x


def _replace(model: Denoiser, y: torch.Tensor, known: torch.Tensor, draw: Draw) -> torch.Tensor:
    return _repaint(model, y, known, draw, repeats=1)


def _guided(model: Denoiser, y: torch.Tensor, known: torch.Tensor, draw: Draw) -> torch.Tensor:
    x, eta = draw(), model.config.eta
    for step, a, b in _steps(model):
        with torch.enable_grad():
            x.requires_grad_()
            x0 = model.denoise(x, step)
            error = (known * (y - x0)).square().sum(dim=1).sqrt()
            (slope,) = torch.autograd.grad(error.sum(), x)
        x = _step(x.detach(), x0.detach(), a, b, eta, draw) - 2 * model.config.guidance * slope
    return x


def _gaussian(model: Denoiser, y: torch.Tensor, known: torch.Tensor, draw: Draw) -> torch.Tensor:
    x = draw()
    for step, a, b in _steps(model):
        x0 = model.gaussian(model.denoise(x, step), y, known, a, draw)
        x = _step(x, x0, a, b, 1.0, draw)
    return x


WAYS = {"replace": _replace, "repaint": _repaint, "guided": _guided, "gaussian": _gaussian}
SAMPLERS = tuple(WAYS)
