"""From a recipe to trained models on disk: teacher, student, and what they are compared with.

runs/
  <teacher>-<id>/, <recipe>-<id>/   checkpoints, shared by every command: equal id, same weights
  <recipe>/train.json               the latest result of ``train``; its ``run`` is the student
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from rich.progress import Progress

from zoo import checkpoint
from zoo.artifact import Artifact, ArtifactError
from zoo.blocks import keep_large_buffers
from zoo.knowledge import check_averaged, taught
from zoo.recipes import VANILLA, Recipe, RecipeError, from_table
from zoo.registry import get_spec
from zoo.results import RESULT, STUDENT, best_of, checkpoint_path, summary, write_json
from zoo.spec import config_of
from zoo.train import fit

BASELINES = "baselines"  # in a checkpoint's metrics: role → metrics of what needs no training
TEACHER_SEED_STEP = 1000  # between the seeds of one student's teachers


@dataclass(frozen=True)
class Workshop:
    """Where and how to train.

    Attributes:
        runs: folder of checkpoints.
        device: ``cpu`` or ``cuda``.
        progress: shows the epochs.
    """

    runs: Path
    device: str
    progress: Progress


def train(
    recipe: Recipe, seeds: Sequence[int], methods: Sequence[str], also: bool, shop: Workshop
) -> dict[str, Any]:
    """Train teacher and students for each seed, or find them finished.

    Args:
        recipe: of the student.
        seeds: each draws its own split, teacher and students; methods share a seed's teacher.
        methods: distillation methods; the first makes the student, which is deployed unless the
            recipe's gate finds another method better on validation.
        also: train under the family's other settings too, for their metrics.
        shop: where and how.

    Returns:
        ``metrics`` (role → metric → value; means, with ``_std`` and ``per_seed`` for several
        seeds; what needs no training comes last), ``seeds``, ``deployed`` (a method), ``run`` (its
        checkpoint with the best validation score), ``teacher`` (of that seed; None without one)
        and ``seconds``. Also written to ``runs/<recipe>/train.json``.
    """
    began = time.perf_counter()
    spec = get_spec(recipe.model)
    _check(recipe, methods, shop)
    settings = {"": {}, **(spec.also if also else {})}
    per_seed: dict[int, dict[str, dict[str, Any]]] = {}
    runs: dict[int, dict[str, Artifact]] = {}
    for seed in seeds:
        per_seed[seed] = {}
        for prefix, data in settings.items():
            seeded = recipe.using(seed=seed)
            seeded = seeded.using(data={**recipe.data, **data}) if data else seeded
            trained = _train_seed(seeded, methods, shop)
            for role, metrics in _metrics(trained).items():
                named = {f"{prefix}_{k}" if prefix else k: v for k, v in metrics.items()}
                per_seed[seed].setdefault(role, {}).update(named)
            runs.setdefault(seed, trained)
    roles = [STUDENT, *methods[1:]] if recipe.gate else [STUDENT]
    role, best = best_of(per_seed, roles, f"val_{spec.metric}", spec.lower)
    teacher = runs[best].get("teacher")
    result = {
        "recipe": recipe.name,
        "methods": list(methods),
        "metrics": summary(per_seed),
        "seeds": list(seeds),
        "deployed": methods[0] if role == STUDENT else role,
        "run": runs[best][role].path.name,
        "teacher": teacher.path.name if teacher else None,
        "seconds": round(time.perf_counter() - began, 2),
    }
    write_json(shop.runs / recipe.name / RESULT, result)
    return result


def _metrics(trained: dict[str, Artifact]) -> dict[str, dict[str, Any]]:
    """Metrics by role: of what was trained, then of what the student carries to compare with."""
    own = {role: dict(artifact.metrics) for role, artifact in trained.items()}
    baselines = [metrics.pop(BASELINES, {}) for metrics in own.values()]
    return {**own, **dict(baselines[-1])}


def _check(recipe: Recipe, methods: Sequence[str], shop: Workshop) -> None:
    """Refuse before the first epoch what would fail after hours of them."""
    kind = get_spec(recipe.model).distill_config
    for method in methods:
        if methods.count(method) > 1:
            raise RecipeError(f"methods name '{method}' twice: name each once")
        from_table(kind, recipe.by(method, kind).distill, "--methods")
        if method != VANILLA and recipe.teacher is None:
            raise RecipeError(
                f"{recipe.name} has no teacher, which '{method}' needs: add one to the recipe or "
                f"use --methods {VANILLA}"
            )
        if method != VANILLA:
            check_averaged(recipe)
    try:
        shop.runs.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=shop.runs).close()
    except OSError as error:
        raise ArtifactError(
            f"cannot write {shop.runs}: {error.strerror}; choose another folder with --runs"
        ) from None


def _train_seed(recipe: Recipe, methods: Sequence[str], shop: Workshop) -> dict[str, Artifact]:
    """Teacher and one student per method, by role."""
    data = _Lazy(recipe)
    roles: dict[str, Artifact] = {}
    teachers: list[Artifact] = []
    if recipe.teacher is not None and set(methods) != {VANILLA}:
        for index in range(recipe.teachers):
            teacher = recipe.teacher
            if index:
                seed = recipe.seed + TEACHER_SEED_STEP * index
                teacher = replace(teacher, seed=seed, split_seed=recipe.seed)
            own = data if teacher.shares_data(recipe) else _Lazy(teacher)
            teachers.append(_trained(teacher, [], own, shop))
        roles["teacher"] = teachers[0]
        teachers = _fold_teachers(recipe, shop) or teachers
    for index, method in enumerate(methods):
        student = recipe.by(method, get_spec(recipe.model).distill_config)
        taught_by = teachers if student.teacher else []
        roles[method if index else STUDENT] = _trained(student, taught_by, data, shop)
    return roles


def _fold_teachers(recipe: Recipe, shop: Workshop) -> list[Artifact]:
    """One teacher per fold, trained without it; none where the recipe has no folds."""
    assert recipe.teacher is not None
    teachers = []
    for fold in range(recipe.folds if recipe.folds > 1 else 0):
        data = {**recipe.teacher.data, "folds": recipe.folds, "fold": fold}
        teacher = replace(recipe.teacher, data=data)
        teachers.append(_trained(teacher, [], _Lazy(teacher), shop))
    return teachers


class _Lazy:
    """A recipe's data and baselines, made when first asked for: finished runs need none."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe, self._spec = recipe, get_spec(recipe.model)

    @cached_property
    def data(self) -> Any:
        return self._spec.data(self._recipe)

    @cached_property
    def baselines(self) -> dict[str, dict[str, float]]:
        return self._spec.baselines(self.data) if self._spec.baselines else {}


def _trained(recipe: Recipe, teachers: list[Artifact], lazy: _Lazy, shop: Workshop) -> Artifact:
    """The finished checkpoint of ``recipe``, trained now if there is none."""
    path = checkpoint_path(recipe, shop.runs)
    if path.exists():
        return Artifact.load(path)
    spec, data = get_spec(recipe.model), lazy.data
    began = time.perf_counter()
    with _waiting(shop, f"{recipe.name}: ask its teacher", bool(teachers)):
        knowledge = taught(recipe, teachers, data, shop.device)
    torch.manual_seed(recipe.seed)
    config = config_of(spec, recipe, data.sizes)
    model = spec.build(config).to(shop.device)
    went = fit(model, spec.objective(model, data, recipe, knowledge), recipe, shop.progress)
    with _waiting(shop, f"{recipe.name}: measure"):
        if spec.finish:
            spec.finish(model, data, recipe)
        seconds = round(time.perf_counter() - began, 2)
        metrics: dict[str, Any] = spec.evaluate(model, data)
    metrics |= {
        "epochs": went.epochs,
        "best_epoch": went.best_epoch,
        "train_seconds": seconds,
    }
    if spec.baselines:
        metrics[BASELINES] = lazy.baselines
    parents = {f"teacher_{n}": teacher.digest for n, teacher in enumerate(teachers, start=1)}
    return checkpoint.save(path, model, config, recipe, metrics, data.attachments, parents)


@contextmanager
def _waiting(shop: Workshop, what: str, shown: bool = True) -> Iterator[None]:
    """A bar while something takes its time."""
    task = shop.progress.add_task(what, total=None, visible=shown)
    yield
    shop.progress.remove_task(task)


def prepare(threads: int, device: str) -> None:
    """Set torch's threads and allocator for full-batch training.

    Raises:
        ArtifactError: an unknown device, or cuda asked for where there is none.
    """
    if device not in ("cpu", "cuda"):
        raise ArtifactError(f"device is '{device}': expected cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise ArtifactError("no CUDA device here: use --device cpu")
    torch.set_num_threads(threads)
    keep_large_buffers()
