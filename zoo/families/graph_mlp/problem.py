"""What is trained and measured on a graph: objectives and accuracies."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from zoo.blocks import SparseMatrix
from zoo.families.graph_mlp.data import Graph
from zoo.families.graph_mlp.losses import DistillConfig, distillation, labelled_loss
from zoo.families.graph_mlp.model import MLP
from zoo.families.graph_mlp.neighbours import Adjacency
from zoo.families.graph_mlp.setting import GraphData, normalised
from zoo.families.graph_mlp.teacher import Neighbourhood
from zoo.recipes import Recipe, from_table
from zoo.spec import Objective


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


def hood_of(model: Any, graph: Graph, nodes: np.ndarray | None, device: str) -> Neighbourhood:
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
