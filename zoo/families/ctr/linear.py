"""Linear maps that train fast on any CPU.

torch multiplies float32 matrices with MKL, which leaves half the speed of processors that Intel
did not make unused; oneDNN, which torch carries too, does not.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class Linear(nn.Linear):
    """``nn.Linear``, computed by oneDNN on a CPU. Shapes: (..., in) → (..., out)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x·Wᵀ + b."""
        if x.is_cuda or torch.compiler.is_exporting() or not torch.backends.mkldnn.is_available():
            return super().forward(x)
        rows: torch.Tensor = _Product.apply(x.flatten(0, -2), self.weight, self.bias)
        return rows.unflatten(0, x.shape[:-1])


class _Product(torch.autograd.Function):
    """x·Wᵀ + b; every product of its backward is one that oneDNN does well."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.biased = bias is not None
        return times_transposed(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        grad = grad.contiguous()
        to_x = times_transposed(grad, weight.t()) if ctx.needs_input_grad[0] else None
        to_weight = times_transposed(x.t().contiguous(), grad.t()).t()
        return to_x, to_weight, grad.sum(dim=0) if ctx.biased else None


def times_transposed(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """x·Wᵀ + b by oneDNN. Shapes: (rows, in), (out, in), (out,) → (rows, out)."""
    product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return product
