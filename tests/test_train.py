"""The loop: which epoch is kept, and when it stops."""

from collections.abc import Sequence

import pytest
import torch
from rich.progress import Progress
from torch import nn

from zoo.spec import Objective, Recipe, RecipeError
from zoo.train import Fit, fit


class Counter(nn.Module):
    """A weight that every step of Adam moves by about the learning rate. Shapes: → ()."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))


def run(scores: Sequence[float], epochs: int = 100, patience: int = 3) -> tuple[Fit, float]:
    """Train on given validation scores; how it went, and the epoch whose weight was kept."""
    model, remaining = Counter(), iter(scores)
    modes = []

    def loss(_: object) -> torch.Tensor:
        modes.append(model.training)
        return -model.weight

    def score() -> float:
        modes.append(model.training)
        return next(remaining)

    recipe = Recipe(
        "counter", "mlp", "toy", epochs=epochs, patience=patience, lr=1.0, weight_decay=0.0
    )
    went = fit(model, Objective(loss, score), recipe, Progress(disable=True))
    assert modes == [True, False] * went.epochs
    assert not model.training
    return went, round(model.weight.item())


@pytest.mark.parametrize(
    ("scores", "epochs", "best"),
    [
        ([0.5, 0.9, 0.8, 0.7, 0.6, 1.0], 5, 2),  # three epochs without the best one
        ([0.5, 0.9, 0.8, 0.9, 0.6, 0.6, 0.6, 1.0], 7, 4),  # a tie is later and starts anew
        ([0.5] * 3 + [0.4] * 4, 6, 3),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 6, 6),
        ([-2.0, -1.0, -3.0, -3.0, -3.0, 0.0], 5, 2),  # as of select = "loss"
        ([0.9, float("nan"), float("nan"), float("nan"), 1.0], 4, 1),
    ],
)
def test_kept_epoch(scores: list[float], epochs: int, best: int) -> None:
    went, weight = run(scores, epochs=min(len(scores), 100))
    assert went == Fit(epochs, best, scores[best - 1])
    assert weight == best


def test_stops_at_the_last_epoch() -> None:
    assert run([0.5, 0.4, 0.3], epochs=3)[0] == Fit(3, 1, 0.5)
    assert run([0.5], epochs=1) == (Fit(1, 1, 0.5), 1)


def test_diverged_training_is_one_line() -> None:
    with pytest.raises(RecipeError, match=r"counter diverged: .* smaller lr"):
        run([float("nan")] * 3)


def test_batches() -> None:
    """Every batch of an epoch is a step of its own."""
    model, seen = Counter(), []

    def loss(batch: int) -> torch.Tensor:
        seen.append(batch)
        return -model.weight

    objective = Objective(loss, lambda: 0.0, lambda: [1, 2, 3])
    recipe = Recipe("counter", "mlp", "toy", epochs=2, lr=1.0, weight_decay=0.0)
    fit(model, objective, recipe, Progress(disable=True))
    assert seen == [1, 2, 3] * 2
    assert round(model.weight.item()) == 6
