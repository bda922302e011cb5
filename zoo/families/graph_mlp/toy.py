"""A planted-partition graph for tests and demos: made from a seed, no files, no network."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from zoo.families.graph_mlp.graph import Graph, random_split

LABELS = ("north", "east", "south", "west")
FEATURES = 200


def make_toy_graph(seed: int, nodes: int = 600) -> Graph:
    """Make a graph whose edges say more about a node's class than its features do.

    Nodes link mostly within their class; words of a class' topic are only a little more frequent
    in its nodes. So a model that sees the graph clearly beats one that sees features alone.

    Args:
        seed: draws everything; the same seed gives the same graph.
        nodes: at least 400, since 380 of them go into the split (80/100/200).

    Raises:
        DataError: too few nodes for the split.
    """
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(nodes) % len(LABELS))
    same = y[:, None] == y[None, :]
    linked = rng.random((nodes, nodes)) < np.where(same, 16.0, 1.0) / nodes
    edges = np.stack(np.nonzero(np.triu(linked, k=1)))
    topic = np.arange(FEATURES)[None, :] % len(LABELS) == y[:, None]
    words = rng.random((nodes, FEATURES)) < np.where(topic, 0.10, 0.04)
    return Graph(
        name="toy",
        x=sp.csr_matrix(words.astype(np.float32)),
        edges=edges.astype(np.int64),
        y=y.astype(np.int64),
        labels=LABELS,
        split=random_split(y, seed, val=100, test=200),
        row_normalise=True,
    )
