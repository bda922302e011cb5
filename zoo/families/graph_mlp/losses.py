"""What a student is trained on: labels, and the teacher's low- and high-frequency knowledge.

FF-G2M, AAAI 2023; as in the authors' released code: forward KL with the teacher as target, mean
over directed edges (not nodes), no τ² factor. Teacher terms are computed once, so that an epoch
costs O(nodes · classes) for the low and O(edges · classes) for the high frequencies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

PAGERANK_STEPS = 20
PROBABILITY_FLOOR = 1e-6  # keeps the logits of smoothed probabilities finite
METHODS = ("ffg2m", "glnn", "low", "high", "vanilla")

Loss = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class DistillConfig:
    """Which knowledge is distilled, and how much it weighs.

    Attributes:
        method: ``ffg2m`` (low + high), ``glnn`` (node-wise), ``low``, ``high``, or ``vanilla``
            (labels only; the other fields have no effect).
        label_weight: λ, weight of the labels' cross-entropy; 1 − λ weighs the teacher.
        temperature: τ2 of the high-frequency term.
        smoothing: α of the personalised PageRank that smooths the teacher's probabilities over the
            graph before they are taught; 0 teaches them as they are, as the paper does.
    """

    method: str = "vanilla"
    label_weight: float = 0.0
    temperature: float = 1.0
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method is '{self.method}': expected one of {', '.join(METHODS)}")
        if not 0 <= self.label_weight <= 1 or self.temperature <= 0:
            raise ValueError("expected 0 <= label_weight <= 1 and temperature > 0")
        if not 0 <= self.smoothing < 1:
            raise ValueError("expected 0 <= smoothing < 1")


def distillation(config: DistillConfig, teacher: torch.Tensor, edges: np.ndarray) -> Loss:
    """The teacher's part of the loss, as a function of the student's logits.

    Args:
        config: the method and its temperature.
        teacher: the teacher's logits.
        edges: undirected edges, each once, without self loops.

    Shapes: teacher (nodes, classes); edges (2, edges); student logits (nodes, classes) → ().
    """
    if config.smoothing:
        teacher = smoothed(teacher, edges, config.smoothing)
    if config.method == "glnn":
        return node_loss(teacher)
    low, high = low_loss(teacher, edges), high_loss(teacher, edges, config.temperature)
    both: dict[str, Loss] = {"low": low, "high": high, "ffg2m": lambda z: low(z) + high(z)}
    return both[config.method]


def smoothed(teacher: torch.Tensor, edges: np.ndarray, alpha: float) -> torch.Tensor:
    """Logits of the teacher's probabilities after personalised PageRank over the graph.

    p ← α·Â·p + (1 − α)·p₀ with Â of GCN, as APPNP propagates (Gasteiger et al. 2019, eq. 4).

    Shapes: teacher (nodes, classes), edges (2, edges) → (nodes, classes).
    """
    source, target = both_directions(edges, teacher.device)
    degree = torch.bincount(target, minlength=len(teacher)).unsqueeze(-1) + 1.0
    weight = (degree[source] * degree[target]).rsqrt()
    first = p = teacher.softmax(dim=-1)
    for _ in range(PAGERANK_STEPS):
        spread = (p / degree).index_add(0, target, p[source] * weight)
        p = alpha * spread + (1 - alpha) * first
    return (p / p.sum(dim=-1, keepdim=True) + PROBABILITY_FLOOR).log()


def node_loss(teacher: torch.Tensor) -> Loss:
    """GLNN: mean over nodes of KL(teacher ‖ student)."""
    target = teacher.softmax(dim=-1)
    entropy = (target * teacher.log_softmax(dim=-1)).sum() / len(teacher)
    return lambda z: entropy - (target * z.log_softmax(dim=-1)).sum() / len(teacher)


def low_loss(teacher: torch.Tensor, edges: np.ndarray) -> Loss:
    """L_low: mean over directed edges and self loops (i, j) of KL(teacher_j ‖ student_i).

    The teacher's probabilities are summed over each closed neighbourhood beforehand; the value
    and the gradients equal those of the sum over edges.
    """
    source, target = both_directions(edges, teacher.device)
    pairs = len(source) + len(teacher)
    probability = teacher.softmax(dim=-1)
    summed = probability.index_add(0, target, probability[source])
    entropy = (probability * teacher.log_softmax(dim=-1)).sum(dim=-1)
    times_used = torch.bincount(source, minlength=len(teacher)) + 1
    constant = (times_used * entropy).sum() / pairs
    return lambda z: constant - (summed * z.log_softmax(dim=-1)).sum() / pairs


def high_loss(teacher: torch.Tensor, edges: np.ndarray, temperature: float) -> Loss:
    """L_high: mean over edges of KL(σ(|Δ teacher| / τ) ‖ σ(|Δ student| / τ)), Δ of logits.

    |Δ| is the same in both directions, so each undirected edge is computed once.
    """
    u, v = (torch.from_numpy(ends).to(teacher.device) for ends in edges)

    def log_pattern(logits: torch.Tensor) -> torch.Tensor:
        return ((logits[u] - logits[v]).abs() / temperature).log_softmax(dim=-1)

    target, pairs = log_pattern(teacher).exp(), max(len(u), 1)
    constant = (target * log_pattern(teacher)).sum() / pairs
    return lambda z: constant - (target * log_pattern(z)).sum() / pairs


def labelled_loss(z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of labelled rows. Shapes: z (rows, classes), y (rows,) → ()."""
    return F.cross_entropy(z, y)


def both_directions(edges: np.ndarray, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Sources and targets of all directed edges. Shapes: (2, edges) → 2 × (2·edges,)."""
    u, v = (torch.from_numpy(ends).to(device) for ends in edges)
    return torch.cat([u, v]), torch.cat([v, u])
