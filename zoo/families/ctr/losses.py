"""What click models are trained on: labels, and a teacher's click rates."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

METHODS = ("kd", "vanilla")


@dataclass(frozen=True)
class DistillConfig:
    """How much is learned from the teacher.

    Attributes:
        method: ``kd``, or ``vanilla`` (labels only; the other fields have no effect).
        alpha: weight of the teacher; 1 − alpha weighs the labels.
        temperature: τ by which the logits of both are divided.
    """

    method: str = "vanilla"
    alpha: float = 0.5
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method is '{self.method}': expected one of {', '.join(METHODS)}")
        if not 0 <= self.alpha <= 1 or self.temperature <= 0:
            raise ValueError("expected 0 <= alpha <= 1 and temperature > 0")


def labelled_loss(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Mean binary cross-entropy. Shapes: logits z (rows,), y (rows,) → ()."""
    return nn.functional.binary_cross_entropy_with_logits(z, y)


def distilled_loss(
    z: torch.Tensor, y: torch.Tensor, teacher: torch.Tensor, config: DistillConfig
) -> torch.Tensor:
    """(1 − α)·BCE(y, z) + α·τ²·BCE(σ(z_T/τ), z/τ).

    Shapes: logits z (rows,), y (rows,), the teacher's logits (rows,) → ().
    """
    tau = config.temperature
    taught = labelled_loss(z / tau, torch.sigmoid(teacher / tau))
    return (1 - config.alpha) * labelled_loss(z, y) + config.alpha * tau**2 * taught
