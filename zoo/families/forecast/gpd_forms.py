"""In which forms GPD is exported: the network alone, and all steps of one sampler in one graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from zoo.contract import Signature, TensorSpec
from zoo.families.forecast.diffusion import on_prompt_scale
from zoo.families.forecast.forms import unit
from zoo.families.forecast.gpd import GPD
from zoo.families.forecast.paths import continued
from zoo.spec import Export

Arrays = dict[str, np.ndarray]

MAX_BATCH = 256
SAMPLER = "replace"  # needs no gradient, and twice as many draws as steps


class Paths(nn.Module):
    """Every row is one path: the known values noised afresh before each step (sampler A).

    Shapes: history (batch, lookback) float32, in the series' own unit, NaN = missing, noise
    (batch, draws, window), standard normal → path (batch, horizon), in the same unit.
    """

    def __init__(self, model: GPD) -> None:
        super().__init__()
        self.model = model

    def forward(self, history: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """One path behind each history, the same for the same noise."""
        draws = iter(noise.unbind(1))
        return continued(
            self.model, history, self.model.config.horizon, lambda: next(draws), SAMPLER
        )


class Denoiser(nn.Module):
    """The network alone; a step outside of the schedule reads as the last one.

    Shapes: x (batch, window) float32, noisy, on the scale of its prompt, t (batch,) int64 → what
    was added, v or ε (batch, window).
    """

    def __init__(self, model: GPD) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """The network's prediction."""
        last = self.model.config.diffusion_steps - 1
        predicted: torch.Tensor = self.model(x, torch.where((t < 0) | (t > last), last, t))
        return predicted


def paths_signature(config: Any) -> Signature:
    """Histories and noise → paths."""
    inputs = (
        TensorSpec(
            "history",
            "float32",
            (config.lookback,),
            "values in the caller's own unit, the oldest first, NaN where missing",
            missing=True,
        ),
        TensorSpec(
            "noise",
            "float32",
            (2 * config.sample_steps, config.window),
            "standard normal; the same noise gives the same path",
        ),
    )
    outputs = (
        TensorSpec(
            "path",
            "float32",
            (config.horizon,),
            "what may come, same unit, drawn by sampler A (replacement)",
        ),
    )
    return Signature(inputs, outputs, MAX_BATCH)


def denoiser_signature(config: Any) -> Signature:
    """Noisy windows and steps → what was added."""
    inputs = (
        TensorSpec("x", "float32", (config.window,), "noisy window, on the scale of its prompt"),
        TensorSpec("t", "int64", (), "step of the schedule", high=config.diffusion_steps),
    )
    outputs = (TensorSpec("v", "float32", (config.window,), "prediction, v or ε"),)
    return Signature(inputs, outputs, MAX_BATCH)


def _windows(data: Any, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """History and future of one channel of each test window."""
    test = data.parts["test"]
    return test.pairs(data.asked[ids], ids % test.channels)


def paths_rows(data: Any, config: Any, ids: np.ndarray) -> Arrays:
    """A path of one channel of each test window."""
    noise = np.random.default_rng([len(ids), *ids[:8]]).standard_normal(
        (len(ids), 2 * config.sample_steps, config.window), np.float32
    )
    return {"history": np.ascontiguousarray(_windows(data, ids)[0]), "noise": noise}


def denoiser_rows(data: Any, config: Any, ids: np.ndarray) -> Arrays:
    """Test windows with noise, one step of the schedule each."""
    rng = np.random.default_rng([len(ids), *ids[:8]])
    whole = torch.from_numpy(np.concatenate(_windows(data, ids), axis=1))
    x0 = on_prompt_scale(whole, config.lookback).nan_to_num(0).numpy()
    share = rng.random((len(ids), 1), np.float32)
    noise = rng.standard_normal(x0.shape, np.float32)
    steps = rng.integers(0, config.diffusion_steps, len(ids))
    return {"x": share**0.5 * x0 + (1 - share) ** 0.5 * noise, "t": steps}


FORMS = {
    "paths": Export(
        "sample paths, all steps of the sampler that replaces known values in one graph",
        paths_signature,
        Paths,
        paths_rows,
        unit=unit,
    ),
    "denoiser": Export(
        "the network alone, for samplers outside of it",
        denoiser_signature,
        Denoiser,
        denoiser_rows,
        served=False,
    ),
}
