"""Nine quantiles: levels, a head that keeps them in order, their loss, and what they are worth."""

from __future__ import annotations

import torch
from torch.nn import functional

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
MEDIAN = LEVELS.index(0.5)
LOW, HIGH = 0, len(LEVELS) - 1  # bounds of the 80 % interval


def monotone(median: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    """Quantiles that cannot cross: the median, and steps away from it.

    Args:
        median: (…, horizon).
        steps: (…, horizon, 8), any real number; the four below the median, outermost first, then
            the four above.

    Returns:
        (…, horizon, 9), in the order of ``LEVELS``.
    """
    sizes = functional.softplus(steps)
    down = torch.flip(torch.cumsum(torch.flip(sizes[..., :MEDIAN], [-1]), dim=-1), [-1])
    up = torch.cumsum(sizes[..., MEDIAN:], dim=-1)
    middle = median.unsqueeze(-1)
    return torch.cat([middle - down, middle, middle + up], dim=-1)


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
