"""The teachers' own forward, against torch_geometric's layers with the same weights."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch_geometric.nn import GATConv, GCNConv, SAGEConv

from zoo.families.graph_mlp import teacher as teachers
from zoo.families.graph_mlp.graph import Graph
from zoo.families.graph_mlp.problem import hood_of, teacher_objective
from zoo.families.graph_mlp.setting import GraphData, normalised
from zoo.families.graph_mlp.teacher import TeacherConfig, build_teacher
from zoo.families.graph_mlp.toy import make_toy_graph
from zoo.recipes import Recipe

EVERY = pytest.mark.parametrize(
    ("kind", "layers"), [(kind, layers) for kind in ("gcn", "sage", "gat") for layers in (2, 3)]
)


@pytest.fixture(scope="module")
def graph() -> Graph:
    """The toy graph with nodes that nothing links to and rows without features."""
    toy = make_toy_graph(0, nodes=400)
    edges = toy.edges[:, (toy.edges >= 5).all(axis=0)]
    x = toy.x.tolil()
    x[3:8] = 0
    return dataclasses.replace(toy, x=x.tocsr().astype(np.float32), edges=edges)


def built(kind: str, layers: int, graph: Graph, dropout: float = 0.5) -> Any:
    torch.manual_seed(0)
    config = TeacherConfig(
        kind=kind,
        layers=layers,
        hidden=16,
        dropout=dropout,
        attention_dropout=0.3 if dropout else 0.0,
        **GraphData(graph, "transductive", 0).sizes,  # type: ignore[arg-type]
    )
    model = build_teacher(config)
    for parameter in model.parameters():  # no bias stays zero
        nn.init.normal_(parameter, std=0.3)
    return model.eval()


def reference(model: Any, graph: Graph) -> torch.Tensor:
    """Logits of all nodes by torch_geometric's own layers, dense features and all edges."""
    edges = torch.from_numpy(np.concatenate([graph.edges, graph.edges[::-1]], axis=1))
    loops = torch.arange(len(graph.y)).repeat(2, 1)
    h = torch.from_numpy(normalised(graph).toarray())
    kind, last = model.config.kind, len(model.convs) - 1
    for index, conv in enumerate(model.convs):
        n_in, heads = h.shape[1], 4 if index < last else 1
        out = model.config.hidden if index < last else model.config.classes
        if kind == "gcn":
            layer, ends = GCNConv(n_in, out), edges
        elif kind == "gat":
            layer, ends = GATConv(n_in, out // heads, heads), edges
        else:
            layer = SAGEConv(n_in, out, aggr="mean", root_weight=False)
            ends = torch.cat([edges, loops, loops], dim=1)  # the node itself counts twice
        layer.load_state_dict(conv.state_dict())
        h = layer(h, ends)
        h = h.relu() if index < last else h
    return h


@EVERY
@torch.no_grad()
def test_full_graph_equals_torch_geometric(kind: str, layers: int, graph: Graph) -> None:
    model = built(kind, layers, graph)
    ours = model(hood_of(model, graph, None, "cpu"))
    theirs = reference(model, graph)
    assert float(theirs.std()) > 0.01
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@EVERY
@torch.no_grad()
def test_neighbourhood_equals_full_graph(kind: str, layers: int, graph: Graph) -> None:
    model = built(kind, layers, graph)
    whole = model(hood_of(model, graph, None, "cpu"))
    for ids in ([17], [0, 3, 399], list(range(60, 160, 7)), [8, 2, 1]):
        part = model(hood_of(model, graph, np.array(ids), "cpu"))
        torch.testing.assert_close(part, whole[ids], atol=1e-5, rtol=1e-5)


@EVERY
def test_gradient_of_labelled_neighbourhood(kind: str, layers: int, graph: Graph) -> None:
    """What training minimises has the loss and gradients of the full graph."""
    model = built(kind, layers, graph, dropout=0.0).train()
    data = GraphData(graph, "transductive", 0)
    objective = teacher_objective(model, data, Recipe("t", kind, "toy"), None)
    loss = objective.loss(None)
    ours = torch.autograd.grad(loss, list(model.parameters()))
    train = data.split["train"]
    logits = model(hood_of(model, graph, None, "cpu"))[train]
    expected = nn.functional.cross_entropy(logits, torch.from_numpy(graph.y[train]))
    theirs = torch.autograd.grad(expected, list(model.parameters()))
    torch.testing.assert_close(loss, expected)
    assert max(float(g.abs().max()) for g in theirs) > 1e-3
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("kind", ["gcn", "sage", "gat"])
def test_dropout_in_training_only(kind: str, graph: Graph) -> None:
    model = built(kind, 2, graph)
    hood = hood_of(model, graph, np.array([17, 18]), "cpu")
    assert torch.equal(model(hood), model(hood))
    model.train()
    assert not torch.equal(model(hood), model(hood))


@pytest.mark.parametrize("kind", ["gcn", "sage", "gat"])
def test_same_seed_same_weights(kind: str, graph: Graph) -> None:
    states = []
    config = built(kind, 2, graph).config
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        states.append(torch.cat([p.flatten() for p in build_teacher(config).parameters()]))
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_sage_starts_as_released(graph: Graph) -> None:
    """Glorot-uniform with ReLU's gain, no bias."""
    torch.manual_seed(0)
    model = build_teacher(built("sage", 2, graph).config)
    weight, bias = model.layer(0)  # type: ignore[operator]
    bound = (2 * 6 / sum(weight.shape)) ** 0.5
    assert 0.9 * bound < float(weight.detach().abs().max()) <= bound
    assert (bias == 0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "gin"}, "kind is 'gin': expected gcn, sage or gat"),
        ({"layers": 1}, "layers >= 2"),
        ({"dropout": 1.0}, "dropout < 1"),
        ({"kind": "gat", "hidden": 18}, "hidden = 18 is not a multiple of heads = 4"),
    ],
)
def test_refused(change: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {
        "kind": "gcn",
        "layers": 2,
        "hidden": 16,
        "dropout": 0.5,
        "features": 8,
        "classes": 2,
    }
    with pytest.raises(ValueError, match=message):
        teachers.TeacherConfig(**{**good, "max_nnz": 8, "row_normalise": True, **change})
