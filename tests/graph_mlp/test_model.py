"""The student and its two served forms."""

import numpy as np
import pytest
import torch

from zoo.families.graph_mlp.forms import dense_rows, sparse_rows
from zoo.families.graph_mlp.model import MLP, DenseStudent, MLPConfig, SparseStudent
from zoo.families.graph_mlp.problem import student_outputs
from zoo.families.graph_mlp.setting import GraphData
from zoo.families.graph_mlp.toy import make_toy_graph


@pytest.fixture(scope="module")
def data() -> GraphData:
    return GraphData(make_toy_graph(0, nodes=400), "transductive", 0)


@pytest.fixture(scope="module")
def mlp(data: GraphData) -> MLP:
    torch.manual_seed(0)
    return MLP(MLPConfig(3, 32, 0.5, **data.sizes)).eval()  # type: ignore[arg-type]


def tensors(arrays: dict[str, np.ndarray]) -> list[torch.Tensor]:
    return [torch.from_numpy(array) for array in arrays.values()]


@torch.no_grad()
def test_forms_agree_with_training(data: GraphData, mlp: MLP) -> None:
    ids = np.arange(400)
    expected = student_outputs(mlp, data).softmax(-1)
    dense = DenseStudent(mlp)(*tensors(dense_rows(data, mlp.config, ids)))
    sparse = SparseStudent(mlp)(*tensors(sparse_rows(data, mlp.config, ids)))
    torch.testing.assert_close(dense, expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(sparse, expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(dense.sum(-1), torch.ones(400))
    assert float(dense.std(0).max()) > 1e-4


@torch.no_grad()
@pytest.mark.parametrize("form", ["dense", "sparse"])
def test_a_row_of_a_batch_is_the_row_alone(data: GraphData, mlp: MLP, form: str) -> None:
    model = DenseStudent(mlp) if form == "dense" else SparseStudent(mlp)
    rows = (dense_rows if form == "dense" else sparse_rows)(data, mlp.config, np.arange(50))
    batch = model(*tensors(rows))
    alone = [model(*tensors({k: v[[i]] for k, v in rows.items()})) for i in range(50)]
    torch.testing.assert_close(batch, torch.cat(alone), atol=1e-6, rtol=1e-5)
    backwards = model(*tensors({k: v[::-1].copy() for k, v in rows.items()}))
    torch.testing.assert_close(backwards.flip(0), batch, atol=1e-6, rtol=1e-5)


@torch.no_grad()
def test_zero_row_is_finite(data: GraphData, mlp: MLP) -> None:
    config = mlp.config
    dense = DenseStudent(mlp)(torch.zeros(1, config.features))
    padding = torch.full((1, config.max_nnz), config.features)
    sparse = SparseStudent(mlp)(padding, torch.zeros(1, config.max_nnz))
    assert torch.isfinite(dense).all()
    torch.testing.assert_close(dense, sparse)


@torch.no_grad()
def test_scale_of_a_row_has_no_effect(data: GraphData, mlp: MLP) -> None:
    """Rows are normalised in the graph: counts and frequencies are one."""
    rows = dense_rows(data, mlp.config, np.arange(9))
    model = DenseStudent(mlp)
    once, thrice = (model(torch.from_numpy(k * rows["x"])) for k in (1, 3))
    torch.testing.assert_close(once, thrice)


@torch.no_grad()
@pytest.mark.parametrize("bad", [-1, -(2**40), 200, 201, 2**40])
def test_id_out_of_range_reads_zeros_and_spares_the_others(
    data: GraphData, mlp: MLP, bad: int
) -> None:
    rows = sparse_rows(data, mlp.config, np.arange(4))
    damaged = {k: v.copy() for k, v in rows.items()}
    damaged["feature_ids"][1, -1] = bad  # a padded place: value 0
    model = SparseStudent(mlp)
    torch.testing.assert_close(model(*tensors(damaged)), model(*tensors(rows)))
    damaged["feature_ids"][1, 0] = bad
    answers = model(*tensors(damaged))
    assert torch.isfinite(answers).all()
    torch.testing.assert_close(answers[[0, 2, 3]], model(*tensors(rows))[[0, 2, 3]])
    in_range = damaged["feature_ids"].copy()
    in_range[1, 0] = mlp.config.features
    same = model(torch.from_numpy(in_range), torch.from_numpy(damaged["feature_values"]))
    torch.testing.assert_close(answers, same)


def test_dropout_in_training_only(data: GraphData, mlp: MLP) -> None:
    x = torch.from_numpy(data.dense[:8])
    assert torch.equal(mlp(x), mlp(x))
    mlp.train()
    try:
        assert not torch.equal(mlp(x), mlp(x))
    finally:
        mlp.eval()


def test_layers_and_widths(data: GraphData, mlp: MLP) -> None:
    shapes = [tuple(p.shape) for p in mlp.parameters()]
    assert shapes == [(200, 32), (32,), (32, 32), (32,), (4, 32), (4,)]


@pytest.mark.parametrize(
    ("layers", "hidden", "dropout"), [(1, 8, 0.5), (2, 0, 0.5), (2, 8, 1.0), (2, 8, -0.1)]
)
def test_refused(data: GraphData, layers: int, hidden: int, dropout: float) -> None:
    with pytest.raises(ValueError, match="expected layers >= 2, hidden >= 1"):
        MLPConfig(layers, hidden, dropout, **data.sizes)  # type: ignore[arg-type]


def test_features_that_are_not_normalised(data: GraphData, mlp: MLP) -> None:
    torch.manual_seed(0)
    config = MLPConfig(2, 8, 0.5, **{**data.sizes, "row_normalise": False})  # type: ignore[arg-type]
    raw = MLP(config).eval()
    x = torch.randn(5, config.features)  # negative values, sums near zero
    with torch.no_grad():
        torch.testing.assert_close(DenseStudent(raw)(x), raw(x).softmax(-1))
