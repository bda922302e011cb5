"""The training loop of every family; it cannot tell whether it distils."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from rich.progress import Progress
from torch import nn

from zoo.spec import Objective, Recipe, RecipeError


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
    """Minimise with Adam until the validation score has not been reached again for ``patience``.

    A tie with the best score moves the kept weights to the later epoch and resets the patience.
    The best weights are restored before returning.

    Args:
        model: trained in place.
        objective: loss and validation score.
        recipe: epochs, patience, learning rate and weight decay.
        progress: shows the epochs.

    Raises:
        RecipeError: no epoch had a finite score.
    """
    optimiser = torch.optim.Adam(
        model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay, fused=True
    )
    best = Fit(0, 0, -float("inf"))
    kept: dict[str, torch.Tensor] = {}
    task = progress.add_task(recipe.name, total=recipe.epochs)
    epoch = 0
    for epoch in range(1, recipe.epochs + 1):
        _epoch(model, objective, optimiser)
        score = _score(model, objective)
        if score >= best.score:
            best = Fit(epoch, epoch, score)
            _keep(model, kept)
        progress.update(task, advance=1, description=f"{recipe.name} val {best.score:.3f}")
        if epoch - best.best_epoch >= recipe.patience:
            break
    progress.update(task, total=epoch)
    if not kept:
        raise RecipeError(f"training {recipe.name} diverged: no finite score; choose a smaller lr")
    model.load_state_dict(kept)
    model.eval()
    return Fit(epoch, best.best_epoch, best.score)


def _epoch(model: nn.Module, objective: Objective, optimiser: torch.optim.Optimizer) -> None:
    model.train()
    for batch in objective.batches():
        optimiser.zero_grad()
        loss = objective.loss(batch)
        loss.backward()
        optimiser.step()


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
