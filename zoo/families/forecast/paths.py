"""Sample paths behind a history of any length, as far ahead as one likes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from zoo.families.forecast.gpd import GPD
from zoo.families.forecast.normalise import Normaliser
from zoo.families.forecast.quantiles import LEVELS, MEDIAN, spread
from zoo.families.forecast.samplers import Draw, sample
from zoo.families.forecast.teaching import of_length

ROWS = 1024  # windows sampled at a time
Progress = Callable[[int, int], None]


@torch.no_grad()
def forecast_paths(
    model: GPD,
    history: np.ndarray,
    horizon: int,
    paths: int,
    seed: int,
    progress: Progress | None = None,
) -> np.ndarray:
    """Draw what may come.

    A history longer than the model's prompt is cut, one that is shorter has unknown values before
    it. A horizon beyond the model's is rolled, every path on its own.

    Args:
        model: in eval mode.
        history: (series, time), in its own unit, NaN = missing.
        horizon: steps to draw.
        paths: of each series.
        seed: of the noise.
        progress: called with (done, total) after every chunk.

    Returns:
        (series, paths, horizon) float32, in the unit of the history; NaN where nothing is known.
    """
    model.eval()
    window = model.config.window
    ahead = model.config.reach(horizon)
    known = np.repeat(of_length(history, window - ahead), paths, axis=0)
    generator, total = torch.Generator().manual_seed(seed), -(-horizon // ahead) * len(known)
    found: list[np.ndarray] = []
    for _ in range(-(-horizon // ahead)):
        parts = []
        for start in range(0, len(known), ROWS):
            part = torch.from_numpy(np.ascontiguousarray(known[start : start + ROWS]))
            draw = mirrored(len(part), window, generator, _device(model))
            parts.append(continued(model, part.to(_device(model)), ahead, draw).cpu().numpy())
            if progress:
                progress(len(found) * len(known) + min(start + ROWS, len(known)), total)
        found.append(np.concatenate(parts))
        known = np.concatenate([known, found[-1]], axis=1)[:, ahead:]
    drawn = np.concatenate(found, axis=1)[:, :horizon]
    return drawn.reshape(len(history), paths, horizon)


def _device(model: GPD) -> torch.device:
    return next(model.parameters()).device


def mirrored(rows: int, window: int, generator: torch.Generator, device: torch.device) -> Draw:
    """Noise of which every second row is the one before with the other sign.

    The mean of a pair of paths then lies nearer to the mean of all.
    """

    def draw() -> torch.Tensor:
        noise = torch.randn(-(-rows // 2), window, generator=generator)
        return torch.stack([noise, -noise], dim=1).flatten(0, 1)[:rows].to(device)

    return draw


def continued(
    model: GPD, history: torch.Tensor, ahead: int, draw: Draw, sampler: str = ""
) -> torch.Tensor:
    """One path behind every history. Shapes: (rows, window − ahead) → (rows, ahead), its unit."""
    seen = Normaliser()(history.unsqueeze(1))
    open_values = history.new_zeros(history.shape[0], ahead)
    y = torch.cat([seen.values[:, 0], open_values], dim=1)
    known = torch.cat([seen.known[:, 0], open_values], dim=1) > 0
    path = sample(model, y, known, draw, sampler)[:, history.shape[1] :]
    return seen.back(path.unsqueeze(1))[:, 0]


def quantiles_of(model: GPD, paths: torch.Tensor) -> torch.Tensor:
    """Empirical quantiles of paths, moved apart by the model's calibration.

    Shapes: (series, paths, horizon) → (series, horizon, 9).
    """
    levels = torch.tensor(LEVELS, dtype=paths.dtype)
    found = torch.quantile(paths, levels, dim=1).permute(1, 2, 0)
    return spread(found[..., MEDIAN], found.diff(dim=-1) * model.calibration.cpu())
