"""What is trained and measured on a click log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from zoo.families.ctr import metrics
from zoo.families.ctr.batches import Batch, Batches, tensors
from zoo.families.ctr.embedding import Embedding
from zoo.families.ctr.ensemble import CTREnsemble
from zoo.families.ctr.losses import DistillConfig, distilled_loss, labelled_loss
from zoo.families.ctr.parts import Part
from zoo.recipes import Recipe, RecipeError, from_table
from zoo.spec import Objective

CHUNK = 8192  # rows evaluated at a time


def objective(
    model: nn.Module, data: Any, recipe: Recipe, teacher: torch.Tensor | None
) -> Objective:
    """Labels, and with a teacher its logits of the training rows.

    The recipe's ``weight_decay`` is the L2 penalty of the embedding tables; nothing else has one.
    Members of an ensemble each have a loss of their own.

    Raises:
        RecipeError: an epoch cannot be chosen by what the recipe selects by.
    """
    config = from_table(DistillConfig, recipe.distill, f"{recipe.name}.distill")
    embeddings = {n: m for n, m in model.named_modules() if isinstance(m, Embedding)}
    for embedding in embeddings.values():
        embedding.standardise(data.scales)
    batches = _batches(data, recipe, teacher, device_of(model))
    members = list(model.members) if isinstance(model, CTREnsemble) else [model]

    def loss(batch: Batch) -> torch.Tensor:
        losses = [_loss(member(*batch.inputs), batch, config) for member in members]
        return torch.stack(losses).sum()

    return Objective(
        loss=loss,
        score=_validation(model, data.parts["val"], recipe),
        batches=lambda: batches,
        n_batches=len(batches),
        penalty=lambda name: recipe.weight_decay if name.rpartition(".")[0] in embeddings else 0.0,
    )


def _batches(data: Any, recipe: Recipe, teacher: torch.Tensor | None, device: str) -> Batches:
    batches = Batches(data.parts["train"], recipe.batch_size, recipe.seed, device)
    batches.taught = teacher
    if rate := recipe.data.get("oov_rate", 0.0):
        batches.mask(rate, data.layout.sizes)
    return batches


def _validation(model: nn.Module, part: Part, recipe: Recipe) -> Callable[[], float]:
    """What the kept epoch maximises."""
    if recipe.select not in ("auc", "loss"):
        raise RecipeError(
            f"{recipe.name} selects by '{recipe.select}': click models are selected by 'auc' or "
            "'loss'; set 'select'"
        )
    y = np.asarray(part.y)

    def score() -> float:
        logits = logits_of(model, part).cpu().numpy()
        return metrics.auc(logits, y) if recipe.select == "auc" else -metrics.logloss(logits, y)

    return score


def _loss(z: torch.Tensor, batch: Batch, config: DistillConfig) -> torch.Tensor:
    """Loss of one batch. Shapes: logits z (rows,) → ()."""
    if batch.taught is None:
        return labelled_loss(z, batch.y)
    return distilled_loss(z, batch.y, batch.taught, config)


def device_of(model: nn.Module) -> str:
    """Where the model's weights are."""
    return str(next(model.parameters()).device)


@torch.no_grad()
def logits_of(model: nn.Module, part: Part) -> torch.Tensor:
    """Logits of all rows, computed in chunks. Shapes: → (rows,) on the model's device."""
    model.eval()
    device, arrays = device_of(model), (np.asarray(part.ids), np.asarray(part.numeric))
    chunks = []
    for start in range(0, len(arrays[0]), CHUNK):
        ids, numeric = (array[start : start + CHUNK] for array in arrays)
        chunks.append(model(*tensors(ids, numeric, device)))
    return torch.cat(chunks)


def outputs(model: nn.Module, data: Any) -> torch.Tensor:
    """What a student learns: logits of the training rows that were held out, or of all."""
    return logits_of(model, data.held_out)


def answers(model: nn.Module, data: Any) -> torch.Tensor:
    """Logits of the test part by row id."""
    return logits_of(model, data.parts["test"])


def evaluate(model: nn.Module, data: Any) -> dict[str, float]:
    """Ranking, likelihood and calibration on validation and test part."""
    return {
        f"{name}_{metric}": value
        for name in ("val", "test")
        for metric, value in metrics.evaluate(
            logits_of(model, data.parts[name]).cpu().numpy(), np.asarray(data.parts[name].y)
        ).items()
    }
