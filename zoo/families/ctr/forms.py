"""In which forms click models are exported, and how real inputs of each form are made."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from zoo.contract import Signature, TensorSpec
from zoo.families.ctr import rank
from zoo.families.ctr.folded import folded, known
from zoo.families.ctr.layout import Layout
from zoo.spec import Export

Arrays = dict[str, np.ndarray]

MAX_BATCH = 1024
CANDIDATES = "candidates"


class Rows(nn.Module):
    """A click model on rows that each are complete.

    Shapes: ids (batch, slots) int64, numeric (batch, numerics) float32 where there are such fields
    → score (batch, 1), the probability of a click, logit (batch, 1).
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.sizes = Layout.from_dict(model.config.layout).sizes
        self.model = folded(model)

    def forward(
        self, ids: torch.Tensor, numeric: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Click probabilities and logits; ids out of range read as unknown."""
        logit = self.model(known(ids, self.sizes), numeric).unsqueeze(1)
        return torch.sigmoid(logit), logit


def row_signature(config: Any) -> Signature:
    """Complete rows → their scores."""
    layout = Layout.from_dict(config.layout)
    outputs = (
        TensorSpec("score", "float32", (1,), "probability of a click"),
        TensorSpec("logit", "float32", (1,), "its logit"),
    )
    return Signature(_inputs(layout, "", ()), outputs, MAX_BATCH)


def rank_signature(config: Any) -> Signature:
    """One request and its candidates → the candidates' scores."""
    layout = Layout.from_dict(config.layout)
    request = _inputs(layout.of("request"), "request_", ())
    items = _inputs(layout.of("item"), "item_", (CANDIDATES,))
    outputs = (
        TensorSpec("score", "float32", (CANDIDATES,), "probability of a click"),
        TensorSpec("logit", "float32", (CANDIDATES,), "its logit"),
    )
    return Signature((*request, *items), outputs, 0)


def _inputs(layout: Layout, prefix: str, lead: tuple[str, ...]) -> tuple[TensorSpec, ...]:
    """Ids and, where there are such fields, numbers of some fields."""
    ids = TensorSpec(
        f"{prefix}ids",
        "int64",
        (*lead, len(layout.slots)),
        "id of each field's value: 0 padding, then known values, the last any other",
        high=layout.sizes,
        columns=layout.slots,
    )
    numeric = TensorSpec(
        f"{prefix}numeric",
        "float32",
        (*lead, len(layout.numerics)),
        "numeric fields in the log's own units, NaN where missing",
        columns=layout.numerics,
        missing=True,
    )
    return (ids, numeric) if layout.numerics else (ids,)


def rows(data: Any, config: Any, ids: np.ndarray) -> Arrays:
    """Test rows. Shapes: ids (rows, slots), numeric (rows, numerics)."""
    test = data.parts["test"]
    arrays = {"ids": np.asarray(test.ids)[ids].astype(np.int64)}
    if data.layout.numerics:
        arrays["numeric"] = np.asarray(test.numeric)[ids]
    return arrays


def raw_rows(data: Any, config: Any, ids: np.ndarray) -> Arrays:
    """Test rows as they stood in the log."""
    raw = data.raw(ids)
    arrays = {"ids": raw["values"]}
    if data.layout.numerics:
        arrays["numeric"] = raw["numeric"]
    return arrays


def rank_rows(data: Any, config: Any, ids: np.ndarray) -> Arrays:
    """The first row's request, and the items of all rows as its candidates."""
    return _ranked(data.layout, rows(data, config, ids))


def raw_rank_rows(data: Any, config: Any, ids: np.ndarray) -> Arrays:
    """As ``rank_rows``, as they stood in the log."""
    return _ranked(data.layout, raw_rows(data, config, ids))


def _ranked(layout: Layout, arrays: Arrays) -> Arrays:
    """Rows cut into one request and many candidates."""
    ranked: Arrays = {}
    for role, prefix in (("request", "request_"), ("item", "item_")):
        names = tuple(field.name for field in layout.fields if field.role == role)
        for name, columns in zip(("ids", "numeric"), layout.columns(names), strict=True):
            if name in arrays and (columns or name == "ids"):
                part = arrays[name][:, columns]
                ranked[prefix + name] = part[0] if role == "request" else part
    return ranked


ROWS = Export("complete rows", row_signature, Rows, rows, raw=raw_rows)
SINGLE = {"rows": ROWS}
FINALMLP = {
    "rows": ROWS,
    "rank": Export(
        "one request and many candidates, where both have categorical or multi fields",
        rank_signature,
        rank.RankFinalMLP,
        rank_rows,
        suits=rank.suits,
        raw=raw_rank_rows,
    ),
}
TEACHER = {
    "rows": Export("complete rows", row_signature, Rows, rows, served=False),
}
