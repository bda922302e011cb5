"""Ridge regression of the future on the normalised history, in closed form.

Every window weighs as much as its variance, so that the squares are those of the data's own scale.
It is the baseline that a student must beat, and where the student's linear map begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from zoo.families.forecast.normalise import Normaliser
from zoo.families.forecast.windows import Windows

PENALTIES = (1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # times the mean of the diagonal
ROWS = 4096  # series at a time
VALIDATED = 2048  # windows at most that choose the penalty


@dataclass(frozen=True)
class Ridge:
    """A fitted map.

    Attributes:
        weight, bias: (horizon, lookback) and (horizon,) float32, on the normalised scale.
        penalty: the chosen one of ``PENALTIES``.
    """

    weight: torch.Tensor
    bias: torch.Tensor
    penalty: float


def fit(train: Windows, val: Windows) -> Ridge:
    """The map with the penalty that has the least squares on validation.

    Args:
        train, val: windows on the scale on which squares count; missing values are read as the
            mean of their history, and targets that are missing as the map's own mean.
    """
    left, right = _normal_equations(train)
    few = np.linspace(0, len(val) - 1, min(len(val), VALIDATED)).astype(int)
    parts = list(_designs(val, few))
    best: tuple[float, float, np.ndarray] | None = None
    for penalty in PENALTIES:
        ridge = penalty * np.trace(left) / len(left) * np.eye(len(left))
        found = np.linalg.solve(left + ridge, right).astype(np.float32)
        squares = sum(float(((x @ found - y) ** 2).sum()) for x, y in parts)
        if best is None or squares < best[0]:
            best = squares, penalty, found
    assert best is not None
    _, penalty, found = best
    weight, bias = torch.from_numpy(found[:-1].T.copy()), torch.from_numpy(found[-1].copy())
    return Ridge(weight, bias, penalty)


def _normal_equations(windows: Windows) -> tuple[np.ndarray, np.ndarray]:
    """XᵀX and XᵀY over all windows and channels, summed in float64."""
    width = windows.lookback + 1
    left, right = np.zeros((width, width)), np.zeros((width, windows.horizon))
    for x, y in _designs(windows, np.arange(len(windows))):
        left += x.T @ x
        right += x.T @ y
    return left, right


def _designs(windows: Windows, ids: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Chunks of (s·[u, 1], y − mean): s scales a window's normalised values u back."""
    step, normalise = max(1, ROWS // windows.channels), Normaliser()
    for start in range(0, len(ids), step):
        some = ids[start : start + step]
        history = torch.from_numpy(windows.history(some)).flatten(0, 1).unsqueeze(1)
        seen = normalise(history)
        scale = seen.scale[:, 0].numpy()
        x = np.concatenate([seen.values[:, 0].numpy() * scale, scale], axis=1)
        y = windows.future(some).reshape(len(x), -1) - (seen.mean + seen.offset)[:, 0].numpy()
        yield x, np.nan_to_num(y)
