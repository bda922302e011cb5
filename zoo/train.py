"""The training loop of every family; it cannot tell whether it distils."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from rich.progress import Progress
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from zoo.recipes import Recipe, RecipeError
from zoo.spec import Objective

MIN_LR = 1e-6  # below which a decaying learning rate does not fall


@dataclass(frozen=True)
class Fit:
    """How a training went.

    Attributes:
        epochs: epochs run.
        best_epoch: the epoch whose weights were kept, from 1.
        score: validation score at that epoch.
    """

    epochs: int
    best_epoch: int
    score: float


def fit(model: nn.Module, objective: Objective, recipe: Recipe, progress: Progress) -> Fit:
    """Minimise with Adam until ``patience`` epochs in a row brought no new best validation score.

    Each of those epochs multiplies the learning rate by ``decay``; during ``hold_epochs`` none
    counts. With ``cosine`` or ``warmup`` it changes with every step instead. The best weights are
    restored before returning.

    Args:
        model: trained in place.
        objective: loss and validation score.
        recipe: epochs, patience, averaging, learning rate and its schedule, and penalties.
        progress: shows the steps.

    Raises:
        RecipeError: no epoch had a finite score.
    """
    optimiser = torch.optim.Adam(_groups(model, objective, recipe), lr=recipe.lr, fused=True)
    best = Fit(0, 0, -float("inf"))
    kept: dict[str, torch.Tensor] = {}
    mean: dict[str, torch.Tensor] = {}
    steps = recipe.epochs * objective.n_batches
    schedule = _schedule(optimiser, recipe, steps)
    task = progress.add_task(recipe.name, total=steps)
    epoch = bad = 0
    for epoch in range(1, recipe.epochs + 1):
        for _ in _steps(model, objective, optimiser, schedule, recipe.clip):
            progress.update(task, advance=1)
        with _averaged(model, mean, epoch, recipe.average):
            score = _score(model, objective)
            improved = score >= best.score + recipe.min_gain
            if improved:
                _keep(model, kept)
        if improved:
            best, bad = Fit(epoch, epoch, score), 0
        elif epoch > recipe.hold_epochs:
            bad += 1
            _slow_down(optimiser, recipe.decay)
        progress.update(task, description=f"{recipe.name} val {best.score:.4f}")
        if bad >= recipe.patience:
            break
    progress.update(task, total=epoch * objective.n_batches)
    if not kept:
        raise RecipeError(f"training {recipe.name} diverged: no finite score; choose a smaller lr")
    model.load_state_dict(kept)
    model.eval()
    return Fit(epoch, best.best_epoch, best.score)


def _groups(model: nn.Module, objective: Objective, recipe: Recipe) -> list[dict[str, Any]]:
    """Parameters by their L2 penalty."""
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        penalty = objective.penalty(name) if objective.penalty else recipe.weight_decay
        groups.setdefault(penalty, []).append(parameter)
    return [{"params": params, "weight_decay": penalty} for penalty, params in groups.items()]


def _schedule(optimiser: torch.optim.Optimizer, recipe: Recipe, steps: int) -> LambdaLR | None:
    """A learning rate that changes with every step: it rises, then falls to 0 after ``steps``."""

    def factor(step: int) -> float:
        if step < recipe.warmup:
            return (step + 1) / recipe.warmup
        passed = (step - recipe.warmup) / max(steps - recipe.warmup, 1)
        return (1 + math.cos(math.pi * passed)) / 2 if recipe.cosine else 1.0

    return LambdaLR(optimiser, factor) if recipe.cosine or recipe.warmup else None


def _steps(
    model: nn.Module,
    objective: Objective,
    optimiser: torch.optim.Optimizer,
    schedule: LambdaLR | None,
    clip: float,
) -> Iterator[None]:
    """One epoch, step by step."""
    model.train()
    for batch in objective.batches():
        optimiser.zero_grad()
        loss = objective.loss(batch)
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimiser.step()
        if schedule:
            schedule.step()
        yield


def _slow_down(optimiser: torch.optim.Optimizer, decay: float) -> None:
    """Lower the learning rate; one that does not decay is left as it is."""
    for group in optimiser.param_groups:
        group["lr"] = max(group["lr"] * decay, min(group["lr"], MIN_LR))


@contextmanager
def _averaged(
    model: nn.Module, mean: dict[str, torch.Tensor], epoch: int, decay: float
) -> Iterator[None]:
    """Move ``mean`` towards the weights, and have it stand in for them; without decay, nothing.

    Statistics of batch normalisation are averaged with them. The first epochs count alike, or
    the mean would stay near its beginning for long.
    """
    state = model.state_dict() if decay else {}
    weights = {name: tensor for name, tensor in state.items() if tensor.is_floating_point()}
    present = {name: weight.clone() for name, weight in weights.items()}
    for name, weight in weights.items():
        mean.setdefault(name, weight.clone()).lerp_(weight, max(1 - decay, 1 / epoch))
        weight.copy_(mean[name])
    yield
    for name, weight in weights.items():
        weight.copy_(present[name])


@torch.no_grad()
def _score(model: nn.Module, objective: Objective) -> float:
    model.eval()
    return objective.score()


def _keep(model: nn.Module, kept: dict[str, torch.Tensor]) -> None:
    """Copy the weights into ``kept``, whose buffers are reused."""
    for name, tensor in model.state_dict().items():
        if name in kept:
            kept[name].copy_(tensor)
        else:
            kept[name] = tensor.clone()
