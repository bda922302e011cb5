"""A small encoded click log with every kind of field, made of random numbers."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from zoo.families.ctr.ensemble import KINDS
from zoo.families.ctr.layout import Field, Layout
from zoo.recipes import from_table

LAYOUT = Layout(
    (
        Field("user", "categorical", "request", 12, 1),
        Field("price", "numeric", "item", 0, 0),
        Field("item", "categorical", "item", 30, 1),
        Field("tags", "multi", "item", 9, 3),
        Field("hour", "categorical", "request", 6, 1),
        Field("age", "numeric", "request", 0, 0),
    )
)
SCALES = {"price": (20.0, 10.0), "age": (40.0, 15.0)}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Threads that wait for each other take longer than the work does."""
    torch.set_num_threads(1)


def random_part(layout: Layout, n_rows: int, seed: int) -> SimpleNamespace:
    """Rows whose clicks follow user and item; some numbers are missing, lists end in padding."""
    rng = np.random.default_rng(seed)
    ids = np.stack([rng.integers(1, size - 1, n_rows) for size in layout.sizes], axis=1)
    listed = [k for k, name in enumerate(layout.slots) if layout.slots.count(name) > 1]
    kept = rng.integers(0, len(listed) + 1, n_rows)
    ids[:, listed] *= np.arange(len(listed)) < kept[:, None]
    numeric = rng.normal(30, 10, (n_rows, len(layout.numerics)))
    numeric[rng.random(numeric.shape) < 0.2] = np.nan
    signal = np.sin(ids[:, 0]) + np.cos(ids[:, 1])
    y = (signal + rng.logistic(0, 0.3, n_rows) > 0).astype(np.float32)
    return SimpleNamespace(ids=ids.astype(np.int32), numeric=numeric.astype(np.float32), y=y)


def random_log(layout: Layout = LAYOUT, n_rows: int = 600) -> Any:
    """What a click log's ``read`` returns, as far as models ask for it."""
    parts = {
        name: random_part(layout, n_rows, k) for k, name in enumerate(("train", "val", "test"))
    }
    scales = {name: SCALES.get(name, (0.0, 1.0)) for name in layout.numerics}
    return SimpleNamespace(
        layout=layout,
        sizes={"layout": layout.to_dict()},
        scales=scales,
        parts=parts,
        held_out=parts["train"],
        n_rows=n_rows,
    )


@torch.no_grad()
def lived_in(model: nn.Module) -> nn.Module:
    """The model with weights and statistics as after some training, in eval mode."""
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.copy_(torch.randn(module.num_features, generator=generator))
            module.running_var.copy_(0.5 + torch.rand(module.num_features, generator=generator))
        if hasattr(module, "padding"):
            module.table.index_fill_(0, module.padding, 0.0)
            module.standardise(SCALES)
    return model.eval()


@pytest.fixture
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of encoded logs, empty as yet."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("LEANZOO_CACHE", str(folder))
    return folder / "ctr"


@pytest.fixture
def log() -> Any:
    """A log of 600 rows a part."""
    return random_log()


@pytest.fixture
def live() -> Any:
    """``lived_in``."""
    return lived_in


@pytest.fixture
def make_log() -> Any:
    """``random_log``."""
    return random_log


GATED = {"fs1_context": ["user"], "fs2_context": ["item", "hour"]}
SMALL: dict[str, dict[str, Any]] = {
    "finalmlp": {"mlp1": [12, 8], "mlp2": [6], "fs_hidden": [5], "heads": 2, **GATED},
    "dualmlp": {"mlp1": [12, 8], "mlp2": [6]},
    "dcnv2": {"mlp": [8, 8], "crosses": 2},
    "xdeepfm": {"mlp": [8, 8], "cin": [7, 4]},
    "autoint": {"mlp": [8, 8], "attention_dim": 6},
    "logreg": {},
}


@pytest.fixture
def make(log: Any) -> Any:
    """(model, changes of its config) → a small one for ``log`` with fresh weights."""

    def build(name: str, **changes: Any) -> nn.Module:
        torch.manual_seed(0)
        kind, module = KINDS[name]
        return module(from_table(kind, {**SMALL[name], **changes, **log.sizes}, name))

    return build


@pytest.fixture
def inputs(log: Any) -> Any:
    """(number of rows of ``log``) → what a model is given."""

    def take(rows: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
        part = log.parts["val"]
        return torch.from_numpy(part.ids[:rows]).long(), torch.from_numpy(part.numeric[:rows])

    return take
