"""Ridge regression of the future on the normalised history, in closed form.

Every window weighs as much as its variance, so that the squares are those of the data's own scale.
A plain ridge is the baseline that a student must beat. The student's own linear map begins with a
better prior: the older a value, the smaller its weight, and weights that all values of one time of
day share cost next to nothing. Validation chooses the prior.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from zoo.families.forecast.normalise import Normaliser
from zoo.families.forecast.windows import Windows

PENALTIES = tuple(float(f"{digit}e{power}") for power in range(-3, 3) for digit in (1, 3))
SHARES = (0.03, 0.3, 3.0)  # weight of all channels beside a channel's own
ROWS = 4096  # series at a time
FREE = 100.0  # variance of a weight that a time of day shares, over that of a single value's
RECENT = 100.0  # rows; only scales the penalties


@dataclass(frozen=True)
class Ridge:
    """A fitted map.

    Attributes:
        weight, bias: (lookback, horizon) and (horizon,) float32, on the normalised scale.
        penalty: the chosen one of ``PENALTIES``, times the mean of the diagonal.
        prior: the chosen one.
    """

    weight: torch.Tensor
    bias: torch.Tensor
    penalty: float
    prior: str


@dataclass(frozen=True)
class _Moments:
    """XᵀX, XᵀY and the sum of Y², over all windows and channels."""

    xx: np.ndarray
    xy: np.ndarray
    yy: float

    def drawn_to(self, other: _Moments, share: float) -> _Moments:
        """With other moments added, scaled to a share of these."""
        share *= float(np.trace(self.xx) / (np.trace(other.xx) or 1.0))
        return _Moments(self.xx + share * other.xx, self.xy + share * other.xy, self.yy)

    def squares(self, found: np.ndarray) -> float:
        """Sum of squared errors of a map."""
        return float(np.sum(found * (self.xx @ found - 2 * self.xy))) + self.yy


def fit(train: Windows, val: Windows, period: int = 1) -> tuple[Ridge, Ridge]:
    """The plain ridge, and the one with the best prior; least squares on validation choose.

    Args:
        train, val: windows on the scale on which squares count; a missing value is read as the
            mean of its history, and a missing target as that mean. Constant histories count
            nothing; where all are, the map is zero.
        period: rows of a season; 1 for none.

    Returns:
        The baseline, and the best of all priors.
    """
    learned, held_out = _moments(train), _moments(val)
    found = {
        name: _best(name, prior, learned, held_out)
        for name, prior in priors(train.lookback, period).items()
    }
    best = min(found.values(), key=lambda one: one[0])
    return found["plain"][1], best[1]


def fit_own(train: Windows, val: Windows, period: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """A map for every channel, drawn to the one that all would share.

    How strongly, under which prior and with which penalty, is chosen for each on validation.

    Args:
        train, val, period: as of ``fit``.

    Returns:
        Weights (channels, lookback, horizon) and biases (channels, 1, horizon).
    """
    shared, found = _moments(train), []
    known = priors(train.lookback, period)
    for channel in range(train.channels):
        own, held_out = _moments(train, channel), _moments(val, channel)
        found.append(
            min(
                (
                    _best(name, prior, own.drawn_to(shared, share), held_out)
                    for share in SHARES
                    for name, prior in known.items()
                ),
                key=lambda one: one[0],
            )[1]
        )
    weights, biases = torch.stack([f.weight for f in found]), torch.stack([f.bias for f in found])
    return weights, biases.unsqueeze(1)


def priors(lookback: int, period: int) -> dict[str, np.ndarray]:
    """Covariances of a row of weights, by name. Shapes: each (lookback, lookback)."""
    age = np.arange(lookback, 0, -1)
    found = {"plain": np.eye(lookback), "recent": np.diag(RECENT / age)}
    if 1 < period <= lookback // 2:
        same = (age[:, None] - age) % period == 0
        season = FREE * period / lookback * same
        found |= {f"{name}, seasonal": prior + season for name, prior in found.items()}
    return found


def _best(
    name: str, prior: np.ndarray, learned: _Moments, held_out: _Moments
) -> tuple[float, Ridge]:
    """The map of the best penalty under one prior, behind its squares on validation."""
    inverse = np.linalg.inv(prior)
    shape = np.eye(len(learned.xx))  # the last is the bias
    shape[:-1, :-1] = inverse * (len(inverse) / np.trace(inverse))
    size = np.trace(learned.xx) / len(shape) or 1.0  # 0 where every history is constant
    maps = {p: np.linalg.solve(learned.xx + p * size * shape, learned.xy) for p in PENALTIES}
    squares = {penalty: held_out.squares(found) for penalty, found in maps.items()}
    penalty = min(squares, key=lambda one: squares[one])
    found = maps[penalty].astype(np.float32)
    weight, bias = torch.from_numpy(found[:-1]), torch.from_numpy(found[-1])
    return squares[penalty], Ridge(weight, bias, penalty, name)


def _moments(windows: Windows, channel: int | None = None) -> _Moments:
    """Summed in float64, of one channel or of all."""
    width = windows.lookback + 1
    xx, xy, yy = np.zeros((width, width)), np.zeros((width, windows.horizon)), 0.0
    for x, y in _designs(windows, channel):
        xx += x.T @ x
        xy += x.T @ y
        yy += float(np.sum(y.astype(np.float64) ** 2))
    return _Moments(xx, xy, yy)


def _designs(windows: Windows, channel: int | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Chunks of (s·[u, 1], y − mean): s scales a window's normalised values u back."""
    step, normalise = max(1, ROWS // windows.channels), Normaliser()
    chosen = slice(None) if channel is None else slice(channel, channel + 1)
    for start in range(0, len(windows), step):
        some = np.arange(start, min(start + step, len(windows)))
        history = torch.from_numpy(windows.history(some)[:, chosen])
        seen = normalise(history.flatten(0, 1).unsqueeze(1))
        scale = seen.scale[:, 0].numpy()
        x = np.concatenate([seen.values[:, 0].numpy() * scale, scale], axis=1)
        y = (
            windows.future(some)[:, chosen].reshape(len(x), -1)
            - (seen.mean + seen.offset)[:, 0].numpy()
        )
        yield x, np.nan_to_num(y)
