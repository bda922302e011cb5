"""A family as small as can be that is asked with raw values: two forms, one of which ranks."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import nn

from zoo import metrics
from zoo.contract import Signature, TensorSpec
from zoo.metrics import Metric
from zoo.recipes import Recipe
from zoo.spec import Export, Judge, ModelSpec, Objective

ROWS = 1200
REQUEST = {"user": 40, "hour": 24}  # field → how many values it has
ITEM = {"item": 60, "genres": 8}
GENRES = 3  # kept of a list
SLOTS = ("user", "hour", "item", *["genres"] * GENRES)
REQUEST_SLOTS, ITEM_SLOTS = SLOTS[:2], SLOTS[2:]
UNSEEN = 0.05  # of all values
DIM = 4

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Config:
    """Ids of each slot, padding and unknown included."""

    sizes: list
    bias: float = 0.0


@dataclass(frozen=True)
class Nothing:
    """No choices."""


@dataclass
class Data:
    """Random rows: values as they stand in a log, and their ids."""

    licence: str = "none"
    complete: bool = True
    taught: None = None
    vocabulary: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.vocabulary = {
            name: [f"{name} ü{value}" for value in range(size)]
            for name, size in (REQUEST | ITEM).items()
        }

    @cached_property
    def values(self) -> np.ndarray:
        rng = np.random.default_rng(0)
        columns = []
        for column, name in enumerate(SLOTS):
            known = np.array(self.vocabulary[name], object)
            values = known[rng.integers(0, len(known), ROWS)]
            values[rng.random(ROWS) < UNSEEN] = "never seen"
            if name == "genres" and column > SLOTS.index("genres"):
                values[rng.random(ROWS) < 0.3] = ""
            columns.append(values)
        return np.stack(columns, axis=1)

    @cached_property
    def ids(self) -> np.ndarray:
        """By dict, so that nothing of the exported vocabulary is in it."""
        columns = []
        for name, values in zip(SLOTS, self.values.T, strict=True):
            known = {value: n for n, value in enumerate(self.vocabulary[name], start=1)}
            empty = {"": 0} if name == "genres" else {}
            columns.append([(known | empty).get(v, len(known) + 1) for v in values])
        return np.array(columns).T

    @cached_property
    def prices(self) -> np.ndarray:
        rng = np.random.default_rng(1)
        prices = rng.random((ROWS, 1), np.float32)
        prices[rng.random((ROWS, 1)) < 0.1] = np.nan
        return prices

    @cached_property
    def y(self) -> np.ndarray:
        return (np.random.default_rng(2).random(ROWS) < 0.3).astype(np.float32)

    @property
    def n_rows(self) -> int:
        return ROWS

    @property
    def sizes(self) -> dict[str, Any]:
        return {"sizes": [len(self.vocabulary[name]) + 2 for name in SLOTS]}

    @property
    def attachments(self) -> dict[str, bytes]:
        return {"vocabulary.json": json.dumps(self.vocabulary).encode()}


class Toy(nn.Module):
    """Embeddings and a hidden layer. Shapes: ids (rows, 6), numeric (rows, 1) → (rows,).

    Ids out of range read as the last of their column; NaN reads 0.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("high", torch.tensor(config.sizes), persistent=False)
        offsets = np.cumsum([0, *config.sizes[:-1]])
        self.register_buffer("offsets", torch.from_numpy(offsets), persistent=False)
        self.table = nn.Parameter(torch.randn(sum(config.sizes), DIM))
        self.hidden = nn.Linear(len(SLOTS) * DIM + 1, 16)
        self.last = nn.Linear(16, 1)

    def forward(self, ids: torch.Tensor, numeric: torch.Tensor) -> torch.Tensor:
        known = (ids >= 0) & (ids < self.high)
        ids = torch.where(known, ids, self.high - 1) + self.offsets
        e = nn.functional.embedding(ids, self.table).flatten(1)
        x = torch.cat([e, torch.where(numeric.isnan(), 0.0, numeric)], dim=1)
        return self.last(torch.relu(self.hidden(x))).squeeze(1) + self.config.bias


class Rows(nn.Module):
    """Shapes: as ``Toy`` → score (rows, 1), logit (rows, 1)."""

    def __init__(self, toy: nn.Module) -> None:
        super().__init__()
        self.toy = toy

    def forward(self, ids: torch.Tensor, numeric: torch.Tensor) -> tuple[torch.Tensor, ...]:
        logit = self.toy(ids, numeric).unsqueeze(1)
        return torch.sigmoid(logit), logit


class Rank(nn.Module):
    """Shapes: request_ids (2,), item_ids (candidates, 4), item_numeric (candidates, 1)
    → score (candidates,), logit (candidates,)."""

    def __init__(self, toy: nn.Module) -> None:
        super().__init__()
        self.toy = toy

    def forward(
        self, request: torch.Tensor, items: torch.Tensor, numeric: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        ids = torch.cat([request.expand(items.shape[0], 2), items], dim=1)
        logit = self.toy(ids, numeric)
        return torch.sigmoid(logit), logit


def _ids(name: str, shape: tuple, config: Config, columns: slice) -> TensorSpec:
    high = tuple(config.sizes[columns])
    return TensorSpec(name, "int64", (*shape, len(high)), "ids", high, SLOTS[columns])


def _price(name: str, *lead: str) -> TensorSpec:
    return TensorSpec(name, "float32", (*lead, 1), "price", columns=("price",), missing=True)


def rows_signature(config: Config) -> Signature:
    outputs = tuple(TensorSpec(name, "float32", (1,), name) for name in ("score", "logit"))
    inputs = (_ids("ids", (), config, slice(0, 6)), _price("numeric"))
    return Signature(inputs, outputs, 1024)


def rank_signature(config: Config) -> Signature:
    lead = ("candidates",)
    outputs = tuple(TensorSpec(name, "float32", lead, name) for name in ("score", "logit"))
    request = _ids("request_ids", (), config, slice(0, 2))
    item = _ids("item_ids", lead, config, slice(2, 6))
    return Signature((request, item, _price("item_numeric", *lead)), outputs, 0)


def rows(data: Data, _: Config, ids: np.ndarray) -> Arrays:
    return {"ids": data.ids[ids], "numeric": data.prices[ids]}


def raw_rows(data: Data, _: Config, ids: np.ndarray) -> Arrays:
    return {"ids": data.values[ids], "numeric": data.prices[ids]}


def rank(data: Data, _: Config, ids: np.ndarray) -> Arrays:
    items = {"item_ids": data.ids[ids, 2:], "item_numeric": data.prices[ids]}
    return {"request_ids": data.ids[ids[0], :2], **items}


def raw_rank(data: Data, _: Config, ids: np.ndarray) -> Arrays:
    items = {"item_ids": data.values[ids, 2:], "item_numeric": data.prices[ids]}
    return {"request_ids": data.values[ids[0], :2], **items}


def answers(model: nn.Module, data: Data) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.from_numpy(data.ids), torch.from_numpy(data.prices))


def auc(logits: np.ndarray, data: Data) -> float:
    above = logits.ravel()[data.y == 1, None] > logits.ravel()[None, data.y == 0]
    return float(above.mean())


def every(data: Data) -> tuple[Data, np.ndarray]:
    return data, np.arange(ROWS)


JUDGE = Judge(
    tested=every,
    training=every,
    targets=lambda data, ids: {"y": data.y[ids]},
    quantities=lambda outputs, targets: {"logit": outputs["logit"].ravel(), **targets},
    metrics={"auc": Metric(metrics.auc("logit", "y"), "auc")},
)


def _untrained(*_: Any) -> Objective:
    raise NotImplementedError("its weights are drawn")


def _read(_: Recipe) -> Data:
    return Data()


MODELS = [
    ModelSpec(
        name="toy",
        doc="For tests.",
        task="click-prediction",
        config=Config,
        data_config=Nothing,
        distill_config=Nothing,
        data=_read,
        build=Toy,
        objective=_untrained,
        outputs=answers,
        answers=answers,
        evaluate=lambda model, data: {"test_auc": auc(answers(model, data).numpy(), data)},
        metric="auc",
        exports={
            "rows": Export("ids of rows", rows_signature, Rows, rows, raw=raw_rows),
            "rank": Export("one request's candidates", rank_signature, Rank, rank, raw=raw_rank),
        },
        judge=JUDGE,
    )
]
DATASETS = ("toy-clicks",)
