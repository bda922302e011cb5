"""Time per epoch beside FuxiCTR's, with the same configuration: ``python -m benchmarks.fuxictr``.

Both train FinalMLP from batches in memory for a few epochs, validation included, in processes of
their own that take turns. FuxiCTR is installed into an environment that is thrown away, which
borrows torch from this one. Writes ``results/fuxictr.json``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.conditions import git_sha, machine
from benchmarks.environments import SAFE, ComparisonError, environment, run
from zoo.artifact import versions
from zoo.contract import LeanzooError
from zoo.recipes import VANILLA, Recipe
from zoo.registry import get_recipe, get_spec
from zoo.results import write_json
from zoo.spec import config_of

RESULTS = Path(__file__).parent / "results" / "fuxictr.json"
WORKER = Path(__file__).with_name("fuxictr_worker.py")
VERSION = "2.3.7"
# Their needs name old packages.
WITHOUT_NEEDS = ["--no-deps", f"fuxictr=={VERSION}", "keras-preprocessing"]
NEEDS = ["polars<2", "pandas", "scikit-learn", "h5py", "tqdm", "pyyaml", "packaging", "six"]


def main() -> None:
    """Compare and write down."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("recipe", nargs="?", default="finalmlp-frappe-published")
    parser.add_argument("--epochs", type=int, default=3, help="per turn")
    parser.add_argument("--rounds", type=int, default=2, help="turns of each")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    try:
        result = measure(asked.recipe, asked.epochs, asked.rounds, asked.threads)
    except LeanzooError as error:
        parser.error(str(error))
    write_json(asked.out, result)
    print(json.dumps(result, indent=1))


def measure(name: str, epochs: int, rounds: int, threads: int) -> dict[str, Any]:
    """Install FuxiCTR, and train both.

    Args:
        name: of a recipe of FinalMLP.
        epochs: per turn.
        rounds: turns of each.
        threads: of each.

    Raises:
        ComparisonError: FuxiCTR cannot be had, or the two are not the same model.
    """
    shipped = get_recipe(name)
    recipe = shipped.by(VANILLA, get_spec(shipped.model).distill_config).using(epochs=epochs)
    with tempfile.TemporaryDirectory(prefix="leanzoo-fuxictr-") as scratch:
        folder = Path(scratch)
        write_setup(recipe, threads, folder)
        python = environment(folder / "venv", WITHOUT_NEEDS, NEEDS)
        return compare(recipe, rounds, threads, python, folder)


def write_setup(recipe: Recipe, threads: int, folder: Path) -> None:
    """Write the log as ids, and everything that FuxiCTR's model must be told.

    Raises:
        ComparisonError: a log with numeric or multi-valued fields.
    """
    spec = get_spec(recipe.model)
    data = spec.data(recipe)
    names = data.layout.slots
    if len(set(names)) < len(names) or data.layout.numerics:
        raise ComparisonError(
            f"{recipe.dataset} has numeric or multi-valued fields: choose another"
        )
    parts = {part: data.parts[part] for part in ("train", "val")}
    arrays: dict[str, Any] = {}
    for name, part in parts.items():
        arrays[f"{name}_ids"] = np.asarray(part.ids, np.int64)
        arrays[f"{name}_y"] = np.asarray(part.y, np.float32)
    np.savez(folder / "data.npz", allow_pickle=False, **arrays)
    setup = {
        "fields": dict(zip(names, data.layout.sizes, strict=True)),
        "config": asdict(config_of(spec, recipe, data.sizes)),
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "lr": recipe.lr,
        "l2": recipe.weight_decay,
        "clip": recipe.clip,
        "seed": recipe.seed,
        "threads": threads,
    }
    (folder / "setup.json").write_text(json.dumps(setup))


def compare(
    recipe: Recipe, rounds: int, threads: int, python: Path, folder: Path
) -> dict[str, Any]:
    """Train both in turns, ABBA, and set their times per epoch side by side.

    Raises:
        ComparisonError: the two models are not equally large.
    """
    ours, theirs = [], []
    for turn in range(rounds):
        for own in (True, False) if turn % 2 == 0 else (False, True):
            if own:
                ours.append(train_ours(recipe, threads, folder / f"runs-{turn}"))
            else:
                theirs.append(json.loads(run([str(python), *SAFE, str(WORKER), str(folder)])))
    parameters = {found["parameters"] for found in (*ours, *theirs)}
    if len(parameters) > 1:
        raise ComparisonError(f"the models have {sorted(parameters)} parameters: expected as many")
    times = {"ours_s": ours, "fuxictr_s": theirs}
    seconds = {name: [found["epoch_s"] for found in those] for name, those in times.items()}
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    return {
        "model": recipe.model,
        "dataset": recipe.dataset,
        "parameters": parameters.pop(),
        "epochs": rounds * recipe.epochs,
        "threads": threads,
        **{name: {"median": medians[name], "each": found} for name, found in seconds.items()},
        "ours_over_fuxictr": medians["ours_s"] / medians["fuxictr_s"],
        "val_auc": {"ours": ours[-1]["val_auc"], "fuxictr": theirs[-1]["val_auc"]},
        "machine": machine(),
        "versions": {**versions("torch", "numpy"), "fuxictr": VERSION},
        "git_sha": git_sha(),
    }


def train_ours(recipe: Recipe, threads: int, runs: Path) -> dict[str, Any]:
    """Train as ``leanzoo train`` does, in a process of its own."""
    command = [str(Path(sys.executable).with_name("leanzoo")), "train", recipe.name, "--json"]
    command += ["--methods", VANILLA, "--epochs", str(recipe.epochs), "--no-also"]
    out = run([*command, "--threads", str(threads), "--runs", str(runs)])
    metrics = json.loads(out)["metrics"]["student"]
    spec = get_spec(recipe.model)
    module = spec.build(config_of(spec, recipe, spec.data(recipe).sizes))
    return {
        "epoch_s": metrics["train_seconds"] / metrics["epochs"],
        "parameters": sum(parameter.numel() for parameter in module.parameters()),
        "val_auc": metrics["val_auc"],
    }


if __name__ == "__main__":
    main()
