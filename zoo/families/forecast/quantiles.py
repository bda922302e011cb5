"""Nine quantiles: levels, a head that keeps them in order, their loss, and what they are worth."""

from __future__ import annotations

import torch

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
MEDIAN = LEVELS.index(0.5)
LOW, HIGH = 0, len(LEVELS) - 1  # bounds of the 80 % interval
STEPS = len(LEVELS) - 1  # between neighbouring quantiles


def positive(x: torch.Tensor) -> torch.Tensor:
    """(x + √(x² + ¼)) / 2, which is above 0 and smooth (Barron 2021, "Squareplus").

    In place of softplus: a root is all that a served graph has to compute. In float32 it is 0 far
    below 0.
    """
    return (x + torch.sqrt(x * x + 0.25)) / 2


def spread(median: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    """Quantiles that cannot cross: the median, and steps away from it.

    Shapes: median (…, horizon), steps (…, horizon, 8), not below 0, in the order of the gaps
    between ``LEVELS`` → (…, horizon, 9).
    """
    # the product adds the median too: a sum of its own would read and write all quantiles again
    return torch.cat([steps, median.unsqueeze(-1)], dim=-1) @ _away(steps)


def _away(like: torch.Tensor) -> torch.Tensor:
    """Which steps lie between the median and each quantile, in which direction; a row of ones.

    Shapes: → (9, 9), the last row that of the median.
    """
    gaps, levels = torch.arange(STEPS).unsqueeze(1), torch.arange(len(LEVELS))
    below = (gaps < MEDIAN) & (gaps >= levels)
    above = (gaps >= MEDIAN) & (gaps < levels)
    away = above.to(like.dtype) - below.to(like.dtype)
    return torch.cat([away, torch.ones_like(away[:1])]).to(like.device)


def levels_like(quantiles: torch.Tensor) -> torch.Tensor:
    """``LEVELS`` as a tensor of the same kind. Shapes: → (9,)."""
    return torch.tensor(LEVELS, dtype=quantiles.dtype, device=quantiles.device)


def pinball(quantiles: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Twice the quantile loss, averaged over levels: a CRPS of nine levels.

    (2/Q) Σ_τ max(τ·e, (τ − 1)·e) with e = y − q_τ.

    Shapes: quantiles (…, 9), y (…) → (…), in their unit; NaN where y is.
    """
    error = y.unsqueeze(-1) - quantiles
    levels = levels_like(quantiles)
    return 2 * torch.maximum(levels * error, (levels - 1) * error).mean(dim=-1)


def covered(quantiles: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Whether y lies in the 80 % interval. Shapes: quantiles (…, 9), y (…) → (…) bool."""
    return (quantiles[..., LOW] <= y) & (y <= quantiles[..., HIGH])
