"""``wide-log``: a generated log as wide as Criteo's and as long as is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SEED = 0
BLOCK_ROWS = 1 << 17  # made at a time
NUMERICS, CATEGORICALS = 13, 26
SIZES = tuple(int(4 * 25_000 ** (k / (CATEGORICALS - 1))) for k in range(CATEGORICALS))
PAIR = (10, 11)  # categorical fields whose hidden factors are multiplied

SCHEMA: dict[str, Any] = {
    "label": "click",
    "fields": {
        **{f"i{k + 1}": {"kind": "numeric"} for k in range(NUMERICS)},
        **{f"c{k + 1}": {"role": "item" if k % 2 else "request"} for k in range(CATEGORICALS)},
    },
}


def make_wide_log(paths: Sequence[Path], target: Path, rows: int) -> None:
    """Write a log of 13 numeric and 26 categorical fields, block by block.

    Categorical field k has up to ``SIZES[k]`` values, few of them frequent; of every field some
    are missing. A logistic model over all fields and one product of hidden factors decides on a
    click.

    Args:
        paths: none; the log is generated.
        target: Parquet file to write.
        rows: how many, 1 or more; a longer log begins with the rows of a shorter one.
    """
    nature = _Nature(np.random.default_rng(SEED))
    names = [pa.array(np.char.mod(f"{k:x}%06x", np.arange(n))) for k, n in enumerate(SIZES)]
    writer = None
    for block, start in enumerate(range(0, rows, BLOCK_ROWS)):
        table = _table(nature, names, np.random.default_rng([SEED, block]))
        writer = writer or pq.ParquetWriter(target, table.schema)
        writer.write_table(table.slice(0, min(BLOCK_ROWS, rows - start)))
    assert writer is not None
    writer.close()


@dataclass
class _Nature:
    """What decides on a click."""

    rng: np.random.Generator

    def __post_init__(self) -> None:
        self.weights = [self.rng.normal(0, 0.35, size) for size in SIZES]
        self.hidden = [self.rng.normal(0, 1, SIZES[k]) for k in PAIR]
        self.slopes = self.rng.normal(0, 0.25, NUMERICS)
        self.gone = self.rng.random(NUMERICS + CATEGORICALS) ** 2 * 0.4  # fraction missing

    def clicks(self, numbers: np.ndarray, ids: list[np.ndarray], gone: np.ndarray) -> np.ndarray:
        """Probability of a click. Shapes: (rows,)."""
        logit = self.hidden[0][ids[PAIR[0]]] * self.hidden[1][ids[PAIR[1]]] - 1.6
        for k in range(NUMERICS):
            logit += np.where(gone[k], 0, self.slopes[k] * (numbers[k] - 1.5))
        for k in range(CATEGORICALS):
            logit += np.where(gone[NUMERICS + k], 0, self.weights[k][ids[k]])
        return 1 / (1 + np.exp(-logit))


def _table(nature: _Nature, names: list[pa.Array], rng: np.random.Generator) -> pa.Table:
    """One block of rows."""
    ids = [(size * rng.random(BLOCK_ROWS) ** 4).astype(np.int32) for size in SIZES]
    counts = np.floor(rng.lognormal(1.5, 1.5, (NUMERICS, BLOCK_ROWS)))
    numbers = np.log1p(counts).round(4).astype(np.float32)
    gone = rng.random((NUMERICS + CATEGORICALS, BLOCK_ROWS)) < nature.gone[:, None]
    clicked = rng.random(BLOCK_ROWS) < nature.clicks(numbers, ids, gone)
    columns = {"click": pa.array(clicked.astype(np.int8))}
    for k in range(NUMERICS):
        columns[f"i{k + 1}"] = pa.array(numbers[k], mask=gone[k])
    for k in range(CATEGORICALS):
        codes = pa.array(ids[k], mask=gone[NUMERICS + k])
        columns[f"c{k + 1}"] = pa.DictionaryArray.from_arrays(codes, names[k])
    return pa.table(columns)
