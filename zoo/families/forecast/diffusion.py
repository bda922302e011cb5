"""Diffusion of windows: the noise schedule, what a network predicts, and on what scale.

A window x₀ becomes x = √a·x₀ + √(1−a)·ε, where a falls from 1 to 0 over the steps (DDPM, Ho et al.
2020; cosine schedule of Nichol and Dhariwal 2021). A network predicts v = √a·ε − √(1−a)·x₀
(Salimans and Ho 2022), or ε.
"""

from __future__ import annotations

import itertools
import math

import torch

from zoo.families.forecast.normalise import CLIP, Normaliser

PREDICTIONS = ("v", "eps")
SHIFT = 0.008  # keeps the first steps from adding next to nothing
MAX_BETA = 0.999
FLOOR = 1e-2  # smallest scale of a training prompt: on a flat one, sensor noise is no signal


def cosine_schedule(steps: int) -> list[float]:
    """a of every step."""

    def level(u: float) -> float:
        return math.cos(math.pi / 2 * (u + SHIFT) / (1 + SHIFT)) ** 2

    levels = [level(step / steps) for step in range(steps + 1)]
    kept = (max(b / a, 1 - MAX_BETA) for a, b in itertools.pairwise(levels))
    return list(itertools.accumulate(kept, lambda a, b: a * b))


def noised(x0: torch.Tensor, noise: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
    """A noisy window. Shapes: x0, noise (rows, window), a (rows, 1) → (rows, window)."""
    return a**0.5 * x0 + (1 - a) ** 0.5 * noise


def target(kind: str, x0: torch.Tensor, noise: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
    """What a network should predict, one of ``PREDICTIONS``. Shapes: as ``noised``."""
    return noise if kind == "eps" else a**0.5 * noise - (1 - a) ** 0.5 * x0


def clean(kind: str, predicted: torch.Tensor, x: torch.Tensor, a: float) -> torch.Tensor:
    """The window that a prediction means, within the range of training windows.

    Shapes: predicted, x (rows, window) → the same.
    """
    if kind == "eps":
        x0 = (x - (1 - a) ** 0.5 * predicted) / a**0.5
    else:
        x0 = a**0.5 * x - (1 - a) ** 0.5 * predicted
    return x0.clamp(-CLIP, CLIP)


def on_prompt_scale(windows: torch.Tensor, prompt: int) -> torch.Tensor:
    """Training windows by the statistics of their first values, as a forecast will know them.

    Args:
        windows: (rows, window) in standard deviations of their channel, NaN where missing.
        prompt: how many first values are known.

    Returns:
        (rows, window), clipped; NaN where missing, or where the whole prompt is.
    """
    seen = Normaliser()(windows[:, None, :prompt])
    scaled = (windows - seen.offset[:, 0] - seen.mean[:, 0]) / seen.scale[:, 0].clamp(min=FLOOR)
    return scaled.clamp(-CLIP, CLIP)
