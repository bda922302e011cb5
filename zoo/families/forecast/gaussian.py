"""Which values of a window go together: a Gaussian with the covariance of the training windows."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

RIDGE = 1e-2  # variance added to every value: the smallest that a direction may have
ITERATIONS = 16  # of conjugate gradients; more change less than the draws do


class Gaussian(nn.Module):
    """The covariance of windows, and what it says of the values that a prompt leaves open.

    Given a noisy window x_t, the precision of its clean window is that of windows plus that of
    the noise, Q + c·I with c = ᾱ/(1−ᾱ). Known values differ from the network's by e; the open ones
    then differ by −(Q_uu + c·I)⁻¹ Q_uk e, with a covariance of (Q_uu + c·I)⁻¹. Both come from one
    linear system, whatever is missing.

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
        """Draw the clean window of a noisy one, at ᾱ = a."""
        unknown = 1 - known.to(x0.dtype)
        c = a / (1 - a)
        error = torch.where(known, y - x0, torch.zeros_like(x0))
        # a draw whose covariance is that of the system becomes, solved, one of its inverse
        spread = (draw() * (self.sizes + c).sqrt()) @ self.axes.T
        right = unknown * (spread - error @ self.precision)
        if bool((known == known[:1]).all()):
            change = self._solve_alike(right, unknown[0] > 0, c)
        else:
            change = solve(lambda p: unknown * (p @ self.precision + c * p), right)
        return torch.where(known, y, x0 + change)

    def _solve_alike(self, right: torch.Tensor, unknown: torch.Tensor, c: float) -> torch.Tensor:
        """Rows that know the same values share a system, which is solved at once."""
        places = unknown.nonzero()[:, 0]
        matrix = self.precision[places][:, places] + c * torch.eye(len(places), device=right.device)
        change = torch.zeros_like(right)
        change[:, places] = torch.cholesky_solve(
            right[:, places].T, torch.linalg.cholesky(matrix)
        ).T
        return change


def solve(matrix: Callable[[torch.Tensor], torch.Tensor], right: torch.Tensor) -> torch.Tensor:
    """Solve a positive definite system of every row by conjugate gradients.

    Args:
        matrix: multiplies each row of (rows, n) with its matrix.
        right: (rows, n).

    Returns:
        (rows, n); zero where ``right`` is.
    """
    found, rest, way = torch.zeros_like(right), right, right
    size = (rest * rest).sum(dim=1, keepdim=True)
    least = torch.finfo(right.dtype).tiny  # a row that is solved stays where it is
    for _ in range(ITERATIONS):
        image = matrix(way)
        length = size / (way * image).sum(dim=1, keepdim=True).clamp(min=least)
        found, rest = found + length * way, rest - length * image
        before, size = size, (rest * rest).sum(dim=1, keepdim=True)
        way = rest + size / before.clamp(min=least) * way
    return found
