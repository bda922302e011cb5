"""The two settings: what training sees, and what is measured on what."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from zoo import checkpoint
from zoo.families.graph_mlp.graph import Graph
from zoo.families.graph_mlp.judge import JUDGE
from zoo.families.graph_mlp.problem import (
    accuracy,
    evaluate_student,
    evaluate_teacher,
    hood_of,
    teacher_outputs,
    validation_score,
)
from zoo.families.graph_mlp.setting import DataConfig, GraphData, normalised, read
from zoo.families.graph_mlp.toy import make_toy_graph
from zoo.recipes import RecipeError
from zoo.registry import get_recipe, get_spec
from zoo.spec import config_of

if TYPE_CHECKING:
    from tests.conftest import Trained


@pytest.fixture(scope="module")
def graph() -> Graph:
    return make_toy_graph(0)


@pytest.fixture(scope="module")
def inductive(graph: Graph) -> GraphData:
    return GraphData(graph, "inductive", 3)


def test_transductive_sees_everything(graph: Graph) -> None:
    data = GraphData(graph, "transductive", 3)
    assert data.seen is graph
    assert data.split is graph.split
    assert data.hidden.size == 0


def test_inductive_hides_a_fifth_of_the_test_nodes(graph: Graph, inductive: GraphData) -> None:
    assert graph.split is not None
    assert inductive.hidden.size == len(graph.split["test"]) // 5 == 40
    assert set(inductive.hidden) <= set(graph.split["test"])
    assert not set(inductive.hidden) & {*graph.split["train"], *graph.split["val"]}
    sizes = {part: ids.size for part, ids in inductive.split.items()}
    assert sizes == {"train": 80, "val": 100, "test": 160}


def test_seen_graph_is_the_induced_one(graph: Graph, inductive: GraphData) -> None:
    """Nodes keep features, class and edges among themselves; hidden ones are gone with theirs."""
    seen, kept = inductive.seen, np.setdiff1d(np.arange(600), inductive.hidden)
    assert len(seen.y) == 560
    np.testing.assert_array_equal(seen.x.toarray(), graph.x[kept].toarray())
    np.testing.assert_array_equal(seen.y, graph.y[kept])
    hidden = set(inductive.hidden.tolist())
    among = {(u, v) for u, v in graph.edges.T.tolist() if not {u, v} & hidden}
    assert {tuple(pair) for pair in kept[seen.edges].T.tolist()} == among
    assert seen.edges.shape[1] == len(among) < graph.edges.shape[1]
    assert graph.split is not None
    for part, ids in inductive.split.items():
        assert set(kept[ids]) == set(graph.split[part]) - hidden


def test_seed_draws_the_hidden_nodes(graph: Graph, inductive: GraphData) -> None:
    again, other = (GraphData(graph, "inductive", seed) for seed in (3, 4))
    np.testing.assert_array_equal(inductive.hidden, again.hidden)
    assert set(inductive.hidden) != set(other.hidden)


def test_sizes(graph: Graph) -> None:
    data = GraphData(graph, "transductive", 0)
    widest = int((graph.x.toarray() != 0).sum(axis=1).max())
    assert (data.sizes["features"], data.sizes["classes"]) == (200, 4)
    assert data.sizes["max_nnz"] % 8 == 0
    assert widest <= data.sizes["max_nnz"] < widest + 8
    assert data.sizes["row_normalise"] is True
    ids, values = data.padded
    assert ids.shape == (600, data.sizes["max_nnz"])
    rebuilt = np.zeros((600, 201), np.float32)
    np.put_along_axis(rebuilt, ids, values, axis=1)
    np.testing.assert_array_equal(rebuilt[:, :200], data.dense)


def test_normalised(graph: Graph) -> None:
    x = graph.x.copy()
    x.data[x.indptr[5] : x.indptr[6]] = 0
    x.eliminate_zeros()
    x.data *= 3
    rows = normalised(dataclasses.replace(graph, x=x))
    sums = np.asarray(rows.sum(axis=1)).ravel()
    assert sums[5] == 0
    np.testing.assert_allclose(np.delete(sums, 5), 1, rtol=1e-6)
    assert rows.dtype == np.float32
    assert np.isfinite(rows.data).all()
    raw = dataclasses.replace(graph, x=x, row_normalise=False)
    np.testing.assert_array_equal(normalised(raw).toarray(), x.toarray())


@torch.no_grad()
def test_teacher_is_tested_on_hidden_nodes(graph: Graph, toy: Trained) -> None:
    """With the edges of the full graph, and as if they had none."""
    loaded = [checkpoint.load(path) for path in toy.folders("gcn-toy")]
    (model,) = [model for artifact, model, _ in loaded if artifact.recipe["data"]]
    inductive = GraphData(graph, "inductive", get_recipe("mlp-toy").seed)
    hidden, metrics = inductive.hidden, evaluate_teacher(model, inductive)
    y = torch.from_numpy(graph.y[hidden])
    whole = model(hood_of(model, graph, None, "cpu"))[hidden]
    assert metrics["test_accuracy"] == accuracy(whole, y)
    features = torch.from_numpy(normalised(graph)[hidden].toarray())
    first, second = (model.layer(i) for i in range(2))  # type: ignore[operator]
    alone = (features @ first[0] + first[1]).relu() @ second[0] + second[1]
    assert metrics["edgeless_test_accuracy"] == accuracy(alone, y)
    seen = teacher_outputs(model, inductive)
    assert seen.shape == (560, 4)
    test = inductive.split["test"]
    expected = accuracy(seen[test], torch.from_numpy(inductive.seen.y[test]))
    assert metrics["seen_test_accuracy"] == expected
    assert metrics["edgeless_test_accuracy"] < metrics["test_accuracy"] < 1


@torch.no_grad()
def test_student_is_tested_on_hidden_nodes(graph: Graph, inductive: GraphData) -> None:
    recipe, spec = get_recipe("mlp-toy"), get_spec("mlp")
    torch.manual_seed(0)
    model = spec.build(config_of(spec, recipe, inductive.sizes)).eval()
    metrics = evaluate_student(model, inductive)  # type: ignore[arg-type]
    logits = model(torch.from_numpy(normalised(graph).toarray()))
    y, hidden = torch.from_numpy(graph.y), inductive.hidden
    assert metrics["test_accuracy"] == accuracy(logits[hidden], y[hidden])
    assert graph.split is not None
    shown = np.setdiff1d(graph.split["test"], hidden)
    assert metrics["seen_test_accuracy"] == accuracy(logits[shown], y[shown])
    assert set(metrics) == {"val_accuracy", "test_accuracy", "seen_test_accuracy"}
    data, ids = JUDGE.tested(inductive)
    outputs = {"probabilities": logits[torch.from_numpy(ids)].numpy()}
    quantities = JUDGE.quantities(outputs, JUDGE.targets(data, ids))
    assert JUDGE.metrics["accuracy"].value(quantities) == metrics["test_accuracy"]
    _, training = JUDGE.training(inductive)
    held = np.concatenate([hidden, graph.split["test"], graph.split["val"]])
    assert len(training) > 20 and not np.intersect1d(training, held).size


def test_score() -> None:
    logits, y = torch.tensor([[2.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 1])
    recipe = get_recipe("mlp-toy")
    assert validation_score(logits, y, recipe) == 0.5
    by_loss = dataclasses.replace(recipe, select="loss")
    expected = -torch.nn.functional.cross_entropy(logits, y).item()
    assert validation_score(logits, y, by_loss) == pytest.approx(expected)


def test_read_checks_its_table() -> None:
    recipe = get_recipe("mlp-toy")
    assert read(recipe.using(data={"setting": "inductive"})).hidden.size
    with pytest.raises(RecipeError, match=r"mlp-toy.data: setting is 'half': expected"):
        read(recipe.using(data={"setting": "half"}))
    assert DataConfig().setting == "transductive"
