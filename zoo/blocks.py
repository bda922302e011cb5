"""Parts that several families train with: sparse × dense products and a fast ReLU + dropout.

Both exist because torch's own CPU kernels dominate the training time of wide, shallow models:
drawing a dropout mask costs 25 ns per element there, and a CSR product has no column blocking.
"""

from __future__ import annotations

import ctypes
import math
import sys
from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import nn
from torch.nn import functional as F

# Columns per pass: a block of the dense operand (rows × 128 floats) then stays in the L3 cache.
COLUMNS_PER_BLOCK = 128


def keep_large_buffers() -> None:
    """Tell glibc to reuse large buffers rather than map and clear fresh pages for each one.

    Wide full-batch layers allocate hundreds of MB per step; page faults made ReLU 6 times slower.
    Other C libraries keep their own policy.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        trim_threshold, mmap_max = -1, -4
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)


class SparseMatrix:
    """A constant CSR matrix and its transpose, as operands of products with dense matrices.

    Shapes: (rows, columns) float32.
    """

    def __init__(self, matrix: scipy.sparse.csr_matrix, device: str = "cpu") -> None:
        order = scipy.sparse.csr_matrix(
            (np.arange(1, matrix.nnz + 1), matrix.indices, matrix.indptr), shape=matrix.shape
        ).T.tocsr()
        self.shape: tuple[int, int] = (int(matrix.shape[0]), int(matrix.shape[1]))
        self._order = torch.from_numpy(order.data.astype(np.int64) - 1).to(device)
        self._rows = _bag(matrix, device)
        self._columns = _bag(order, device)
        self.values = torch.from_numpy(np.asarray(matrix.data, dtype=np.float32)).to(device)

    def dropout(self, p: float, random: np.random.Generator) -> SparseMatrix:
        """This matrix with each stored value dropped with probability ``p``, the rest scaled."""
        dropped = object.__new__(SparseMatrix)
        dropped.__dict__.update(self.__dict__)
        keep = torch.from_numpy(random.random(len(self.values), dtype=np.float32) >= p)
        dropped.values = self.values * keep.to(self.values.device) / (1 - p)
        return dropped

    def times(self, dense: torch.Tensor) -> torch.Tensor:
        """Product with ``dense``; gradients flow to ``dense`` only.

        Shapes: dense (columns, channels) → (rows, channels).
        """
        product: torch.Tensor = _SparseTimesDense.apply(dense, self)
        return product

    def _times(self, dense: torch.Tensor) -> torch.Tensor:
        return _bag_product(*self._rows, self.values, dense)

    def _transposed_times(self, dense: torch.Tensor) -> torch.Tensor:
        return _bag_product(*self._columns, self.values[self._order], dense)


def _bag(matrix: scipy.sparse.csr_matrix, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Column ids and row offsets as ``embedding_bag`` takes them."""
    ids = torch.from_numpy(matrix.indices.astype(np.int64)).to(device)
    return ids, torch.from_numpy(matrix.indptr[:-1].astype(np.int64)).to(device)


def _bag_product(
    ids: torch.Tensor, offsets: torch.Tensor, values: torch.Tensor, dense: torch.Tensor
) -> torch.Tensor:
    """Σ values · dense[ids] per row, in column blocks that fit the cache."""
    out = dense.new_empty(len(offsets), dense.shape[1])
    for start in range(0, dense.shape[1], COLUMNS_PER_BLOCK):
        columns = slice(start, start + COLUMNS_PER_BLOCK)
        out[:, columns] = F.embedding_bag(
            ids, dense[:, columns].contiguous(), offsets, mode="sum", per_sample_weights=values
        )
    return out


class _SparseTimesDense(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, dense: torch.Tensor, matrix: SparseMatrix) -> torch.Tensor:
        ctx.matrix = matrix
        return matrix._times(dense)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        return ctx.matrix._transposed_times(grad.contiguous()), None


class RowLinear(nn.Module):
    """A linear layer whose weight is stored (in, out), so that sparse inputs gather its rows.

    Initialised as ``nn.Linear``.

    Shapes: x (rows, in) dense or SparseMatrix → (rows, out).
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(n_in)
        self.weight = nn.Parameter(torch.empty(n_in, n_out).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(n_out).uniform_(-bound, bound))

    def forward(self, x: torch.Tensor | SparseMatrix) -> torch.Tensor:
        """x·W + b."""
        product = x.times(self.weight) if isinstance(x, SparseMatrix) else x @ self.weight
        return product + self.bias


def relu_dropout(x: torch.Tensor, p: float, random: np.random.Generator) -> torch.Tensor:
    """ReLU, then dropout with probability ``p``, in place.

    The probability is honoured to 1/65536; the surviving values are scaled by what was kept.

    Args:
        x: any shape; overwritten.
        p: fraction dropped, 0..1.
        random: source of the mask; on a GPU torch's own generator is.
    """
    if x.is_cuda:
        return F.dropout(x.relu_(), p, inplace=True)
    result: torch.Tensor = _ReluDropout.apply(x, p, random)
    return result


class _ReluDropout(torch.autograd.Function):
    """Saves only its output: where that is zero, no gradient passes."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, p: float, random: np.random.Generator) -> torch.Tensor:
        ctx.mark_dirty(x)
        ctx.scale = _relu_dropout(x, p, random)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (y,) = ctx.saved_tensors
        return _through(grad, y, ctx.scale), None, None


def _relu_dropout(x: torch.Tensor, p: float, random: np.random.Generator) -> float:
    """Overwrite ``x``; by what the surviving values were scaled.

    numpy compares and torch converts: torch's own operations on bool are not vectorised here.
    """
    x.relu_()
    threshold = min(round(p * 65536), 65535)
    if not threshold:
        return 1.0
    words = random.integers(0, 2**64, -(-x.numel() // 4), dtype=np.uint64)
    keep = words.view(np.int16)[: x.numel()].reshape(x.shape) >= threshold - 32768
    scale = 65536 / (65536 - threshold)
    x.mul_(torch.from_numpy(keep.view(np.int8)).to(x)).mul_(scale)
    return scale


def _through(grad: torch.Tensor, y: torch.Tensor, scale: float) -> torch.Tensor:
    """The gradient before ReLU and dropout, whose output was ``y``."""
    passed: torch.Tensor = torch.ops.aten.threshold_backward(grad, y, 0)
    return passed.mul_(scale) if scale != 1 else passed


def norm_relu_dropout(
    x: torch.Tensor, norm: nn.BatchNorm1d, p: float, random: np.random.Generator
) -> torch.Tensor:
    """Batch normalisation as in training, ReLU, then dropout as ``relu_dropout``.

    Args:
        x: (rows, channels), at least two rows.
        norm: its statistics are updated.
        p: fraction dropped, 0..1.
        random: source of the mask; on a GPU torch's own generator is.
    """
    if x.is_cuda:
        return relu_dropout(norm(x), p, random)
    result: torch.Tensor = _NormReluDropout.apply(x, norm.weight, norm.bias, norm, p, random)
    return result


class _NormReluDropout(torch.autograd.Function):
    """torch's backward of batch normalisation takes ten times as long on a CPU as this one."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        norm: nn.BatchNorm1d,
        p: float,
        random: np.random.Generator,
    ) -> torch.Tensor:
        y, mean, inverse_std = torch.native_batch_norm(
            x, weight, bias, norm.running_mean, norm.running_var, True, norm.momentum or 0, norm.eps
        )
        ctx.scale = _relu_dropout(y, p, random)
        ctx.save_for_backward(x, y, weight, mean, inverse_std)
        return y

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, y, weight, mean, inverse_std = ctx.saved_tensors
        g = _through(grad, y, ctx.scale)
        to_bias = g.sum(dim=0)
        to_weight = ((g * x).sum(dim=0) - mean * to_bias) * inverse_std
        # dx = slope · (g − Σg/n − x̂ · Σ(g·x̂)/n) with x̂ = (x − mean) / std
        slope = weight * inverse_std
        by_x = -slope * inverse_std * to_weight / len(x)
        constant = -slope * to_bias / len(x) - by_x * mean
        to_x = torch.addcmul(constant, x, by_x).addcmul_(g, slope)
        return to_x, to_weight, to_bias, None, None, None
