"""Windows of a table: a history and the future behind it, as views that copy nothing."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


class Windows:
    """Consecutive windows of the rows of a table.

    Args:
        values: (time, channels) float32.
        first, end: rows between which the windows lie, ``end`` excluded.
        lookback, horizon: rows of history and future.
        stride: rows from one window to the next.
    """

    def __init__(
        self,
        values: np.ndarray,
        first: int,
        end: int,
        lookback: int,
        horizon: int,
        stride: int = 1,
    ) -> None:
        self.lookback, self.horizon = lookback, horizon
        self.starts = np.arange(first, end - lookback - horizon + 1, stride)
        self._histories = sliding_window_view(values, lookback, axis=0)
        self._futures = sliding_window_view(values, horizon, axis=0)

    def __len__(self) -> int:
        return len(self.starts)

    def history(self, ids: np.ndarray) -> np.ndarray:
        """(windows, channels, lookback) float32; NaN where a value is missing."""
        return self._histories[self.starts[ids]]

    def future(self, ids: np.ndarray) -> np.ndarray:
        """(windows, channels, horizon) float32; NaN where a value is missing."""
        return self._futures[self.starts[ids] + self.lookback]

    def pairs(self, ids: np.ndarray, channels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One channel of each window. Shapes: (rows,) → (rows, lookback), (rows, horizon)."""
        starts = self.starts[ids]
        return self._histories[starts, channels], self._futures[starts + self.lookback, channels]

    @property
    def channels(self) -> int:
        """How many."""
        return int(self._histories.shape[1])
