"""In the graph, in float32: which values are known, and on what scale a series lives.

Whoever asks sends a history in its own unit. What a network sees is free of offset and scale, so
that f(a·x + b) = a·f(x) + b for every a > 0.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

CLIP = 8.0  # deviations from the mean beyond which a known value counts no more


class Normalised(NamedTuple):
    """A history as a network sees it, and the way back.

    Shapes: values (batch, channels, lookback), zero where nothing is known; known, the same, 1
    or 0; offset, the last known value, mean of what is left, and scale: (batch, channels, 1) in
    the history's own unit; scale is 0 for a constant series.
    """

    values: torch.Tensor
    known: torch.Tensor
    offset: torch.Tensor
    mean: torch.Tensor
    scale: torch.Tensor

    def back(self, forecast: torch.Tensor) -> torch.Tensor:
        """In the history's own unit; NaN where no value of a series is known.

        Shapes: (batch, channels, horizon), or with an axis of levels behind it → the same.
        """
        scale, place = self.scale, self.mean + self.offset
        if forecast.dim() > scale.dim():
            scale, place = scale.unsqueeze(-1), place.unsqueeze(-1)
        return forecast * scale + place

    @property
    def status(self) -> torch.Tensor:
        """0, or 1 where no value is known. Shapes: → (batch, channels) int64."""
        return (self.known.sum(dim=2) == 0).to(torch.int64)


class Normaliser(nn.Module):
    """Masks what is missing, shifts by the last known value, and scales by mean and deviation.

    The shift comes first: around 1e6 the sum of squares would have no digits left.

    Shapes: history (batch, channels, lookback) float32, in the caller's own unit, NaN = missing
    → ``Normalised``.
    """

    def forward(self, history: torch.Tensor) -> Normalised:
        """Normalise every series by itself."""
        missing = torch.isnan(history)
        known = 1.0 - missing.to(history.dtype)
        filled = torch.where(missing, 0.0, history)
        count = known.sum(dim=2, keepdim=True)
        offset = self._last(filled, known)
        shifted = (filled - offset) * known
        mean = shifted.sum(dim=2, keepdim=True) / count.clamp(min=1)
        centred = (shifted - mean) * known
        scale = torch.sqrt((centred * centred).sum(dim=2, keepdim=True) / count.clamp(min=1))
        values = centred / torch.where(scale > 0, scale, torch.ones_like(scale))
        nothing = torch.where(
            count > 0, torch.zeros_like(offset), torch.full_like(offset, torch.nan)
        )
        return Normalised(values.clamp(-CLIP, CLIP), known, offset + nothing, mean, scale)

    def _last(self, filled: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """The last known value of every series; 0 where there is none."""
        steps = filled.shape[2]  # places are float32, exact up to 2²⁴: whole numbers are slower
        places = torch.arange(1, steps + 1, dtype=known.dtype, device=known.device)
        last = (known * places).amax(dim=2, keepdim=True).to(torch.int64)
        return torch.gather(filled, 2, (last - 1).clamp(min=0))
