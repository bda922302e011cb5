"""Trains FinalMLP with FuxiCTR and says how long an epoch took; run by ``benchmarks.fuxictr``.

    python -P fuxictr_worker.py FOLDER      FOLDER holds setup.json and data.npz

Runs in an environment of its own and imports nothing of this project. FuxiCTR's wheel brings the
training loop, embeddings and MLPs, but not FinalMLP itself: it is put together here of those parts,
by the equations of the paper. Prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

np.Inf = np.inf  # type: ignore[attr-defined]  # FuxiCTR 2.3.7 was written for NumPy 1

from fuxictr.features import FeatureMap  # type: ignore[import-not-found]  # noqa: E402
from fuxictr.pytorch.layers import (  # type: ignore[import-not-found]  # noqa: E402
    FeatureEmbedding,
    MLP_Block,
)
from fuxictr.pytorch.models import BaseModel  # type: ignore[import-not-found]  # noqa: E402

LABEL = "click"
Columns = dict[str, torch.Tensor]


class Gate(nn.Module):
    """2·sigmoid of an MLP over some fields' own embeddings. Shapes: → (rows, n_out)."""

    def __init__(self, fields: Any, names: list[str], config: dict[str, Any], n_out: int) -> None:
        super().__init__()
        dim, self.names = config["dim"], names
        if names:
            self.context = FeatureEmbedding(fields, dim, required_feature_columns=names)
        else:
            self.constant = nn.Parameter(torch.zeros(1, dim))
        self.mlp = MLP_Block(
            input_dim=dim * max(1, len(names)),
            output_dim=n_out,
            hidden_units=config["fs_hidden"],
            output_activation="Sigmoid",
        )

    def forward(self, columns: Columns, rows: int) -> torch.Tensor:
        """Factors of the features, 1 where the gate is neutral."""
        context = self.context(columns).flatten(1) if self.names else self.constant.repeat(rows, 1)
        return 2 * self.mlp(context)


class FinalMLP(BaseModel):
    """Two gated streams and their bilinear fusion, of FuxiCTR's parts.

    Shapes: a dict of columns (rows,) → {"y_pred": (rows, 1)}.
    """

    def __init__(self, fields: Any, setup: dict[str, Any], folder: Path) -> None:
        config = setup["config"]
        super().__init__(
            fields,
            model_id="FinalMLP",
            embedding_regularizer=setup["l2"],
            early_stop_patience=setup["epochs"] + 1,
            verbose=0,
            model_root=str(folder),
            metrics=["AUC"],
        )
        n_in = config["dim"] * fields.num_fields
        self.embedding = FeatureEmbedding(fields, config["dim"])
        self.gate1 = Gate(fields, config["fs1_context"], config, n_in)
        self.gate2 = Gate(fields, config["fs2_context"], config, n_in)
        self.mlp1, self.mlp2 = (
            MLP_Block(
                input_dim=n_in,
                hidden_units=config[f"mlp{stream}"],
                dropout_rates=config[f"dropout{stream}"],
                batch_norm=config["batch_norm"],
            )
            for stream in (1, 2)
        )
        width1, width2, heads = config["mlp1"][-1], config["mlp2"][-1], config["heads"]
        self.linear1, self.linear2 = nn.Linear(width1, 1), nn.Linear(width2, 1)
        self.bilinear = nn.Parameter(torch.empty(heads, width1 // heads, width2 // heads))
        nn.init.xavier_normal_(self.bilinear.data.view(-1, 1))
        self.compile("adam", "binary_crossentropy", setup["lr"])
        self.reset_parameters()
        self.model_to_device()

    def forward(self, inputs: Columns) -> Columns:
        """Click rates."""
        columns = self.get_inputs(inputs)
        x = self.embedding(columns, flatten_emb=True)
        o1 = self.mlp1(x * self.gate1(columns, len(x)))
        o2 = self.mlp2(x * self.gate2(columns, len(x)))
        heads, width1, width2 = self.bilinear.shape
        by_head = torch.matmul(o1.view(-1, heads, 1, width1), self.bilinear).squeeze(2)
        crossed = (by_head * o2.view(-1, heads, width2)).sum(dim=(1, 2))
        logits = self.linear1(o1) + self.linear2(o2) + crossed.unsqueeze(1)
        return {"y_pred": self.output_activation(logits)}


class InMemory:
    """Batches of columns that are in memory, as FuxiCTR's loop takes them."""

    def __init__(self, columns: Columns, size: int, shuffled: bool) -> None:
        self.columns, self.size, self.shuffled = columns, size, shuffled
        self.rows = len(columns[LABEL])

    def __len__(self) -> int:
        return -(-self.rows // self.size)

    def __iter__(self) -> Iterator[Columns]:
        order = torch.randperm(self.rows) if self.shuffled else torch.arange(self.rows)
        for chosen in order.split(self.size):
            yield {name: column[chosen] for name, column in self.columns.items()}


def main() -> None:
    """Train for the epochs that the setup says."""
    folder = Path(sys.argv[1])
    setup = json.loads((folder / "setup.json").read_text())
    torch.set_num_threads(setup["threads"])
    torch.manual_seed(setup["seed"])
    fields = feature_map(setup["fields"])
    train, val = (read(folder / "data.npz", part, setup) for part in ("train", "val"))
    model = FinalMLP(fields, setup, folder)
    (folder / fields.dataset_id).mkdir(exist_ok=True)
    batches = InMemory(train, setup["batch_size"], shuffled=True)
    held_out = InMemory(val, setup["batch_size"], shuffled=False)
    began = time.perf_counter()
    model.fit(batches, setup["epochs"], held_out, max_gradient_norm=setup["clip"])
    seconds = time.perf_counter() - began
    parameters = sum(p.numel() for p in model.parameters())
    auc = float(model.evaluate(held_out, ["AUC"])["AUC"])
    found = {"epoch_s": seconds / setup["epochs"], "parameters": parameters, "val_auc": auc}
    print(json.dumps(found))


def feature_map(sizes: dict[str, int]) -> Any:
    """FuxiCTR's description of categorical fields.

    Args:
        sizes: field → number of ids, padding and unknown included.
    """
    fields = FeatureMap("data", "")
    for name, size in sizes.items():
        spec = {"type": "categorical", "source": "", "vocab_size": size, "padding_idx": 0}
        fields.features[name] = spec
    fields.labels, fields.num_fields = [LABEL], len(sizes)
    return fields


def read(file: Path, part: str, setup: dict[str, Any]) -> Columns:
    """One part of the log as columns."""
    with np.load(file) as archive:
        ids, y = archive[f"{part}_ids"], archive[f"{part}_y"]
    columns = {name: torch.from_numpy(ids[:, k].copy()) for k, name in enumerate(setup["fields"])}
    return {**columns, LABEL: torch.from_numpy(y)}


if __name__ == "__main__":
    main()
