"""The losses, against the sums that the paper's code writes out."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812  the field's habit

from zoo.families.graph_mlp.losses import (
    METHODS,
    DistillConfig,
    distillation,
    high_loss,
    low_loss,
    node_loss,
    smoothed,
)
from zoo.families.graph_mlp.model import MLP
from zoo.families.graph_mlp.problem import student_objective
from zoo.families.graph_mlp.setting import GraphData
from zoo.families.graph_mlp.toy import make_toy_graph
from zoo.registry import get_recipe, get_spec
from zoo.spec import config_of

NODES, CLASSES = 7, 4
# Node 0 has three neighbours and node 6 none: a mean over nodes differs from one over edges.
EDGES = np.array([[0, 0, 0, 1, 4], [1, 2, 3, 2, 5]])
DIRECTED = [(int(u), int(v)) for u, v in np.c_[EDGES, EDGES[::-1]].T]

Loss = Callable[[torch.Tensor], torch.Tensor]


@pytest.fixture
def teacher() -> torch.Tensor:
    return 2 * torch.randn(NODES, CLASSES, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def student() -> torch.Tensor:
    z = torch.randn(NODES, CLASSES, generator=torch.Generator().manual_seed(1))
    return z.requires_grad_()


def kl(target: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """KL(σ(target) ‖ σ(logits)) of two rows."""
    p = target.softmax(-1)
    return (p * (target.log_softmax(-1) - logits.log_softmax(-1))).sum()


def explicit_low(teacher: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    pairs = DIRECTED + [(i, i) for i in range(NODES)]
    return torch.stack([kl(teacher[j], z[i]) for i, j in pairs]).mean()


def explicit_high(teacher: torch.Tensor, z: torch.Tensor, tau: float) -> torch.Tensor:
    terms = [
        kl((teacher[i] - teacher[j]).abs() / tau, (z[i] - z[j]).abs() / tau) for i, j in DIRECTED
    ]
    return torch.stack(terms).mean()


def explicit_node(teacher: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    return torch.stack([kl(h, row) for h, row in zip(teacher, z, strict=True)]).mean()


def assert_same(loss: Loss, expected: Loss, z: torch.Tensor) -> None:
    """Equal values and equal gradients."""
    torch.testing.assert_close(loss(z), expected(z), atol=1e-6, rtol=1e-5)
    (ours,), (theirs,) = (torch.autograd.grad(f(z), z) for f in (loss, expected))
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)


def test_low(teacher: torch.Tensor, student: torch.Tensor) -> None:
    assert_same(low_loss(teacher, EDGES), lambda z: explicit_low(teacher, z), student)


@pytest.mark.parametrize("tau", [1.0, 1.5])
def test_high(teacher: torch.Tensor, student: torch.Tensor, tau: float) -> None:
    """Divided by the temperature, and not multiplied by its square afterwards."""
    assert_same(high_loss(teacher, EDGES, tau), lambda z: explicit_high(teacher, z, tau), student)


def test_node(teacher: torch.Tensor, student: torch.Tensor) -> None:
    assert_same(node_loss(teacher), lambda z: explicit_node(teacher, z), student)


@pytest.mark.parametrize("method", ["ffg2m", "low", "high", "glnn"])
def test_method(teacher: torch.Tensor, student: torch.Tensor, method: str) -> None:
    def expected(z: torch.Tensor) -> torch.Tensor:
        low, high = explicit_low(teacher, z), explicit_high(teacher, z, 1.3)
        node = explicit_node(teacher, z)
        return {"ffg2m": low + high, "low": low, "high": high, "glnn": node}[method]

    loss = distillation(DistillConfig(method, temperature=1.3), teacher, EDGES)
    assert_same(loss, expected, student)


def test_teacher_is_the_first_argument(teacher: torch.Tensor, student: torch.Tensor) -> None:
    forward = F.kl_div(student.log_softmax(-1), teacher.softmax(-1), reduction="batchmean")
    backward = F.kl_div(teacher.log_softmax(-1), student.softmax(-1), reduction="batchmean")
    torch.testing.assert_close(node_loss(teacher)(student), forward)
    assert abs(forward - backward) > 0.1


def test_zero_where_student_equals_teacher(teacher: torch.Tensor) -> None:
    shifted = teacher + 3.0  # softmax and differences see no shift
    assert abs(node_loss(teacher)(shifted)) < 1e-6
    assert abs(high_loss(teacher, EDGES, 1.2)(shifted)) < 1e-6


def test_no_gradient_to_the_teacher(teacher: torch.Tensor, student: torch.Tensor) -> None:
    """Low-frequency loss is least at the mean of the neighbours' probabilities."""
    best = torch.stack(
        [
            torch.stack(
                [teacher[j].softmax(-1) for k, j in DIRECTED if k == i] + [teacher[i].softmax(-1)]
            ).mean(0)
            for i in range(NODES)
        ]
    ).log()
    loss = low_loss(teacher, EDGES)
    best.requires_grad_()
    (gradient,) = torch.autograd.grad(loss(best), best)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), atol=1e-6, rtol=0)
    assert loss(best) < loss(student)


def test_graph_without_edges(teacher: torch.Tensor, student: torch.Tensor) -> None:
    loss = distillation(DistillConfig("ffg2m"), teacher, EDGES[:, :0])
    torch.testing.assert_close(loss(student), explicit_node(teacher, student))


@pytest.mark.parametrize("alpha", [0.3, 0.9])
def test_smoothed_is_personalised_pagerank(teacher: torch.Tensor, alpha: float) -> None:
    adjacency = torch.eye(NODES, dtype=torch.float64)
    for i, j in DIRECTED:
        adjacency[i, j] = 1
    root = adjacency.sum(1).rsqrt()
    spread = root[:, None] * adjacency * root
    first = teacher.double().softmax(-1)
    p = first
    for _ in range(20):
        p = alpha * spread @ p + (1 - alpha) * first
    found = smoothed(teacher, EDGES, alpha).softmax(-1)
    expected = p / p.sum(1, keepdim=True)
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=0)


def test_smoothing_is_taught(teacher: torch.Tensor, student: torch.Tensor) -> None:
    config = DistillConfig(method="glnn", smoothing=0.5)
    known = node_loss(smoothed(teacher, EDGES, 0.5))(student)
    torch.testing.assert_close(distillation(config, teacher, EDGES)(student), known)


def test_methods_are_those_of_the_config() -> None:
    assert {DistillConfig(method).method for method in METHODS} == set(METHODS)


@pytest.fixture(scope="module")
def data() -> GraphData:
    return GraphData(make_toy_graph(0), "transductive", 0)


def objective_loss(data: GraphData, teacher: Any, flip: bool = False, **distill: Any) -> float:
    """A toy student's first loss, with the training labels as they are or all changed."""
    recipe = get_recipe("mlp-toy")
    spec = get_spec("mlp")
    changed = GraphData(data.full, "transductive", 0)
    if flip:
        changed.y = lambda part, device: (data.y(part, device) + 1) % 4  # type: ignore[method-assign]
    torch.manual_seed(0)
    model: MLP = spec.build(config_of(spec, recipe, data.sizes))  # type: ignore[assignment]
    made = recipe.by(distill.pop("method", "ffg2m"), spec.distill_config)
    made.distill.update(distill)
    objective = student_objective(model.eval(), changed, made, teacher)
    return objective.loss(None).item()


def test_label_weight_mixes(data: GraphData) -> None:
    logits = torch.randn(600, 4, generator=torch.Generator().manual_seed(0))
    losses = [objective_loss(data, logits, label_weight=w) for w in (0.0, 0.25, 0.5, 1.0)]
    labels = objective_loss(data, None, method="vanilla")
    assert losses[3] == pytest.approx(labels, rel=1e-5)
    assert losses[1] == pytest.approx(0.25 * losses[3] + 0.75 * losses[0], rel=1e-5)
    assert losses[2] == pytest.approx(0.5 * losses[3] + 0.5 * losses[0], rel=1e-5)
    assert all(abs(a - b) > 0.01 for a, b in pairwise(losses))


@pytest.mark.parametrize(("weight", "matter"), [(0.0, False), (0.1, True)])
def test_labels_matter_with_a_weight_only(data: GraphData, weight: float, matter: bool) -> None:
    logits = torch.randn(600, 4, generator=torch.Generator().manual_seed(0))
    as_they_are, changed = (
        objective_loss(data, logits, flip, label_weight=weight) for flip in (False, True)
    )
    assert (as_they_are != changed) == matter


def test_vanilla_has_labels_alone(data: GraphData) -> None:
    recipe = get_recipe("mlp-toy").by("vanilla", get_spec("mlp").distill_config)
    assert recipe.teacher is None
    assert objective_loss(data, None, method="vanilla") != objective_loss(
        data, None, True, method="vanilla"
    )
