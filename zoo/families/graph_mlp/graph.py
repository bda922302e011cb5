"""A graph with features, labels and a split: what every dataset is turned into."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from zoo.sources import DataError

SPLIT = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class Graph:
    """An undirected graph whose nodes carry features and one class each.

    Shapes: x (nodes, features) float32, as in the source; edges (2, edges) int64 node ids, each
    undirected edge once with u < v, sorted, no self loops; y (nodes,) int64 class ids.

    Attributes:
        name: dataset name; the file's stem for a graph of the user's own.
        x: features, not normalised.
        edges: node ids of the two ends.
        y: class of every node.
        labels: class names, by class id.
        split: sorted node ids of ``train``, ``val`` and ``test``; None where none is published.
        row_normalise: whether models divide each feature row by its sum.
    """

    name: str
    x: sp.csr_matrix
    edges: np.ndarray
    y: np.ndarray
    labels: tuple[str, ...]
    split: dict[str, np.ndarray] | None
    row_normalise: bool

    def digest(self) -> str:
        """sha256 over features, edges, classes and split: equal graphs, equal digests."""
        arrays = {
            "x_data": self.x.data.astype("<f4"),
            "x_indices": self.x.indices.astype("<i8"),
            "x_indptr": self.x.indptr.astype("<i8"),
            "x_shape": np.array(self.x.shape, "<i8"),
            "edge_index": self.edges.astype("<i8"),
            "y": self.y.astype("<i8"),
        }
        if self.split is not None:
            arrays |= {part: self.split[part].astype("<i8") for part in SPLIT}
        state = hashlib.sha256()
        for member, array in arrays.items():
            state.update(f"{member} {array.shape}\n".encode())
            state.update(array.tobytes())
        return state.hexdigest()


def random_split(
    y: np.ndarray, seed: int, per_class: int = 20, val: int = 500, test: int = 1000
) -> dict[str, np.ndarray]:
    """Draw a split: ``per_class`` training nodes of each class, then val and test from the rest.

    Args:
        y: class of every node.
        seed: draws the split; the same seed gives the same split.
        per_class: training nodes per class.
        val: validation nodes.
        test: test nodes.

    Returns:
        Sorted node ids of ``train``, ``val`` and ``test``; they do not overlap.

    Raises:
        DataError: a class, or the graph, has too few nodes.
    """
    classes = _check_sizes(y, per_class, val + test)
    order = np.random.default_rng(seed).permutation(y.size)
    train = np.concatenate([order[y[order] == c][:per_class] for c in range(classes)])
    rest = order[~np.isin(order, train)]
    drawn = {"train": train, "val": rest[:val], "test": rest[val : val + test]}
    return {part: np.sort(ids) for part, ids in drawn.items()}


def split_of(graph: Graph, seed: int) -> dict[str, np.ndarray]:
    """The published split where there is one, else a random one drawn with ``seed``."""
    return graph.split if graph.split is not None else random_split(graph.y, seed)


def _check_sizes(y: np.ndarray, per_class: int, others: int) -> int:
    """Check that there are enough nodes for a split; the number of classes."""
    sizes = np.bincount(y)
    if sizes.min() < per_class:
        raise DataError(
            f"class {sizes.argmin()} has {sizes.min()} nodes: expected at least {per_class} per "
            "class for a random split; drop the class or add members train, val, test"
        )
    needed = per_class * sizes.size + others
    if y.size < needed:
        raise DataError(
            f"{y.size} nodes: expected at least {needed} for a random split ({per_class} x "
            f"{sizes.size} classes + {others} for val and test); add members train, val, test"
        )
    return sizes.size
