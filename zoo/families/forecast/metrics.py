"""What forecasts are worth, on the scale of the series' training part."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from zoo.families.forecast.quantiles import HIGH, LOW, MEDIAN, covered, pinball

Answered = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # mean, quantiles, what came


def score(answers: Iterable[Answered]) -> dict[str, float]:
    """Metrics over all known targets; histories without any known value are left out.

    Args:
        answers: chunks of mean (…, horizon), quantiles (…, horizon, 9) and y (…, horizon), NaN
            where unknown.

    Returns:
        ``mse`` of the mean; ``mae`` of the median; ``crps`` of nine levels; ``coverage80``, the
        fraction inside the 80 % interval; ``width80``, the interval's mean width.
    """
    sums = torch.zeros(6, dtype=torch.float64)
    for mean, quantiles, y in answers:
        known = ~(torch.isnan(y) | torch.isnan(mean))
        mean, quantiles, y = mean[known], quantiles[known], y[known]
        found = (
            (mean - y) ** 2,
            (quantiles[:, MEDIAN] - y).abs(),
            pinball(quantiles, y),
            covered(quantiles, y),
            quantiles[:, HIGH] - quantiles[:, LOW],
            torch.ones_like(y),
        )
        sums += torch.stack([one.sum(dtype=torch.float64) for one in found])
    means = (sums[:-1] / sums[-1]).tolist()
    return dict(zip(("mse", "mae", "crps", "coverage80", "width80"), means, strict=True))
