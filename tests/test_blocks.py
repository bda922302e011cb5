"""Sparse products and ReLU + dropout, against torch's own dense operations."""

import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.blocks import RowLinear, SparseMatrix, norm_relu_dropout, relu_dropout


def random_csr(seed: int, rows: int, columns: int, density: float) -> scipy.sparse.csr_matrix:
    dense = np.random.default_rng(seed).random((rows, columns), dtype=np.float32) - 0.5
    kept = np.random.default_rng(seed + 1).random((rows, columns)) < density
    return scipy.sparse.csr_matrix(dense * kept)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 20),
    columns=st.integers(1, 20),
    density=st.floats(0, 1),
    channels=st.sampled_from([1, 7, 128, 129, 300]),
)
def test_product_and_gradient_equal_dense(
    seed: int, rows: int, columns: int, density: float, channels: int
) -> None:
    matrix = random_csr(seed, rows, columns, density)
    torch.manual_seed(seed)
    operand = torch.randn(columns, channels, requires_grad=True)
    again = operand.detach().clone().requires_grad_()
    upstream = torch.randn(rows, channels)
    product = SparseMatrix(matrix).times(operand)
    expected = torch.from_numpy(matrix.toarray()) @ again
    torch.testing.assert_close(product, expected, atol=1e-4, rtol=1e-4)
    product.backward(upstream)
    expected.backward(upstream)
    torch.testing.assert_close(operand.grad, again.grad, atol=1e-4, rtol=1e-4)


def test_numerical_gradient() -> None:
    """Central differences of a linear map are exact, so float32 does."""
    matrix = SparseMatrix(random_csr(0, 5, 4, 0.5))
    operand = torch.randn(4, 3, requires_grad=True)
    upstream = torch.randn(5, 3)
    matrix.times(operand).backward(upstream)
    assert operand.grad is not None
    for position in np.ndindex(4, 3):
        step = torch.zeros(4, 3)
        step[position] = 1.0
        with torch.no_grad():
            change = (matrix.times(operand + step) - matrix.times(operand - step)) / 2
        slope = (change * upstream).sum()
        torch.testing.assert_close(operand.grad[position], slope, atol=1e-4, rtol=1e-4)


def test_dropout_of_stored_values() -> None:
    matrix = SparseMatrix(random_csr(0, 40, 50, 0.5))
    random = np.random.default_rng(0)
    dropped = [matrix.dropout(0.3, random).values for _ in range(400)]
    values = torch.stack(dropped)
    zero = values == 0
    assert abs(float(zero.float().mean()) - 0.3) < 0.005
    torch.testing.assert_close(values[~zero], (matrix.values / 0.7).expand_as(values)[~zero])
    torch.testing.assert_close(values.mean(dim=0), matrix.values, atol=0.2, rtol=0.2)


def test_dropout_reaches_the_gradient() -> None:
    """The transpose uses the same mask as the forward."""
    csr = random_csr(0, 6, 5, 0.6)
    dropped = SparseMatrix(csr).dropout(0.5, np.random.default_rng(0))
    kept = scipy.sparse.csr_matrix((dropped.values.numpy(), csr.indices, csr.indptr), csr.shape)
    operand = torch.randn(5, 2, requires_grad=True)
    dropped.times(operand).sum().backward()
    expected = torch.from_numpy(kept.toarray()).T @ torch.ones(6, 2)
    torch.testing.assert_close(operand.grad, expected)
    assert 0 < int((dropped.values == 0).sum()) < csr.nnz


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.6])
def test_relu_dropout(p: float) -> None:
    x = torch.randn(200, 501, requires_grad=True)
    y = relu_dropout(x.clone(), p, np.random.default_rng(0))
    positive = x > 0
    dropped = positive & (y == 0)
    share = float(dropped.sum() / positive.sum())
    assert abs(share - p) < 0.01
    kept = positive & ~dropped
    torch.testing.assert_close(y[kept], x[kept] / (1 - p), rtol=1e-4, atol=0)
    assert (y[~kept] == 0).all()
    y.sum().backward()
    assert x.grad is not None
    assert (x.grad[~kept] == 0).all()
    torch.testing.assert_close(
        x.grad[kept], torch.full_like(x.grad[kept], 1 / (1 - p)), rtol=1e-4, atol=0
    )


def test_relu_dropout_without_dropout_is_relu() -> None:
    x = torch.randn(9, 5)
    assert torch.equal(relu_dropout(x.clone(), 0.0, np.random.default_rng(0)), x.relu())


def test_relu_dropout_follows_its_random_source() -> None:
    x = torch.randn(50, 50)
    first, again, other = (
        relu_dropout(x.clone(), 0.5, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_row_linear_is_linear() -> None:
    layer = RowLinear(5, 3)
    linear = torch.nn.Linear(5, 3)
    with torch.no_grad():
        linear.weight.copy_(layer.weight.T)
        linear.bias.copy_(layer.bias)
    csr = random_csr(0, 7, 5, 0.5)
    dense = torch.from_numpy(csr.toarray())
    torch.testing.assert_close(layer(dense), linear(dense))
    torch.testing.assert_close(layer(SparseMatrix(csr)), linear(dense))
    bound = 5**-0.5
    assert float(layer.weight.detach().abs().max()) <= bound


@pytest.mark.parametrize("p", [0.0, 0.4])
def test_norm_relu_dropout(p: float) -> None:
    """As torch's own operations with the same mask: values, gradients and statistics."""
    ours, theirs = (torch.nn.BatchNorm1d(7) for _ in range(2))
    with torch.no_grad():
        ours.weight.copy_(torch.linspace(-1, 2, 7))
        ours.bias.copy_(torch.linspace(1, -1, 7))
    theirs.load_state_dict(ours.state_dict())
    x = (3 * torch.randn(300, 7) + 5).requires_grad_()
    y = norm_relu_dropout(x, ours, p, np.random.default_rng(0))
    again = x.detach().clone().requires_grad_()
    positive = theirs(again).relu()
    mask = ((y != 0) | (positive == 0)) / (1 - p)
    torch.testing.assert_close(y, positive * mask, atol=1e-5, rtol=1e-4)
    assert float((y == 0).sum() - (positive == 0).sum()) / y.numel() >= p / 4
    for values in (y, positive * mask):
        (values * torch.linspace(-1, 1, values.numel()).view_as(values)).sum().backward()
    torch.testing.assert_close(x.grad, again.grad, atol=1e-5, rtol=1e-4)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)
