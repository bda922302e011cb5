"""Conformal calibration: how far quantiles must move apart to hold what they promise."""

from __future__ import annotations

import torch

from zoo.families.forecast.quantiles import LEVELS, MEDIAN

MOST = 10.0  # times a step is stretched at most


def factors(quantiles: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Factors of the steps between quantiles, for every step of the horizon.

    From the median outwards: each quantile's distance from its calibrated inner neighbour is
    multiplied by what makes the fraction of ``y`` below it its level (split conformal prediction,
    Romano et al. 2019, one level at a time). Quantiles stay in order.

    Shapes: quantiles (windows, horizon, 9), y (windows, horizon), NaN = missing → (horizon, 8).
    """
    steps = quantiles.diff(dim=-1)
    found = torch.ones(quantiles.shape[1], steps.shape[2])
    for sign, places in ((1.0, range(MEDIAN, len(LEVELS) - 1)), (-1.0, range(MEDIAN - 1, -1, -1))):
        inner = quantiles[..., MEDIAN]
        for place in places:
            level = LEVELS[place + 1] if sign > 0 else 1 - LEVELS[place]
            step = steps[..., place].clamp(min=1e-9)
            ratio = sign * (y - inner) / step
            found[:, place] = torch.nanquantile(ratio, level, dim=0).nan_to_num(1).clamp(0, MOST)
            inner = inner + sign * found[:, place] * step
    return found
