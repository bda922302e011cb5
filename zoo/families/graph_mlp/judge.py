"""What answers about test nodes are worth: their accuracy."""

from __future__ import annotations

import numpy as np

from zoo.families.graph_mlp.setting import GraphData
from zoo.metrics import Metric, mean
from zoo.spec import Arrays, Judge, Rows

CALIBRATION_NODES = 1024


def _tested(data: GraphData) -> Rows:
    """Test nodes; where some were hidden from training, those."""
    return data, (data.hidden if len(data.hidden) else data.split["test"])


def _training(data: GraphData) -> Rows:
    """Some nodes that training saw, and that are neither of validation nor of test."""
    seen = np.setdiff1d(np.arange(data.n_rows), data.hidden)
    held = np.concatenate([data.split["val"], data.split["test"]])
    free = np.delete(seen, held)
    rows = np.linspace(0, len(free) - 1, min(len(free), CALIBRATION_NODES)).astype(np.int64)
    return data, free[rows]


def _targets(data: GraphData, ids: np.ndarray) -> Arrays:
    return {"label": data.full.y[ids]}


def _quantities(outputs: Arrays, targets: Arrays) -> Arrays:
    """Shapes: probabilities (nodes, classes), label (nodes,) → whether each is right."""
    return {"right": outputs["probabilities"].argmax(axis=1) == targets["label"]}


JUDGE = Judge(
    tested=_tested,
    training=_training,
    targets=_targets,
    quantities=_quantities,
    metrics={"accuracy": Metric(mean("right"), "accuracy")},
)
