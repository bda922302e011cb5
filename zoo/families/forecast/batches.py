"""Training batches: series drawn from all windows, and prompts that a teacher was asked about."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from zoo.families.forecast import teaching
from zoo.families.forecast.windows import Windows

Batch = tuple[torch.Tensor, torch.Tensor]  # histories, and futures or a teacher's paths


class Batches:
    """One epoch after the other, each in another order.

    Args:
        windows: of the training part.
        size: series in a batch.
        gaps: fraction of the histories that get gaps.
        seed: of order and gaps.
        together: a batch holds whole windows, for models whose channels see each other.
        device: where tensors go.
    """

    def __init__(
        self,
        windows: Windows,
        size: int,
        gaps: float,
        seed: int,
        together: bool,
        device: torch.device,
    ) -> None:
        self._windows, self._gaps, self._device = windows, gaps, device
        self._rng = np.random.default_rng(seed)
        self._channels = 1 if together else windows.channels
        self._items = len(windows) * self._channels
        self._size = min(self._items, max(1, size // windows.channels) if together else size)
        self._prompts: torch.Tensor | None = None
        self._paths = torch.empty(0)

    def teach(self, paths: torch.Tensor) -> None:
        """Add a teacher's paths. Shapes: (prompts, channels, paths, horizon)."""
        prompts = torch.from_numpy(teaching.prompts(self._windows))
        lead = (-1,) if self._channels > 1 else (-1, self._windows.channels)
        single = (1,) if self._channels > 1 else ()
        self._prompts = prompts.reshape(*lead, *single, prompts.shape[-1]).to(self._device)
        self._paths = paths.reshape(*lead, *single, *paths.shape[-2:]).to(self._device)

    def __len__(self) -> int:
        return self._items // self._size

    def __iter__(self) -> Iterator[tuple[Batch, Batch | None]]:
        order = self._rng.permutation(self._items)
        for step in range(len(self)):
            items = order[step * self._size : (step + 1) * self._size]
            yield self._labelled(items), self._taught()

    def _labelled(self, items: np.ndarray) -> Batch:
        """Shapes: histories (batch, channels, lookback), futures (batch, channels, horizon)."""
        windows, channels = np.divmod(items, self._channels)
        if self._channels > 1:
            history, future = (a[:, None] for a in self._windows.pairs(windows, channels))
        else:
            history, future = self._windows.history(windows), self._windows.future(windows)
        if self._gaps:
            gappy = self._rng.random((*history.shape[:-1], 1)) < self._gaps
            missing = teaching.with_gaps(history.shape, self._rng) & gappy
            history = np.where(missing, np.float32(np.nan), history)
        return self._tensor(history), self._tensor(future)

    def _taught(self) -> Batch | None:
        if self._prompts is None:
            return None
        rows = self._rng.integers(0, len(self._prompts), self._size)
        chosen = torch.from_numpy(rows).to(self._device)
        return self._prompts[chosen], self._paths[chosen]

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)
