"""How a graph is used: with all of its nodes seen in training, or with some hidden.

Transductive: every node's features and edges are seen in training. Inductive: a fifth of the test
nodes is hidden with all its edges; models are trained on the rest and tested on the hidden nodes.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import scipy.sparse
import torch

from zoo.families.graph_mlp.data import Graph, licence_of, load_graph, split_of
from zoo.families.graph_mlp.neighbours import Adjacency
from zoo.recipes import Recipe, from_table
from zoo.sources import check_own

HIDDEN_FRACTION = 0.2  # of the test nodes, in the inductive setting; as in the released code


@dataclass(frozen=True)
class DataConfig:
    """How a graph is used.

    Attributes:
        setting: ``transductive`` or ``inductive``.
    """

    setting: str = "transductive"

    def __post_init__(self) -> None:
        if self.setting not in ("transductive", "inductive"):
            raise ValueError(f"setting is '{self.setting}': expected transductive or inductive")


class GraphData:
    """A graph in one setting.

    Attributes:
        seen: the graph that training sees.
        split: train, val and test ids in ``seen``.
        full: the whole graph.
        hidden: ids in ``full`` of the nodes that training does not see.
        sizes: config fields that come from the data.
        attachments: class names, one per line.
        complete: training saw every node.
        taught: None: a teacher speaks of all nodes.
        licence: of the data.
    """

    taught = None

    def __init__(self, full: Graph, setting: str, seed: int) -> None:
        self.full, self.licence = full, licence_of(full)
        self.attachments = {"labels.txt": "".join(f"{label}\n" for label in full.labels).encode()}
        split = split_of(full, seed)
        self.hidden = np.array([], dtype=np.int64)
        self.seen, self.split = full, split
        if setting == "inductive":
            random = np.random.default_rng(seed)
            n_hidden = max(1, int(len(split["test"]) * HIDDEN_FRACTION))
            self.hidden = np.sort(random.choice(split["test"], n_hidden, replace=False))
            self.seen, self.split = without(full, split, self.hidden)
        self.complete = self.seen is full
        widest = int(np.diff(full.x.indptr).max(initial=1))
        self.sizes = {
            "features": full.x.shape[1],
            "classes": len(full.labels),
            "max_nnz": -(-widest // 8) * 8,
            "row_normalise": full.row_normalise,
        }

    @property
    def n_rows(self) -> int:
        """Nodes of the full graph."""
        return len(self.full.y)

    @functools.cached_property
    def dense(self) -> np.ndarray:
        """Raw features of all nodes. Shapes: (nodes, features)."""
        return self.full.x.toarray()

    @functools.cached_property
    def padded(self) -> tuple[np.ndarray, np.ndarray]:
        """Ids and raw values of all nodes' non-zero features. Shapes: 2 × (nodes, max_nnz)."""
        x, counts = self.full.x, np.diff(self.full.x.indptr)
        ids = np.full((x.shape[0], self.sizes["max_nnz"]), x.shape[1], dtype=np.int64)
        values = np.zeros(ids.shape, dtype=np.float32)
        filled = np.arange(ids.shape[1]) < counts[:, None]
        ids[filled], values[filled] = x.indices, x.data
        return ids, values

    @functools.lru_cache(maxsize=4)  # noqa: B019  lives as long as the data
    def adjacency(self, kind: str) -> Adjacency:
        """Neighbour lists of the full graph with the weights of one kind of GNN."""
        return Adjacency(self.full.edges, len(self.full.y), kind)

    def y(self, part: str, device: str) -> torch.Tensor:
        """Labels of one part of the split. Shapes: (nodes of the part,)."""
        return torch.from_numpy(self.seen.y[self.split[part]]).to(device)


def read(recipe: Recipe) -> GraphData:
    """The recipe's graph in the recipe's setting.

    Raises:
        DataError: the graph cannot be had, or the user's own file changed.
    """
    config = from_table(DataConfig, recipe.data, f"{recipe.name}.data")
    if recipe.dataset_sha256:
        check_own(recipe.dataset, recipe.dataset_sha256)
    seed = recipe.seed if recipe.split_seed is None else recipe.split_seed
    return GraphData(load_graph(recipe.dataset), config.setting, seed)


def without(
    graph: Graph, split: dict[str, np.ndarray], hidden: np.ndarray
) -> tuple[Graph, dict[str, np.ndarray]]:
    """The graph and split induced by all nodes but ``hidden``."""
    kept = np.setdiff1d(np.arange(len(graph.y)), hidden)
    number = np.full(len(graph.y), -1)
    number[kept] = np.arange(len(kept))
    edges = number[graph.edges]
    edges = edges[:, (edges >= 0).all(axis=0)]
    parts = {k: number[np.setdiff1d(ids, hidden)] for k, ids in split.items()}
    seen = Graph(
        graph.name, graph.x[kept], edges, graph.y[kept], graph.labels, None, graph.row_normalise
    )
    return seen, parts


def normalised(graph: Graph) -> scipy.sparse.csr_matrix:
    """Features as the models are trained on; a zero row stays zero. Shapes: (nodes, features)."""
    if not graph.row_normalise:
        return graph.x
    total = np.asarray(graph.x.sum(axis=1)).ravel()
    scale = np.divide(1, total, out=np.zeros_like(total), where=total != 0)
    return scipy.sparse.csr_matrix(scipy.sparse.diags(scale) @ graph.x, dtype=np.float32)
