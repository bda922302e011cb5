"""Expanded neighbourhoods, against sets of neighbours and dense matrices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.families.graph_mlp.neighbours import Adjacency, Block

KINDS = ("gcn", "sage", "gat")


def random_edges(nodes: int, seed: int, degree: float = 2.5) -> np.ndarray:
    """Undirected edges among the first two thirds; the other nodes have none."""
    random = np.random.default_rng(seed)
    linked = max(2, 2 * nodes // 3)
    upper = np.triu(random.random((linked, linked)) < degree / linked, k=1)
    upper[0, 1] = True
    return np.stack(np.nonzero(upper)).astype(np.int64)


def neighbours(edges: np.ndarray, nodes: int) -> list[set[int]]:
    around: list[set[int]] = [set() for _ in range(nodes)]
    for u, v in edges.T.tolist():
        around[u].add(v)
        around[v].add(u)
    return around


def dense_weights(edges: np.ndarray, nodes: int, kind: str) -> np.ndarray:
    """A kind's aggregation matrix from its formula, with the degrees of the whole graph."""
    a = np.zeros((nodes, nodes))
    a[edges[0], edges[1]] = a[edges[1], edges[0]] = 1
    closed = a + np.eye(nodes)
    if kind == "gcn":
        root = np.diag(closed.sum(1) ** -0.5)
        return root @ closed @ root
    if kind == "sage":
        twice = a + 2 * np.eye(nodes)
        return twice / twice.sum(1, keepdims=True)
    return closed


@settings(max_examples=60, deadline=None)
@given(
    nodes=st.integers(3, 30),
    seed=st.integers(0, 10**6),
    hops=st.integers(1, 3),
    kind=st.sampled_from(KINDS),
    asked=st.integers(1, 5),
)
def test_expand_covers_exactly_the_hops(
    nodes: int, seed: int, hops: int, kind: str, asked: int
) -> None:
    edges = random_edges(nodes, seed)
    around, dense = neighbours(edges, nodes), dense_weights(edges, nodes, kind)
    queried = np.random.default_rng(seed).permutation(nodes)[:asked]
    adjacency = Adjacency(edges, nodes, kind)
    sources, blocks = adjacency.expand(queried, hops)
    layers = [set(queried.tolist())]
    for _ in range(hops):
        layers.append(layers[-1].union(*(around[i] for i in layers[-1])))
    assert set(sources.tolist()) == layers[-1]
    assert len(sources) == len(layers[-1])
    np.testing.assert_array_equal(sources[: len(queried)], queried)
    rows = len(sources)
    for block, wanted in zip(blocks, layers[-2::-1], strict=True):
        ids = sources[: block.n_targets]
        assert set(ids.tolist()) == wanted
        expected = dense[np.ix_(ids, sources[:rows])]
        np.testing.assert_allclose(block.matrix(rows).toarray(), expected, rtol=1e-6)
        rows = block.n_targets
    assert rows == len(queried)


@pytest.mark.parametrize("kind", KINDS)
def test_whole_graph(kind: str) -> None:
    edges = random_edges(20, 0)
    block = Adjacency(edges, 20, kind).whole()
    matrix = block.matrix(20).toarray()
    np.testing.assert_allclose(matrix, dense_weights(edges, 20, kind), rtol=1e-6)


def test_degrees_are_global() -> None:
    """A ring node's weight counts neighbours that the expansion leaves out."""
    edges = np.array([[0, 1, 1, 1], [1, 2, 3, 4]])
    sources, (block,) = Adjacency(edges, 5, "gcn").expand(np.array([0]), 1)
    assert sources.tolist() == [0, 1]
    np.testing.assert_allclose(block.weight, [1 / np.sqrt(2 * 5)], rtol=1e-6)


def test_isolated_node() -> None:
    for kind, own in (("gcn", 1), ("sage", 1), ("gat", 1)):
        adjacency = Adjacency(np.array([[0], [1]]), 3, kind)
        sources, blocks = adjacency.expand(np.array([2]), 2)
        assert sources.tolist() == [2]
        for block in blocks:
            assert block.source.size == block.weight.size == 0
            assert block.self_weight.tolist() == [own]


def test_graph_without_edges() -> None:
    adjacency = Adjacency(np.zeros((2, 0), np.int64), 3, "sage")
    sources, blocks = adjacency.expand(np.array([2, 0]), 2)
    assert sources.tolist() == [2, 0]
    assert [block.n_targets for block in blocks] == [2, 2]


def test_calls_do_not_disturb_each_other() -> None:
    edges = random_edges(40, 3, degree=5)
    adjacency = Adjacency(edges, 40, "gcn")
    queries = [np.array([3, 1]), np.arange(40), np.array([39]), np.array([0, 7, 9])]
    for _ in range(2):
        for ids in queries:
            ours, theirs = adjacency.expand(ids, 2), Adjacency(edges, 40, "gcn").expand(ids, 2)
            np.testing.assert_array_equal(ours[0], theirs[0])
            for block, fresh in zip(ours[1], theirs[1], strict=True):
                assert_same(block, fresh)


def assert_same(block: Block, other: Block) -> None:
    for name, array in vars(block).items():
        np.testing.assert_array_equal(array, vars(other)[name])


@pytest.mark.parametrize("fanout", [1, 3])
@pytest.mark.parametrize("kind", ["gcn", "gat"])
def test_fanout(kind: str, fanout: int) -> None:
    """At most that many distinct neighbours, and on average the sum over all of them."""
    nodes, edges, draws = 30, random_edges(30, 1, degree=6), 600
    around, adjacency = neighbours(edges, nodes), Adjacency(edges, nodes, kind)
    random, total = np.random.default_rng(0), np.zeros((nodes, nodes))
    for _ in range(draws):
        sources, (block,) = adjacency.expand(np.arange(nodes), 1, fanout, random)
        pairs = list(zip(block.target.tolist(), sources[block.source].tolist(), strict=True))
        assert len(set(pairs)) == len(pairs)
        assert all(source in around[target] for target, source in pairs)
        counts = np.bincount(block.target, minlength=nodes)
        np.testing.assert_array_equal(counts, [min(len(a), fanout) for a in around])
        np.add.at(total, (block.target, sources[block.source]), block.weight)
        total[range(nodes), range(nodes)] += block.self_weight
        if kind == "gat":  # equal weights: their sum is right in every draw
            sums = np.bincount(block.target, block.weight, minlength=nodes)
            np.testing.assert_allclose(sums, [len(a) for a in around], rtol=1e-6)
    expected = dense_weights(edges, nodes, kind)
    np.testing.assert_allclose(total / draws, expected, atol=0.5 * float(expected.max()))
    np.testing.assert_allclose(total.mean() / draws, expected.mean(), rtol=0.02)


def test_fanout_of_many_is_all() -> None:
    edges = random_edges(20, 2)
    adjacency = Adjacency(edges, 20, "gcn")
    all_sources, all_blocks = adjacency.expand(np.array([0, 5]), 2)
    sources, blocks = adjacency.expand(np.array([0, 5]), 2, 99, np.random.default_rng(0))
    np.testing.assert_array_equal(sources, all_sources)
    for block, other in zip(blocks, all_blocks, strict=True):
        assert_same(block, other)
