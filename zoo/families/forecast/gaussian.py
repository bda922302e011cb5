"""Which values of a window go together: a Gaussian with the covariance of the training windows."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

RIDGE = 1e-2  # variance added to every value: the smallest that a direction may have


class Gaussian(nn.Module):
    """The covariance of windows, and what it says of the values that a prompt leaves open.

    Given a noisy window, the precision of its clean window is that of windows plus that of the
    noise, Q + c·I with c = a/(1−a). Known values differ from the network's by e; the open ones
    then differ by −(Q_uu + c·I)⁻¹ Q_uk e, with a covariance of (Q_uu + c·I)⁻¹. Both come from one
    linear system, whatever is missing. For windows that are Gaussian this is exact in any number
    of steps; else, with more steps, the network decides more and the covariance less.

    Shapes: x0, the network's, and y (rows, window), known (rows, window) bool → window (rows,
    window), drawn; equal to y where known.
    """

    precision: torch.Tensor
    axes: torch.Tensor
    sizes: torch.Tensor

    def __init__(self, window: int) -> None:
        super().__init__()
        self.register_buffer("precision", torch.eye(window))
        self.register_buffer("axes", torch.eye(window))  # of the precision, and its size along each
        self.register_buffer("sizes", torch.ones(window))

    def fit(self, windows: torch.Tensor) -> None:
        """Take the covariance of windows. Shapes: (rows, window)."""
        covariance = torch.cov(windows.double().T)
        variances, axes = torch.linalg.eigh(covariance)
        variances = variances.clamp(min=0) + RIDGE
        self.precision.copy_((axes / variances) @ axes.T)
        self.axes.copy_(axes)
        self.sizes.copy_(1 / variances)

    def forward(
        self,
        x0: torch.Tensor,
        y: torch.Tensor,
        known: torch.Tensor,
        a: float,
        draw: Callable[[], torch.Tensor],
    ) -> torch.Tensor:
        """Draw the clean window of a noisy one, at noise level a."""
        c = a / (1 - a)
        error = torch.where(known, y - x0, torch.zeros_like(x0))
        # a draw whose covariance is that of the system becomes, solved, one of its inverse
        spread = (draw() * (self.sizes + c).sqrt()) @ self.axes.T
        right = spread - error @ self.precision
        # paths of one series are neighbours, know the same values and share a system
        masks, counts = torch.unique_consecutive(known, dim=0, return_counts=True)
        alike = zip(masks, right.split(counts.tolist()), strict=True)
        change = torch.cat([self._solve(~mask, rows, c) for mask, rows in alike])
        return torch.where(known, y, x0 + change)

    def _solve(self, unknown: torch.Tensor, right: torch.Tensor, c: float) -> torch.Tensor:
        """Solve the system of the unknown values. Shapes: (window,), (rows, window) → (rows, …)."""
        places = unknown.nonzero()[:, 0]
        system = self.precision[places][:, places]
        system.diagonal().add_(c)
        solved = torch.cholesky_solve(right[:, places].T, torch.linalg.cholesky(system))
        return torch.zeros_like(right).index_copy(1, places, solved.T)
