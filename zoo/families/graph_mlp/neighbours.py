"""Which nodes and edges a GNN needs to answer for some nodes: blocks of an expanded neighbourhood.

A block is one layer's bipartite graph. Its targets are the first of its sources, so that a layer
maps the rows of its sources to the rows of its targets, and the next block's sources are these.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse


@dataclass(frozen=True)
class Block:
    """One layer's edges, grouped by target.

    Shapes: source, target (edges,) int64; weight (edges,) float32; self_weight (targets,) float32.
    """

    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    self_weight: np.ndarray

    @property
    def n_targets(self) -> int:
        """How many rows the layer answers for."""
        return len(self.self_weight)

    def matrix(self, n_sources: int) -> scipy.sparse.csr_matrix:
        """The weighted adjacency with self loops. Shapes: → (targets, sources)."""
        own = np.arange(self.n_targets)
        rows, columns = np.r_[self.target, own], np.r_[self.source, own]
        values = np.r_[self.weight, self.self_weight]
        return scipy.sparse.csr_matrix((values, (rows, columns)), (self.n_targets, n_sources))


class Adjacency:
    """Neighbour lists of a graph with the edge weights of one kind of GNN.

    Degrees are those of this graph, whichever part of it is expanded later.

    Shapes: indptr (nodes + 1,), indices and weight (directed edges,), self_weight (nodes,).
    """

    def __init__(self, edges: np.ndarray, n_nodes: int, kind: str) -> None:
        both = np.concatenate([edges, edges[::-1]], axis=1)
        order = np.argsort(both[1], kind="stable")
        degree = np.bincount(both[1], minlength=n_nodes)
        self.indices = both[0][order].astype(np.int64)
        self.indptr = np.concatenate([[0], np.cumsum(degree)])
        self._target = np.repeat(np.arange(n_nodes), degree)
        self.weight, self.self_weight = _weights(kind, degree, self.indices, self._target)
        self._local = np.empty(n_nodes, dtype=np.int64)  # scratch of ``_number``

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def whole(self) -> Block:
        """All nodes and all edges."""
        return Block(self.indices, self._target, self.weight, self.self_weight)

    def expand(
        self,
        nodes: np.ndarray,
        hops: int,
        fanout: int = 0,
        random: np.random.Generator | None = None,
    ) -> tuple[np.ndarray, list[Block]]:
        """The blocks with which a GNN of ``hops`` layers answers for ``nodes``.

        Args:
            nodes: distinct node ids.
            hops: number of layers.
            fanout: at most this many neighbours of each node, drawn at random with the weights of
                the kept ones scaled up to all; 0 takes every neighbour.
            random: source of the draw; needed with a fanout.

        Returns:
            Ids of the outermost sources (``nodes`` first), and the blocks, outermost first.
        """
        blocks: list[Block] = []
        for _ in range(hops):
            nodes, block = self._hop(nodes, fanout, random)
            blocks.insert(0, block)
        return nodes, blocks

    def _hop(
        self, nodes: np.ndarray, fanout: int, random: np.random.Generator | None
    ) -> tuple[np.ndarray, Block]:
        start = self.indptr.take(nodes)
        degree = self.indptr.take(nodes + 1) - start
        counts = np.minimum(degree, fanout) if fanout else degree
        ends = np.cumsum(counts)
        target = np.repeat(np.arange(len(nodes)), counts)
        edge = np.arange(len(target))
        edge += np.repeat(start + counts - ends, counts)
        if fanout and len(many := np.flatnonzero(degree > fanout)):
            assert random is not None
            positions = (ends[many] - fanout)[:, None] + np.arange(fanout)
            edge[positions] = start[many][:, None] + _draw(degree[many], fanout, random)
        weight = self.weight.take(edge)
        if fanout:
            weight *= np.maximum(degree / fanout, 1).astype(np.float32).take(target)
        sources, local = self._number(nodes, self.indices.take(edge))
        return sources, Block(local, target, weight, self.self_weight.take(nodes))

    def _number(self, nodes: np.ndarray, neighbours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Number ``nodes`` and each new neighbour 0, 1, …: all ids, and the neighbours' numbers."""
        local, place = self._local, np.arange(len(neighbours))
        local[neighbours] = place  # the last of equal ids wins, and is kept below
        local[nodes] = -1
        new = neighbours.take(np.flatnonzero(local.take(neighbours) == place))
        sources = np.concatenate([nodes, new])
        local[sources] = np.arange(len(sources))
        return sources, local.take(neighbours)


def _weights(
    kind: str, degree: np.ndarray, source: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of edges and self loops; ``degree`` counts neighbours, without the node itself.

    gcn: 1/√(d_i·d_j) with d counting the self loop. sage: mean over the closed neighbourhood with
    the node itself counted twice, as the released FF-G2M code does. gat: 1, a factor of exp(score).
    """
    if kind == "gcn":
        root = 1 / np.sqrt(degree + 1.0)
        return (root[source] * root[target]).astype(np.float32), (root**2).astype(np.float32)
    if kind == "sage":
        mean = 1 / (degree + 2.0)
        return mean[target].astype(np.float32), (2 * mean).astype(np.float32)
    return np.ones(len(source), np.float32), np.ones(len(degree), np.float32)


def _draw(degree: np.ndarray, fanout: int, random: np.random.Generator) -> np.ndarray:
    """Draw ``fanout`` different numbers below each degree, in time independent of the degree.

    Floyd's algorithm (Bentley & Floyd 1987), over all targets at once. Shapes: (targets, fanout).
    """
    last = degree - np.arange(fanout, 0, -1)[:, None]
    drawn = (random.random(last.shape) * (last + 1)).astype(np.int64)
    for row in range(1, fanout):
        taken = (drawn[:row] == drawn[row]).any(axis=0)
        np.copyto(drawn[row], last[row], where=taken)
    return drawn.T
