"""What is trained and measured on a graph: settings, objectives and accuracies.

Transductive: every node's features and edges are seen in training. Inductive: a fifth of the test
nodes is hidden with all its edges; models are trained on the rest and tested on the hidden nodes.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import nn

from zoo.blocks import SparseMatrix
from zoo.families.graph_mlp.data import Graph, licence_of, load_graph, split_of
from zoo.families.graph_mlp.losses import DistillConfig, distillation, labelled_loss
from zoo.families.graph_mlp.model import MLP
from zoo.families.graph_mlp.neighbours import Adjacency
from zoo.families.graph_mlp.teacher import Neighbourhood
from zoo.spec import Objective, Recipe, from_table

HIDDEN_FRACTION = 0.2  # of the test nodes, in the inductive setting; as in the released code


@dataclass(frozen=True)
class DataConfig:
    """How a graph is used.

    Attributes:
        setting: ``transductive`` or ``inductive``.
    """

    setting: str = "transductive"

    def __post_init__(self) -> None:
        if self.setting not in ("transductive", "inductive"):
            raise ValueError(f"setting is '{self.setting}': expected transductive or inductive")


class GraphData:
    """A graph in one setting.

    Attributes:
        seen: the graph that training sees.
        split: train, val and test ids in ``seen``.
        full: the whole graph.
        hidden: ids in ``full`` of the nodes that training does not see.
        sizes: config fields that come from the data.
        labels: class names.
        licence: of the data.
    """

    def __init__(self, full: Graph, setting: str, seed: int) -> None:
        self.full, self.labels, self.licence = full, full.labels, licence_of(full)
        split = split_of(full, seed)
        self.hidden = np.array([], dtype=np.int64)
        self.seen, self.split = full, split
        if setting == "inductive":
            random = np.random.default_rng(seed)
            n_hidden = max(1, int(len(split["test"]) * HIDDEN_FRACTION))
            self.hidden = np.sort(random.choice(split["test"], n_hidden, replace=False))
            self.seen, self.split = without(full, split, self.hidden)
        widest = int(np.diff(full.x.indptr).max(initial=1))
        self.sizes = {
            "features": full.x.shape[1],
            "classes": len(full.labels),
            "max_nnz": -(-widest // 8) * 8,
            "row_normalise": full.row_normalise,
        }

    @property
    def n_rows(self) -> int:
        """Nodes of the full graph."""
        return len(self.full.y)

    @functools.cached_property
    def dense(self) -> np.ndarray:
        """Raw features of all nodes. Shapes: (nodes, features)."""
        return self.full.x.toarray()

    @functools.cached_property
    def padded(self) -> tuple[np.ndarray, np.ndarray]:
        """Ids and raw values of all nodes' non-zero features. Shapes: 2 × (nodes, max_nnz)."""
        x, counts = self.full.x, np.diff(self.full.x.indptr)
        ids = np.full((x.shape[0], self.sizes["max_nnz"]), x.shape[1], dtype=np.int64)
        values = np.zeros(ids.shape, dtype=np.float32)
        filled = np.arange(ids.shape[1]) < counts[:, None]
        ids[filled], values[filled] = x.indices, x.data
        return ids, values

    @functools.lru_cache(maxsize=4)  # noqa: B019  lives as long as the data
    def adjacency(self, kind: str) -> Adjacency:
        """Neighbour lists of the full graph with the weights of one kind of GNN."""
        return Adjacency(self.full.edges, len(self.full.y), kind)

    def y(self, part: str, device: str) -> torch.Tensor:
        """Labels of one part of the split. Shapes: (nodes of the part,)."""
        return torch.from_numpy(self.seen.y[self.split[part]]).to(device)


def read(recipe: Recipe) -> GraphData:
    """The recipe's graph in the recipe's setting."""
    config = from_table(DataConfig, recipe.data, f"{recipe.name}.data")
    return GraphData(load_graph(recipe.dataset), config.setting, recipe.seed)


def without(
    graph: Graph, split: dict[str, np.ndarray], hidden: np.ndarray
) -> tuple[Graph, dict[str, np.ndarray]]:
    """The graph and split induced by all nodes but ``hidden``."""
    kept = np.setdiff1d(np.arange(len(graph.y)), hidden)
    number = np.full(len(graph.y), -1)
    number[kept] = np.arange(len(kept))
    edges = number[graph.edges]
    edges = edges[:, (edges >= 0).all(axis=0)]
    parts = {k: number[np.setdiff1d(ids, hidden)] for k, ids in split.items()}
    seen = Graph(
        graph.name, graph.x[kept], edges, graph.y[kept], graph.labels, None, graph.row_normalise
    )
    return seen, parts


def normalised(graph: Graph) -> scipy.sparse.csr_matrix:
    """Features as the models are trained on; a zero row stays zero. Shapes: (nodes, features)."""
    if not graph.row_normalise:
        return graph.x
    total = np.asarray(graph.x.sum(axis=1)).ravel()
    scale = np.divide(1, total, out=np.zeros_like(total), where=total != 0)
    return scipy.sparse.csr_matrix(scipy.sparse.diags(scale) @ graph.x, dtype=np.float32)


def accuracy(logits: torch.Tensor, y: torch.Tensor) -> float:
    """Fraction of rows whose largest logit is the label. Shapes: (rows, classes), (rows,)."""
    return int((logits.argmax(dim=-1) == y).sum()) / len(y)


def validation_score(logits: torch.Tensor, y: torch.Tensor, recipe: Recipe) -> float:
    """What the kept epoch maximises. Shapes: (rows, classes), (rows,)."""
    if recipe.select == "loss":
        return -labelled_loss(logits, y).item()
    return accuracy(logits, y)


def student_objective(
    model: MLP, data: GraphData, recipe: Recipe, teacher: torch.Tensor | None
) -> Objective:
    """Labels, and with a teacher its knowledge over all nodes and edges that training sees."""
    config = from_table(DistillConfig, recipe.distill, f"{recipe.name}.distill")
    device = str(next(model.parameters()).device)
    x = normalised(data.seen)
    train = torch.from_numpy(data.split["train"]).to(device)
    y_train, y_val = data.y("train", device), data.y("val", device)
    x_val = SparseMatrix(x[data.split["val"]], device)

    def score() -> float:
        return validation_score(model(x_val), y_val, recipe)

    if teacher is None:
        x_train = SparseMatrix(x[data.split["train"]], device)
        return Objective(lambda _: labelled_loss(model(x_train), y_train), score)
    knowledge = distillation(config, teacher.to(device), data.seen.edges)
    x_all, weight = SparseMatrix(x, device), config.label_weight

    def loss(_: Any) -> torch.Tensor:
        z = model(x_all)
        distilled = (1 - weight) * knowledge(z)
        return weight * labelled_loss(z[train], y_train) + distilled if weight else distilled

    return Objective(loss, score)


def teacher_objective(
    model: nn.Module, data: GraphData, recipe: Recipe, _: torch.Tensor | None
) -> Objective:
    """Labels. Only the neighbourhoods of labelled nodes are computed: same loss and gradients."""
    device = str(next(model.parameters()).device)
    train, val = (hood_of(model, data.seen, data.split[k], device) for k in ("train", "val"))
    y_train, y_val = data.y("train", device), data.y("val", device)
    return Objective(
        loss=lambda _: labelled_loss(model(train), y_train),
        score=lambda: validation_score(model(val), y_val, recipe),
    )


def hood_of(model: nn.Module, graph: Graph, nodes: np.ndarray | None, device: str) -> Neighbourhood:
    """What ``model`` needs to answer for ``nodes``; None for all nodes."""
    kind, layers = model.config.kind, model.config.layers
    adjacency = Adjacency(graph.edges, len(graph.y), kind)
    if nodes is None:
        sources, blocks = np.arange(len(graph.y)), [adjacency.whole()] * layers
    else:
        sources, blocks = adjacency.expand(nodes, layers)
    return Neighbourhood.of(SparseMatrix(normalised(graph)[sources], device), blocks, kind, device)


@torch.no_grad()
def teacher_outputs(model: nn.Module, data: GraphData) -> torch.Tensor:
    """Logits of every node that training sees. Shapes: (nodes, classes)."""
    device = str(next(model.parameters()).device)
    logits: torch.Tensor = model.eval()(hood_of(model, data.seen, None, device))
    return logits


@torch.no_grad()
def student_outputs(model: MLP, data: GraphData) -> torch.Tensor:
    """Logits of every node that training sees. Shapes: (nodes, classes)."""
    device = str(next(model.parameters()).device)
    logits: torch.Tensor = model.eval()(SparseMatrix(normalised(data.seen), device))
    return logits


@torch.no_grad()
def evaluate_teacher(model: nn.Module, data: GraphData) -> dict[str, float]:
    """Accuracies; inductive: on the hidden nodes, with the edges of the full graph and without."""
    device = str(next(model.parameters()).device)
    logits = teacher_outputs(model, data)
    metrics = {
        f"{part}_accuracy": accuracy(logits[data.split[part]], data.y(part, device))
        for part in ("val", "test")
    }
    if len(data.hidden):
        metrics["seen_test_accuracy"] = metrics["test_accuracy"]
        y = torch.from_numpy(data.full.y[data.hidden]).to(device)
        hidden = hood_of(model, data.full, data.hidden, device)
        metrics["test_accuracy"] = accuracy(model(hidden), y)
        alone = Graph(**{**vars(data.full), "edges": data.full.edges[:, :0]})
        hidden = hood_of(model, alone, data.hidden, device)
        metrics["edgeless_test_accuracy"] = accuracy(model(hidden), y)
    return metrics


@torch.no_grad()
def evaluate_student(model: MLP, data: GraphData) -> dict[str, float]:
    """Accuracies; inductive: on the hidden nodes, of which training saw nothing."""
    model.eval()
    device = str(next(model.parameters()).device)

    def on(graph: Graph, ids: np.ndarray) -> float:
        logits = model(SparseMatrix(normalised(graph)[ids], device))
        return accuracy(logits, torch.from_numpy(graph.y[ids]).to(device))

    metrics = {f"{part}_accuracy": on(data.seen, data.split[part]) for part in ("val", "test")}
    if len(data.hidden):
        metrics["seen_test_accuracy"] = metrics["test_accuracy"]
        metrics["test_accuracy"] = on(data.full, data.hidden)
    return metrics
