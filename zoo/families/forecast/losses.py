"""What students are trained on: futures, and a teacher's sample paths."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from zoo.families.forecast.quantiles import pinball
from zoo.recipes import UNTAUGHT

METHODS = ("paths", "vanilla")


@dataclass(frozen=True)
class DistillConfig:
    """The loss, and how much is learned from the teacher.

    Attributes:
        method: ``paths`` (the teacher's sample paths), or ``vanilla`` (futures only).
        lam: weight of the teacher; 1 − lam weighs the futures.
        squares: weight of the mean's squared error beside the quantiles' loss.
        gaps: fraction of the training histories that get gaps.
    """

    method: str = "vanilla"
    lam: float = 0.3
    squares: float = field(default=0.3, metadata={UNTAUGHT: True})
    gaps: float = field(default=0.1, metadata={UNTAUGHT: True})

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method is '{self.method}': expected one of {', '.join(METHODS)}")
        if not (0 <= self.lam <= 1 and 0 <= self.gaps <= 1) or self.squares < 0:
            raise ValueError("expected 0 <= lam <= 1, 0 <= gaps <= 1 and squares >= 0")


@dataclass(frozen=True)
class Untaught:
    """Of a model that learns from series alone.

    Attributes:
        method: ``vanilla``.
    """

    method: str = "vanilla"

    def __post_init__(self) -> None:
        if self.method != "vanilla":
            raise ValueError(f"method is '{self.method}': expected vanilla, it has no teacher")


def future_loss(
    mean: torch.Tensor, quantiles: torch.Tensor, y: torch.Tensor, squares: float
) -> torch.Tensor:
    """Quantile loss of nine levels, and the mean's squared error.

    Shapes: mean (…, horizon), quantiles (…, horizon, 9), y (…, horizon), NaN = missing → ().
    """
    known = ~(torch.isnan(y) | torch.isnan(mean))
    mean, y, quantiles = _only(known, mean, y, quantiles)
    loss = pinball(quantiles, y) + squares * (mean - y) ** 2
    return loss.sum() / known.sum().clamp(min=1)


def _only(
    known: torch.Tensor, mean: torch.Tensor, y: torch.Tensor, quantiles: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Zeros for the rest, before any arithmetic, so that no gradient is 0 · NaN."""
    zero = torch.zeros((), dtype=y.dtype, device=y.device)
    wide = known.unsqueeze(-1)
    return (
        torch.where(known, mean, zero),
        torch.where(known, y, zero),
        torch.where(wide, quantiles, zero),
    )


def paths_loss(
    mean: torch.Tensor, quantiles: torch.Tensor, paths: torch.Tensor, squares: float
) -> torch.Tensor:
    """The same against every path of the teacher.

    Least where the quantiles are those of the teacher's distribution, for any number of paths.

    Shapes: mean (…, horizon), quantiles (…, horizon, 9), paths (…, paths, horizon) → ().
    """
    mean, quantiles = mean.unsqueeze(-2), quantiles.unsqueeze(-3)
    taught = future_loss(mean.expand_as(paths), quantiles, paths, squares=0.0)
    return taught + squares * _squares(mean[..., 0, :], paths.mean(dim=-2))


def _squares(mean: torch.Tensor, taught: torch.Tensor) -> torch.Tensor:
    """Mean squared error where both are known."""
    known = ~(torch.isnan(mean) | torch.isnan(taught))
    error = torch.where(known, mean, 0.0) - torch.where(known, taught, 0.0)
    return (error**2).sum() / known.sum().clamp(min=1)
