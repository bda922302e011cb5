"""The loop: which epoch is kept, and when it stops."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from rich.progress import Progress
from torch import nn

from zoo.recipes import Recipe, RecipeError
from zoo.spec import Objective
from zoo.train import Fit, fit


class Counter(nn.Module):
    """A weight that every step of Adam moves by about the learning rate. Shapes: → ()."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))


def run(
    scores: Sequence[float], epochs: int = 100, patience: int = 3, **schedule: float
) -> tuple[Fit, float]:
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
    recipe = replace(recipe, **schedule)
    went = fit(model, Objective(loss, score), recipe, Progress(disable=True))
    assert modes == [True, False] * went.epochs
    assert not model.training
    return went, round(model.weight.item(), 3)


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


def test_decay_follows_every_epoch_without_a_new_best() -> None:
    """Steps of 1, then of 0.1 after a bad epoch, then of 0.01 after another."""
    assert run([0.5, 0.4, 0.6, 0.4, 0.7], epochs=5, decay=0.1) == (Fit(5, 5, 0.7), 2.21)


def test_warm_up_and_cosine_change_every_step() -> None:
    """Adam's steps are as large as the learning rate, whatever the gradient."""
    rising = [run([0.1] * n, epochs=n, patience=9, warmup=4)[1] for n in (1, 2, 3, 4, 5)]
    assert rising == pytest.approx([0.25, 0.75, 1.5, 2.5, 3.5])
    falling = [1.0, (1 + 0.5**0.5) / 2, 0.5, (1 - 0.5**0.5) / 2]  # at 0, 1/4, 1/2, 3/4 of the way
    assert run([0.1] * 4, epochs=4, patience=9, cosine=True)[1] == pytest.approx(sum(falling))
    both = run([0.1] * 5, epochs=5, patience=9, cosine=True, warmup=1)[1]
    assert both == pytest.approx(1 + sum(falling), abs=1e-3)


def test_nothing_counts_while_epochs_are_held() -> None:
    held, _ = run([0.5, 0.4, 0.4, 0.4, 0.4, 0.4], patience=2, hold_epochs=3, decay=0.1)
    assert (held.epochs, held.best_epoch) == (5, 1)
    assert run([0.5, 0.4, 0.4, 0.6], epochs=4, hold_epochs=3, decay=0.1)[1] == 4


def test_a_new_best_must_exceed_the_last_by_the_least_gain() -> None:
    assert run([0.5, 0.5, 0.55, 0.65], epochs=4, min_gain=0.1)[0].best_epoch == 4
    assert run([0.5, 0.5, 0.55], epochs=3, min_gain=0.1)[0].best_epoch == 1


def test_a_running_mean_of_the_weights_is_kept_and_not_trained() -> None:
    """Weights 1, 2, 3 have the means 1, 1.5 and 2.25; steps go on from the weights."""
    assert run([0.1, 0.2, 0.3], epochs=3, average=0.5) == (Fit(3, 3, 0.3), 2.25)
    assert run([0.1, 0.3, 0.2], epochs=3, average=0.5) == (Fit(3, 2, 0.3), 1.5)


def test_the_first_epochs_of_a_running_mean_count_alike() -> None:
    assert run([0.1, 0.2, 0.3, 0.4], epochs=4, average=0.9) == (Fit(4, 4, 0.4), 2.5)


def test_statistics_are_averaged_with_the_weights() -> None:
    """Inputs of mean 0, 4, 8 move the running mean to 0, 2, 5, whose mean is 7/3."""
    model, inputs = nn.BatchNorm1d(1, momentum=0.5), iter((0.0, 4.0, 8.0))

    def loss(_: object) -> torch.Tensor:
        return model(next(inputs) + torch.tensor([[-1.0], [1.0]])).sum()

    recipe = Recipe("mean", "mlp", "toy", epochs=3, average=0.9, lr=1e-3)
    fit(model, Objective(loss, iter((1.0, 2.0, 3.0)).__next__), recipe, Progress(disable=True))
    assert model.running_mean is not None
    assert model.running_mean.item() == pytest.approx(7 / 3)


def test_gradients_are_clipped_together() -> None:
    """Adam forgets the scale of gradients, but not their direction."""
    model = nn.Linear(2, 1, bias=False)
    seen: list[float] = []
    recipe = Recipe("clipped", "mlp", "toy", epochs=1, clip=0.5, weight_decay=0.0)

    def score() -> float:
        assert model.weight.grad is not None
        seen.append(model.weight.grad.norm().item())
        return 0.0

    loss = lambda _: 100 * model(torch.ones(1, 2)).sum()  # noqa: E731
    fit(model, Objective(loss, score), recipe, Progress(disable=True))
    assert seen == pytest.approx([0.5], rel=1e-4)


def test_penalty_by_parameter() -> None:
    """A weight with a penalty of its own is drawn to zero, the other is not."""
    model = nn.ParameterDict({"table": torch.ones(1), "free": torch.ones(1)})
    objective = Objective(
        lambda _: 0 * (model["table"] + model["free"]).sum(),
        lambda: 0.0,
        penalty=lambda name: 0.1 if name == "table" else 0.0,
    )
    recipe = Recipe("penalised", "mlp", "toy", epochs=3, lr=0.1, weight_decay=9.0)
    fit(model, objective, recipe, Progress(disable=True))  # type: ignore[arg-type]
    assert model["table"].item() < 0.8
    assert model["free"].item() == 1
