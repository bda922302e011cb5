"""How one-pass models are trained and measured, on series standardised by their train part."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from zoo.families.forecast import ridge, teaching
from zoo.families.forecast.batches import Batch, Batches
from zoo.families.forecast.calibrate import factors
from zoo.families.forecast.data import ForecastData, Table
from zoo.families.forecast.forecaster import Forecaster
from zoo.families.forecast.losses import DistillConfig, future_loss, paths_loss
from zoo.families.forecast.metrics import Answered, score
from zoo.families.forecast.quantile_mlp import QuantileMLPCore
from zoo.families.forecast.windows import Windows
from zoo.recipes import Recipe, RecipeError, from_table
from zoo.spec import Objective

SERIES = 2048  # evaluated at a time
SELECTED = 30_000  # series of the validation part, at most, that choose the epoch
CALIBRATED = 20_000_000  # quantiles, at most, that calibration looks at
SELECTIONS = ("mse", "crps")


@functools.lru_cache(maxsize=4)
def standardised(table: Table) -> Table:
    """The table on the scale of metrics."""
    values = (table.values - table.center) / table.scale
    return Table(replace(table.series, values=values), table.borders)


def windows_of(data: ForecastData, part: str) -> Windows:
    """Windows of a part, standardised."""
    config = data.config
    stride = config.stride if part == "train" else 1
    return standardised(data.table).windows(part, config.lookback, config.horizon, stride)


def some(windows: Windows, series: int) -> np.ndarray:
    """Ids of evenly spaced windows that hold at most so many series."""
    most = max(1, series // windows.channels)
    return np.linspace(0, len(windows) - 1, min(len(windows), most)).round().astype(int)


def objective(
    model: Forecaster, data: ForecastData, recipe: Recipe, teacher: torch.Tensor | None
) -> Objective:
    """Futures, and with a teacher its sample paths of the prompts of ``teaching``.

    Args:
        model: its linear skip, where it has one, becomes the closed-form map.
        data: one series.
        recipe: its ``batch_size`` counts series.
        teacher: (prompts, channels, paths, horizon), standardised.

    Raises:
        RecipeError: an epoch cannot be chosen by what the recipe selects by.
    """
    if recipe.select not in SELECTIONS:
        raise RecipeError(
            f"{recipe.name} selects by '{recipe.select}': forecasters are selected by "
            f"{' or '.join(SELECTIONS)}; set 'select'"
        )
    config: DistillConfig = from_table(DistillConfig, recipe.distill, f"{recipe.name}.distill")
    train, val = windows_of(data, "train"), windows_of(data, "val")
    if isinstance(model.core, QuantileMLPCore):
        model.core.begin(*_maps(data, model.config.own))
    batches = Batches(
        train, recipe.batch_size, config.gaps, recipe.seed, model.together, device_of(model)
    )
    if teacher is not None:
        batches.teach(teacher)
    chosen = some(val, SELECTED)
    return Objective(
        loss=lambda batch: _loss(model, batch, config),
        score=lambda: -score(answers_of(model, val, chosen))[recipe.select],
        batches=lambda: batches,
        n_batches=len(batches),
    )


@functools.lru_cache(maxsize=4)
def fitted_ridge(data: ForecastData) -> tuple[ridge.Ridge, ridge.Ridge]:
    """The closed-form baseline of a series, and the map that its student begins with."""
    return ridge.fit(windows_of(data, "train"), windows_of(data, "val"), data.table.period)


def _maps(data: ForecastData, own: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """What a student's skip begins with, for every channel or for all of them."""
    if own:
        train, val = windows_of(data, "train"), windows_of(data, "val")
        return ridge.fit_own(train, val, data.table.period)
    _, best = fitted_ridge(data)
    return best.weight.unsqueeze(0), best.bias.reshape(1, 1, -1)


def _loss(
    model: Forecaster, batch: tuple[Batch, Batch | None], config: DistillConfig
) -> torch.Tensor:
    (history, future), taught = batch
    quantiles, _, mean, _ = model(history)
    loss = future_loss(mean, quantiles, future, config.squares)
    if taught is None:
        return loss
    prompts, paths = taught
    quantiles, _, mean, _ = model(prompts)
    of_paths = paths_loss(mean, quantiles, paths, config.squares)
    return (1 - config.lam) * loss + config.lam * of_paths


def device_of(model: torch.nn.Module) -> torch.device:
    """Where the model's weights are."""
    return next(model.parameters()).device


@torch.no_grad()
def answers_of(model: Forecaster, windows: Windows, ids: np.ndarray) -> Iterator[Answered]:
    """Mean, quantiles and what came, in chunks of windows."""
    model.eval()
    step, device = max(1, SERIES // windows.channels), device_of(model)
    for start in range(0, len(ids), step):
        chunk = ids[start : start + step]
        quantiles, _, mean, _ = model(torch.from_numpy(windows.history(chunk)).to(device))
        yield mean.cpu(), quantiles.cpu(), torch.from_numpy(windows.future(chunk))


def finish(model: Forecaster, data: ForecastData, recipe: Recipe) -> None:
    """On validation, calibrate the quantiles, and see how far the mean's correction is right."""
    val = windows_of(data, "val")
    ids = some(val, CALIBRATED // (model.calibration.numel() + 1))
    model.calibration.fill_(1)
    if isinstance(model.core, QuantileMLPCore):
        model.core.trust.fill_(1)
    mean, quantiles, y = _all_answers(model, val, ids)
    model.calibration.copy_(factors(quantiles, y))
    if isinstance(model.core, QuantileMLPCore):
        model.core.trust.fill_(0)
        base, _, _ = _all_answers(model, val, ids)
        model.core.trust.copy_(_share(mean - base, y - base))


def _all_answers(model: Forecaster, windows: Windows, ids: np.ndarray) -> Answered:
    """``answers_of`` as one chunk of series. Shapes: (series, horizon, …)."""
    parts = zip(*answers_of(model, windows, ids), strict=True)
    mean, quantiles, y = (torch.cat(part).flatten(0, 1) for part in parts)
    return mean, quantiles, y


def _share(correction: torch.Tensor, error: torch.Tensor) -> torch.Tensor:
    """The share of a correction, 0 to 1, that leaves the least squares of an error."""
    known = ~torch.isnan(correction * error)
    correction, error = correction[known].double(), error[known].double()
    square = (correction**2).sum()
    share = (correction * error).sum() / square if square > 0 else torch.ones(())
    return share.clamp(0, 1)


def evaluate(model: Forecaster, data: ForecastData) -> dict[str, float]:
    """Metrics of all windows of validation and test part."""
    found: dict[str, float] = {}
    for part in ("val", "test"):
        windows = windows_of(data, part)
        metrics = score(answers_of(model, windows, np.arange(len(windows))))
        found |= {f"{part}_{name}": value for name, value in metrics.items()}
    return found


@torch.no_grad()
def outputs(model: Forecaster, data: ForecastData) -> torch.Tensor:
    """A teacher's nine quantiles, as equally likely paths, of the prompts of ``teaching``.

    Shapes: → (prompts, channels, 9, horizon), standardised.
    """
    model.eval()
    histories = teaching.of_length(
        teaching.prompts(windows_of(data, "train")), model.config.lookback
    )
    prompts = torch.from_numpy(np.ascontiguousarray(histories)).to(device_of(model))
    chunks = prompts.split(max(1, SERIES // prompts.shape[1]))
    return torch.cat([model(chunk)[0].transpose(2, 3) for chunk in chunks])


@torch.no_grad()
def answers(model: Forecaster, data: ForecastData) -> torch.Tensor:
    """Quantiles of the test windows that can be asked about, in the data's own unit.

    Shapes: → (asked, channels, horizon, 9).
    """
    model.eval()
    histories = torch.from_numpy(data.parts["test"].history(data.asked)).to(device_of(model))
    chunks = histories.split(max(1, SERIES // histories.shape[1]))
    return torch.cat([model(chunk)[0] for chunk in chunks])
