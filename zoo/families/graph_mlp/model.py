"""The student: a plain MLP over a node's own features, and its two served forms.

FF-G2M, AAAI 2023, §"Extracting Low-/High-Frequency Knowledge from Graph Neural Networks and
Injecting it into MLPs": the deployed model needs no graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from zoo.blocks import RowLinear, SparseMatrix, relu_dropout
from zoo.contract import Signature, TensorSpec
from zoo.families.graph_mlp.teacher import TeacherConfig

MAX_BATCH = 1024
MAX_BATCH_SPARSE = 256  # its first layer gathers batch × max_nnz rows of the weight


@dataclass(frozen=True)
class MLPConfig:
    """Architecture of the student.

    Attributes:
        layers: number of linear layers.
        hidden: width of the hidden layers.
        dropout: probability after every layer but the last.
        features: input width, from the data.
        classes: output width, from the data.
        max_nnz: most non-zero features of any row, rounded up to 8; from the data.
        row_normalise: rows are divided by their sum; from the data.
    """

    layers: int
    hidden: int
    dropout: float
    features: int
    classes: int
    max_nnz: int
    row_normalise: bool

    @property
    def sparse(self) -> bool:
        """Whether rows are mostly zero, so that ids and values beat dense rows."""
        return self.max_nnz * 2 <= self.features

    def __post_init__(self) -> None:
        if self.layers < 2 or self.hidden < 1 or not 0 <= self.dropout < 1:
            raise ValueError("expected layers >= 2, hidden >= 1 and 0 <= dropout < 1")


class MLP(nn.Module):
    """Linear layers with ReLU and dropout between them.

    Shapes: x (nodes, features) normalised, dense or SparseMatrix → logits (nodes, classes).
    """

    def __init__(self, config: MLPConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.hidden] * (config.layers - 1)
        self.first = RowLinear(config.features, config.hidden)
        self.rest = nn.ModuleList(
            nn.Linear(n_in, n_out)
            for n_in, n_out in zip(widths, [*widths[1:], config.classes], strict=True)
        )
        self.random = np.random.default_rng(torch.initial_seed())

    def forward(self, x: torch.Tensor | SparseMatrix) -> torch.Tensor:
        """Logits of the rows of ``x``."""
        return self.after_first(self.first(x))

    def after_first(self, h: torch.Tensor) -> torch.Tensor:
        """The layers behind the first, given its output."""
        for layer in self.rest:
            h = layer(self._activate(h))
        return h

    def _activate(self, h: torch.Tensor) -> torch.Tensor:
        if self.training:
            return relu_dropout(h, self.config.dropout, self.random)
        return torch.relu(h)


class DenseStudent(nn.Module):
    """The student as served on dense rows.

    Shapes: x (batch, features) float32, raw → probabilities (batch, classes).
    """

    def __init__(self, mlp: MLP) -> None:
        super().__init__()
        self.mlp = mlp
        self.dense = DenseFirst(mlp.first, mlp.config.row_normalise)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Class probabilities."""
        return torch.softmax(self.mlp.after_first(self.dense(x)), dim=-1)


class SparseStudent(nn.Module):
    """The student as served on the ids and values of the non-zero features.

    The first layer gathers and sums rows of its weight: work in proportion to the words present.
    Ids outside 0..features-1 read a zero row, so that one bad row cannot fail the batch that a
    server put it in.

    Shapes: feature_ids (batch, max_nnz) int64, feature_values (batch, max_nnz) float32, raw
    → probabilities (batch, classes).
    """

    def __init__(self, mlp: MLP) -> None:
        super().__init__()
        self.mlp = mlp
        self.gather = SparseFirst(mlp.first, mlp.config.row_normalise)

    def forward(self, feature_ids: torch.Tensor, feature_values: torch.Tensor) -> torch.Tensor:
        """Class probabilities."""
        return torch.softmax(self.mlp.after_first(self.gather(feature_ids, feature_values)), dim=-1)


class DenseFirst(nn.Module):
    """A RowLinear fed with raw dense rows. Shapes: x (rows, features) → (rows, out)."""

    bias: torch.Tensor | None

    def __init__(self, first: RowLinear, row_normalise: bool, bias: bool = True) -> None:
        super().__init__()
        self.register_buffer("weight", first.weight.detach())
        self.register_buffer("bias", first.bias.detach() if bias else None)
        self.row_normalise = row_normalise

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """First layer's output before its activation."""
        h = (x / _row_total(x) if self.row_normalise else x) @ self.get_buffer("weight")
        return h if self.bias is None else h + self.bias


class SparseFirst(nn.Module):
    """A RowLinear fed with padded feature ids and values.

    Shapes: feature_ids (rows, max_nnz) int64, feature_values (rows, max_nnz) → (rows, out).
    """

    bias: torch.Tensor | None

    def __init__(self, first: RowLinear, row_normalise: bool, bias: bool = True) -> None:
        super().__init__()
        zero_row = torch.zeros(1, first.weight.shape[1])
        self.register_buffer("table", torch.cat([zero_row, first.weight.detach(), zero_row]))
        self.register_buffer("bias", first.bias.detach().clone() if bias else None)
        self.row_normalise = row_normalise

    def forward(self, feature_ids: torch.Tensor, feature_values: torch.Tensor) -> torch.Tensor:
        """First layer's output before its activation."""
        table = self.get_buffer("table")  # a zero row at both ends, for ids that are out of range
        rows = F.embedding((feature_ids + 1).clamp(0, table.shape[0] - 1), table)
        if self.row_normalise:
            feature_values = feature_values / _row_total(feature_values)
        h = (feature_values.unsqueeze(-2) @ rows).squeeze(-2)
        return h if self.bias is None else h + self.bias


def _row_total(x: torch.Tensor) -> torch.Tensor:
    """Row sums, 1 where a row sums to zero, so that a zero row stays finite."""
    total = x.sum(dim=-1, keepdim=True)
    return torch.where(total == 0, 1.0, total)


def dense_signature(config: MLPConfig) -> Signature:
    """x → probabilities."""
    return Signature((row_input(config),), (_probabilities(config),), MAX_BATCH)


def sparse_signature(config: MLPConfig) -> Signature:
    """feature_ids, feature_values → probabilities."""
    return Signature(feature_inputs(config), (_probabilities(config),), MAX_BATCH_SPARSE)


def row_input(config: MLPConfig | TeacherConfig, rows: tuple[str, ...] = ()) -> TensorSpec:
    """Dense feature rows; ``rows`` leads where there is no batch axis."""
    doc = "raw features of a node, not normalised"
    return TensorSpec("x", "float32", (*rows, config.features), doc)


def feature_inputs(
    config: MLPConfig | TeacherConfig, rows: tuple[str, ...] = ()
) -> tuple[TensorSpec, TensorSpec]:
    """Padded ids and values of non-zero features; ``rows`` leads where there is no batch axis."""
    ids_doc = f"ids of the non-zero features, padded with {config.features}"
    values_doc = "their raw values, padded with 0"
    shape: tuple[int | str, ...] = (*rows, config.max_nnz)
    return (
        TensorSpec("feature_ids", "int64", shape, ids_doc, high=config.features + 1),
        TensorSpec("feature_values", "float32", shape, values_doc),
    )


def _probabilities(config: MLPConfig) -> TensorSpec:
    return TensorSpec("probabilities", "float32", (config.classes,), "probability of each class")
