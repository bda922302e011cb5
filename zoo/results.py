"""What training wrote down: where checkpoints are, and the latest result of a recipe."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zoo.artifact import ARTIFACT_FILE, Artifact, ArtifactError
from zoo.recipes import Recipe

RESULT = "train.json"
STUDENT = "student"  # the role of the first method; others bear their method's name

PerSeed = dict[int, dict[str, dict[str, Any]]]  # seed → role → metric → value
KEYS = frozenset({"recipe", "methods", "metrics", "seeds", "deployed", "run", "teacher"})


def checkpoint_path(recipe: Recipe, runs: Path) -> Path:
    """Where a recipe's checkpoint is, or will be."""
    return runs / f"{recipe.name}-{recipe.id}"


def best_of(per_seed: PerSeed, roles: Sequence[str], metric: str, lower: bool) -> tuple[str, int]:
    """The role whose mean is best, and the seed at which it was best.

    Args:
        per_seed: metrics by seed and role.
        roles: to choose from; the first of equals is taken.
        metric: to compare by.
        lower: the least is best.
    """
    sign = -1 if lower else 1

    def score(role: str, seed: int) -> float:
        return sign * float(per_seed[seed][role][metric])

    role = max(roles, key=lambda role: sum(score(role, seed) for seed in per_seed))
    return role, max(per_seed, key=lambda seed: score(role, seed))


def deployed_role(result: dict[str, Any]) -> str:
    """Under which of a result's roles the deployed method's metrics stand."""
    return STUDENT if result["deployed"] == result["methods"][0] else str(result["deployed"])


def summary(per_seed: PerSeed) -> dict[str, dict[str, Any]]:
    """One seed's metrics as they are; of several the mean, population std and all values."""
    first = next(iter(per_seed.values()))
    if len(per_seed) == 1:
        return first
    summary: dict[str, dict[str, Any]] = {}
    for role, metrics in first.items():
        summary[role] = {}
        for name in metrics:
            values = [seed[role][name] for seed in per_seed.values()]
            summary[role][name] = statistics.fmean(values)
            if "val_" in name or "test_" in name:
                summary[role][f"{name}_std"] = statistics.pstdev(values)
                summary[role][f"{name}_per_seed"] = values
    return summary


def result_of(runs: Path, name: str) -> dict[str, Any]:
    """The latest result of training ``name``.

    Raises:
        ArtifactError: it was not trained yet, or the file is no result.
    """
    path = runs / name / RESULT
    try:
        result = json.loads(path.read_text())
        if not isinstance(result, dict) or not KEYS.issubset(result):
            raise ValueError
    except FileNotFoundError:
        raise ArtifactError(f"'{name}' is not trained yet: run 'leanzoo train {name}'") from None
    except ValueError:
        raise ArtifactError(f"{path} is broken: run 'leanzoo train {name}' again") from None
    return result


def latest_run(runs: Path, name: str) -> Path:
    """The checkpoint of the latest training of a recipe or model, if only as somebody's teacher.

    Args:
        runs: where it was trained.
        name: of a recipe; of a model, for the latest of all its recipes.

    Raises:
        ArtifactError: there is none, or its manifest is broken.
    """
    made: dict[Path, float] = {}
    for manifest in runs.glob(f"{name}-*/{ARTIFACT_FILE}"):
        found = Artifact.load(manifest.parent, verify=False)
        if name in (found.model, found.recipe["model"]):
            made[manifest.parent] = manifest.stat().st_mtime
    for result in runs.glob(f"{name}*/{RESULT}"):
        run = runs / result_of(runs, result.parent.name)["run"]
        if run in made:  # the best of its seeds, and written after all of them
            made[run] = result.stat().st_mtime
    if not made:
        raise ArtifactError(f"'{name}' is not trained yet in {runs}: run 'leanzoo train' for it")
    return max(made, key=lambda run: made[run])


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that a reader sees the old file or the new one, never half of it.

    Raises:
        ArtifactError: it cannot be written.
    """
    text = json.dumps(value, indent=1, allow_nan=False) + "\n"
    check_place(path)
    scratch = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_text(text)
        scratch.replace(path)
    except OSError as error:
        why = error.strerror or error
        raise ArtifactError(f"cannot write {path}: {why}; choose another place") from None


def check_place(path: Path) -> None:
    """Refuse where no file can be written, at best before the work whose result it is for.

    Raises:
        ArtifactError: ``path`` is a folder, or would have to be inside a file.
    """
    if path.is_dir():
        raise ArtifactError(f"cannot write {path}: it is a folder; name a file in it")
    above = next(folder for folder in path.parents if folder.exists())
    if not above.is_dir():
        raise ArtifactError(f"cannot write {path}: {above} is no folder; choose another place")
