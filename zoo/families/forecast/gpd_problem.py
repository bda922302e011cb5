"""How GPD is trained, on windows of all its tables, and what its paths are worth."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from zoo.families.forecast import teaching
from zoo.families.forecast.baselines import baselines as of_table
from zoo.families.forecast.calibrate import factors
from zoo.families.forecast.data import DataConfig, ForecastData
from zoo.families.forecast.diffusion import noised, on_prompt_scale, target
from zoo.families.forecast.gpd import GPD
from zoo.families.forecast.metrics import Answered, score
from zoo.families.forecast.paths import forecast_paths, quantiles_of
from zoo.families.forecast.problem import device_of, some, standardised, windows_of
from zoo.families.forecast.table import Table
from zoo.families.forecast.windows import Windows
from zoo.recipes import Recipe, RecipeError
from zoo.spec import Objective

STEPS = 100  # of an epoch
USUAL = 0.5  # fraction of batches whose prompt has the length it is asked with
COVARIANCE = 12_000  # windows that give the covariance
VALIDATED = 1024  # windows whose noise is predicted to choose the epoch
SCORED = {"val": 160, "test": 640}  # series of all tables, evenly spaced, whose paths are scored
TAUGHT = 4  # paths of a prompt that a student learns from
SEED = 0


class Draws:
    """Batches of windows on the scale of their prompts, of all tables alike.

    Args:
        windows: of each table, standardised.
        model: its window and usual prompt.
        size: windows in a batch.
        seed: of the draw.
    """

    def __init__(self, windows: list[Windows], model: GPD, size: int, seed: int) -> None:
        self._config, self._size = model.config, size
        self._rng = np.random.default_rng(seed)
        self._windows = windows

    def __len__(self) -> int:
        return STEPS

    def __iter__(self) -> Iterator[torch.Tensor]:
        return (self.draw() for _ in range(STEPS))

    def draw(self, usual: float = USUAL) -> torch.Tensor:
        """One batch. Shapes: → (rows, window), NaN where missing."""
        windows = self._windows[self._rng.integers(len(self._windows))]
        ids = self._rng.integers(0, len(windows), self._size)
        channels = self._rng.integers(0, windows.channels, self._size)
        whole = np.concatenate(windows.pairs(ids, channels), axis=1)
        prompt = self._config.lookback
        if self._rng.random() >= usual:
            prompt = int(self._rng.integers(self._config.window // 4, self._config.window))
        return on_prompt_scale(torch.from_numpy(whole), prompt)


def objective(
    model: GPD, data: ForecastData, recipe: Recipe, teacher: torch.Tensor | None
) -> Objective:
    """Predict what was added to windows, at any step of the schedule.

    Args:
        model: gets the covariance of the training windows.
        data: one or several series.
        recipe: an epoch is ``STEPS`` batches of ``batch_size`` windows.
        teacher: none.

    Raises:
        RecipeError: an epoch cannot be chosen by what the recipe selects by.
    """
    if recipe.select != "loss":
        raise RecipeError(f"{recipe.name} selects by '{recipe.select}': gpd is selected by 'loss'")
    train, held_out = (
        [_windows(table, part, data.config) for table in data.tables] for part in ("train", "val")
    )
    few = [Draws([one], model, COVARIANCE // (8 * len(train)), recipe.seed) for one in train]
    model.gaussian.fit(torch.cat([one.draw() for one in few for _ in range(8)]).nan_to_num(0))
    draws = Draws(train, model, recipe.batch_size, recipe.seed + 1)
    noise = torch.Generator().manual_seed(recipe.seed)
    validated = [Draws([one], model, VALIDATED // len(train), SEED) for one in held_out]
    val = torch.cat([one.draw(usual=1.0) for one in validated])
    return Objective(
        loss=lambda windows: _loss(model, windows, noise),
        score=lambda: -_loss(model, val, torch.Generator().manual_seed(SEED)).item(),
        batches=lambda: draws,
        n_batches=STEPS,
    )


def _windows(table: Table, part: str, config: DataConfig) -> Windows:
    """Windows of a part of a table, standardised."""
    stride = config.stride if part == "train" else 1
    return standardised(table).windows(part, config.lookback, config.horizon, stride)


def _loss(model: GPD, windows: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Mean squared error of the prediction, where values are known."""
    device = device_of(model)
    known = ~torch.isnan(windows)
    x0 = windows.nan_to_num(0)
    noise = torch.randn(x0.shape, generator=random)
    steps = torch.randint(0, model.config.diffusion_steps, (len(x0),), generator=random)
    a = torch.tensor(model.levels)[steps].unsqueeze(1)
    wanted = target(model.config.prediction, x0, noise, a).to(device)
    predicted = model(noised(x0, noise, a).to(device), steps.to(device))
    known = known.to(device)
    return (((predicted - wanted) ** 2) * known).sum() / known.sum().clamp(min=1)


def finish(model: GPD, data: ForecastData, recipe: Recipe) -> None:
    """Calibrate the quantiles of paths on validation, alike for all steps of the horizon."""
    model.calibration.fill_(1)
    parts = [(q, y) for table in data.tables for _, q, y in _answers(model, table, "val", data)]
    quantiles, y = (
        torch.cat([one.flatten(0, 1) for one in part]) for part in zip(*parts, strict=True)
    )
    model.calibration.copy_(
        factors(quantiles.unsqueeze(1), y.unsqueeze(1)).expand_as(model.calibration)
    )


def evaluate(model: GPD, data: ForecastData) -> dict[str, float]:
    """Metrics of ``SCORED`` series of each part; of several tables the mean."""
    found: dict[str, float] = {}
    for part in SCORED:
        each = [score(_answers(model, table, part, data)) for table in data.tables]
        found |= {f"{part}_{name}": float(np.mean([one[name] for one in each])) for name in each[0]}
    return found


def _answers(model: GPD, table: Table, part: str, data: ForecastData) -> Iterator[Answered]:
    """Mean and quantiles of paths, and what came, standardised."""
    config = data.config
    windows = _windows(table, part, config)
    ids = some(windows, SCORED[part] // len(data.tables))
    histories, futures = windows.history(ids), torch.from_numpy(windows.future(ids)).flatten(0, 1)
    drawn = forecast_paths(
        model, histories.reshape(-1, config.lookback), config.horizon, model.config.paths, SEED
    )
    paths = torch.from_numpy(drawn)
    yield paths.mean(dim=1), quantiles_of(model, paths), futures


def baselines(data: ForecastData) -> dict[str, dict[str, float]]:
    """What needs no training; of several tables nothing is said."""
    return of_table(data) if len(data.tables) == 1 else {}


def outputs(model: GPD, data: ForecastData) -> torch.Tensor:
    """Paths of the prompts of ``teaching``.

    Shapes: → (prompts, channels, paths, horizon), standardised.
    """
    prompts = teaching.prompts(windows_of(data, "train"))
    rows = prompts.reshape(-1, prompts.shape[-1])
    drawn = forecast_paths(model, rows, data.config.horizon, TAUGHT, SEED)
    return torch.from_numpy(drawn).unflatten(0, prompts.shape[:2])
