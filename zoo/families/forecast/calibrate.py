"""Conformal calibration: how far quantiles must move apart to hold what they promise."""

from __future__ import annotations

import torch

from zoo.families.forecast.quantiles import LEVELS, MEDIAN, STEPS

MOST = 10.0  # times a step is stretched at most


def factors(quantiles: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Factors of the steps between quantiles, for every step of the horizon.

    From the median outwards each quantile's distance from its calibrated inner neighbour is
    multiplied by the quantile, over windows, of the factors that would have been just right
    (split conformal prediction, Romano et al. 2019, one level at a time); a window counts as much
    as its step is wide, which makes the result the one of least quantile loss. Quantiles stay in
    order.

    Shapes: quantiles (windows, horizon, 9), y (windows, horizon), NaN = missing → (horizon, 8).
    """
    steps = quantiles.diff(dim=-1)
    found = torch.ones(quantiles.shape[1], STEPS)
    for sign, places in ((1.0, range(MEDIAN, STEPS)), (-1.0, range(MEDIAN - 1, -1, -1))):
        inner = quantiles[..., MEDIAN]
        for place in places:
            level = LEVELS[place + 1] if sign > 0 else 1 - LEVELS[place]
            found[:, place] = _weighted_quantile(sign * (y - inner), steps[..., place], level)
            inner = inner + sign * found[:, place] * steps[..., place]
    return found


def _weighted_quantile(error: torch.Tensor, step: torch.Tensor, level: float) -> torch.Tensor:
    """The factor k of least quantile loss of error − k·step, 0 to ``MOST``; 1 without any error.

    Shapes: error, step (windows, horizon) → (horizon,).
    """
    known = ~torch.isnan(error) & (step > 0)
    ratio = torch.where(known, error / step, torch.inf)
    weight = torch.where(known, step, 0)
    ratio, order = ratio.sort(dim=0)
    below = torch.gather(weight, 0, order).cumsum(dim=0)
    place = (below < level * below[-1:]).sum(dim=0, keepdim=True)
    factor = torch.gather(ratio, 0, place.clamp(max=len(ratio) - 1))[0]
    return torch.where(known.any(dim=0), factor.clamp(0, MOST), 1.0)
