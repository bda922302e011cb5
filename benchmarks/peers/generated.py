"""A generated MLP, trained for a moment and published as any other student is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.progress import Progress

from export.repository import publish_all
from export.to_onnx import export_checkpoint
from zoo.artifact import sha256_file
from zoo.distill import Workshop, prepare, train
from zoo.recipes import VANILLA, Recipe

FEATURES, HIDDEN, CLASSES = 1433, 128, 7  # Cora's, and a small hidden layer
NODES, PRESENT = 420, 18  # features that a node has


def publish_mlp(folder: Path, seed: int = 0) -> str:
    """Publish an MLP, dense and sparse, into ``folder/repository``.

    What it learned is of no worth: how long an answer takes does not depend on it.

    Args:
        folder: of its data, runs and exports.
        seed: of the graph and of the training.

    Returns:
        Name of the dense model.
    """
    file = write_graph(folder / "generated.npz", seed)
    recipe = Recipe(
        f"mlp-{FEATURES}-{HIDDEN}-{CLASSES}",
        "mlp",
        str(file),
        seed=seed,
        epochs=3,
        dataset_sha256=sha256_file(file),
        config={"layers": 2, "hidden": HIDDEN, "dropout": 0.5},
        distill={"method": VANILLA},
    )
    prepare(1, "cpu")
    with Progress(disable=True) as bars:
        runs = folder / "runs"
        run = train(recipe, [seed], [VANILLA], False, Workshop(runs, "cpu", bars))["run"]
    exported = export_checkpoint(runs / run, None, folder / "onnx")
    folders = [artifact.path for artifact in exported.artifacts]
    publish_all(folders, folder / "repository", lambda _: None)
    return recipe.name


def write_graph(file: Path, seed: int) -> Path:
    """A random graph with bags of words for features, as ``leanzoo train --data`` takes it."""
    rng, third = np.random.default_rng(seed), NODES // 3
    words = [np.sort(rng.choice(FEATURES, PRESENT, replace=False)) for _ in range(NODES)]
    np.savez(
        file,
        allow_pickle=False,
        x_data=np.ones(NODES * PRESENT, np.float32),
        x_indices=np.concatenate(words),
        x_indptr=np.arange(0, NODES * PRESENT + 1, PRESENT),
        x_shape=np.array([NODES, FEATURES]),
        edge_index=rng.integers(0, NODES, (2, 4 * NODES)),
        y=np.arange(NODES) % CLASSES,
        train=np.arange(third),
        val=np.arange(third, 2 * third),
        test=np.arange(2 * third, NODES),
    )
    return file
