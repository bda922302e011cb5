"""Mini-batches of an encoded click log, drawn from arrays that may be larger than memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from zoo.families.ctr.parts import Part

SHUFFLED_WHOLE = 5_000_000  # rows up to which any row may follow any other
BLOCK = 65_536
BLOCKS_TOGETHER = 16


@dataclass(frozen=True)
class Batch:
    """Some rows as tensors.

    Shapes: inputs: ids (rows, slots) int64 and, where the log has numeric fields, numeric
    (rows, numerics) float32; y (rows,) float32; taught (rows,) float32, the teacher's logits.
    """

    inputs: tuple[torch.Tensor, ...]
    y: torch.Tensor
    taught: torch.Tensor | None = None


class Batches:
    """Batches of training rows, in another order each time they are asked for.

    A log of more than ``SHUFFLED_WHOLE`` rows is drawn block by block: blocks in random order, and
    random rows from a few of them at a time, so that reads of a mapped file stay nearly in
    sequence.
    """

    def __init__(self, part: Part, size: int, seed: int, device: str) -> None:
        """Batches of ``size`` rows; 0 for all rows in one."""
        self.arrays = tuple(np.asarray(array) for array in (part.ids, part.numeric, part.y))
        self.n_rows = len(self.arrays[0])
        self.size = size or self.n_rows
        self.random = np.random.default_rng(seed)
        self.device = device
        self.unknown: np.ndarray | None = None
        self.oov_rate = 0.0
        self.taught: torch.Tensor | None = None

    def mask(self, rate: float, sizes: tuple[int, ...]) -> None:
        """From now on replace a fraction of all values by the id of unknown ones.

        Half of them make up whole rows, numbers missing too: what is said of a row of which
        nothing is known is learned as well.

        Args:
            rate: the fraction, 0..1.
            sizes: number of ids of each slot.
        """
        self.oov_rate, self.unknown = rate, np.asarray(sizes, dtype=np.int64) - 1

    def __len__(self) -> int:
        full, rest = divmod(self.n_rows, self.size)
        return full + (rest > 1 or not full)

    def __iter__(self) -> Iterator[Batch]:
        for rows in self._positions():
            yield self._take(rows)

    def _positions(self) -> Iterator[np.ndarray]:
        """Rows of each batch. A single last row is left out: it has no variance to normalise."""
        left = np.empty(0, dtype=np.int64)
        for window in _windows(self.n_rows, self.random):
            rows = np.concatenate([left, window])
            full = len(rows) - len(rows) % self.size
            yield from rows[:full].reshape(-1, self.size)
            left = rows[full:]
        if len(left) > 1:
            yield left

    def _take(self, rows: np.ndarray) -> Batch:
        ids, numeric, y = (array.take(rows, axis=0) for array in self.arrays)
        ids = ids.astype(np.int64)
        if self.unknown is not None:
            ids, numeric = self._masked(ids, numeric, self.unknown)
        taught = None if self.taught is None else self.taught[torch.from_numpy(rows)]
        inputs = tensors(ids, numeric, self.device)
        return Batch(inputs, torch.from_numpy(y).to(self.device), taught)

    def _masked(
        self, ids: np.ndarray, numeric: np.ndarray, unknown: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        rows = self.random.random((len(ids), 1), dtype=np.float32) < self.oov_rate / 2
        values = self.random.random(ids.shape, dtype=np.float32) < self.oov_rate / 2
        masked = np.where((rows | values) & (ids != 0), unknown, ids)
        return masked, np.where(rows, np.float32(np.nan), numeric)


def _windows(n_rows: int, random: np.random.Generator) -> Iterator[np.ndarray]:
    """All rows in random order, one window after the other."""
    if n_rows <= SHUFFLED_WHOLE:
        yield random.permutation(n_rows)
        return
    blocks = random.permutation(-(-n_rows // BLOCK))
    for start in range(0, len(blocks), BLOCKS_TOGETHER):
        chosen = np.sort(blocks[start : start + BLOCKS_TOGETHER]) * BLOCK
        rows = np.concatenate([np.arange(b, min(b + BLOCK, n_rows)) for b in chosen])
        yield random.permutation(rows)


def tensors(ids: np.ndarray, numeric: np.ndarray, device: str) -> tuple[torch.Tensor, ...]:
    """The inputs of a model; numeric ones only where there are any."""
    arrays = (ids.astype(np.int64, copy=False), numeric)
    return tuple(torch.from_numpy(a).to(device) for a in arrays if a.shape[1])
