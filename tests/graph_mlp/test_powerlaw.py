"""The power-law graph at a reduced size: degrees, edges, determinism."""

import numpy as np

from zoo.families.graph_mlp.graph import random_split
from zoo.families.graph_mlp.powerlaw import CLASSES, EXPONENT, FEATURES, make_power_law_graph

NODES, EDGES = 8000, 40_000


def test_seed_decides() -> None:
    digests = [make_power_law_graph(seed, NODES, EDGES).digest() for seed in (1, 1, 2)]
    assert digests[0] == digests[1] != digests[2]


def test_edges_are_simple_and_as_many_as_asked_for() -> None:
    edges = make_power_law_graph(0, NODES, EDGES).edges
    assert edges.shape == (2, EDGES)
    assert (edges[0] < edges[1]).all()
    assert len(np.unique(edges[0] * NODES + edges[1])) == EDGES
    assert edges.max() < NODES


def test_degrees_are_heavy_tailed() -> None:
    """Hill's estimator over the largest degrees finds the exponent."""
    edges = make_power_law_graph(0, NODES, EDGES).edges
    degree = np.sort(np.bincount(edges.ravel(), minlength=NODES))[::-1].astype(float)
    assert degree[0] > 30 * degree.mean()
    top = degree[:200]
    assert abs(1 + 1 / np.log(top / top[-1]).mean() - EXPONENT) < 0.4


def test_features_and_split() -> None:
    graph = make_power_law_graph(0, NODES, EDGES)
    assert graph.x.shape == (NODES, FEATURES)
    assert graph.x.dtype == np.float32
    assert graph.x.nnz == NODES * FEATURES
    assert not graph.row_normalise
    train = random_split(graph.y, 0)["train"]
    assert np.bincount(graph.y[train]).tolist() == [20] * CLASSES
