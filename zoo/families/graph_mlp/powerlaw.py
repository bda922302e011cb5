"""A power-law graph of ogbn-arxiv's size, for latency: made from a seed, no files, no network.

Chung-Lu: both ends of an edge are drawn with probability in proportion to a node's expected
degree, i^(-1/(EXPONENT-1)) for i = 1, 2, … Loops and repeated edges are drawn again until there
are as many edges as asked for. ogbn-arxiv's largest degree is 13,161, this graph's about 12,000.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from zoo.families.graph_mlp.graph import Graph
from zoo.families.graph_mlp.validation import canonical_edges

NODES, EDGES = 169_343, 1_166_243  # ogbn-arxiv's
FEATURES, CLASSES = 128, 40
EXPONENT = 2.5  # of the degree distribution


def make_power_law_graph(seed: int, nodes: int = NODES, edges: int = EDGES) -> Graph:
    """Make a graph of which few nodes have most of the edges.

    Features are dense: the mean of the node's class plus noise. Edges know nothing of classes, so
    accuracies on this graph mean little.

    Args:
        seed: draws everything; the same seed gives the same graph.
        nodes: how many there are.
        edges: undirected; well below what ``nodes`` can have.
    """
    random = np.random.default_rng(seed)
    ends = random.permutation(nodes)[_chung_lu(nodes, edges, random)]
    y = random.integers(0, CLASSES, nodes)
    means = random.random((CLASSES, FEATURES), dtype=np.float32)
    x = random.random((nodes, FEATURES), dtype=np.float32)
    x += means[y]
    indptr = np.arange(0, x.size + 1, FEATURES)
    indices = np.tile(np.arange(FEATURES, dtype=np.int32), nodes)
    return Graph(
        name="power-law",
        x=sp.csr_matrix((x.ravel(), indices, indptr), shape=x.shape),
        edges=canonical_edges(ends, nodes),
        y=y,
        labels=tuple(f"class {k}" for k in range(CLASSES)),
        split=None,
        row_normalise=False,
    )


def _chung_lu(nodes: int, edges: int, random: np.random.Generator) -> np.ndarray:
    """Distinct edges between nodes sorted by expected degree. Shapes: (2, edges)."""
    cumulative = np.cumsum(np.arange(1, nodes + 1) ** (-1 / (EXPONENT - 1)))
    keys = np.array([], dtype=np.int64)
    while len(keys) < edges:
        drawn = random.random((2, (edges - len(keys)) * 5 // 4)) * cumulative[-1]
        ends = np.searchsorted(cumulative, drawn)
        low, high = ends.min(axis=0), ends.max(axis=0)
        keys = np.unique(np.concatenate([keys, (low * nodes + high)[low < high]]))
    kept = random.permutation(keys)[:edges]
    return np.stack([kept // nodes, kept % nodes])
