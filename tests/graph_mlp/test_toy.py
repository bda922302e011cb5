"""The toy graph: the same for the same seed, and harder without its edges."""

import numpy as np
import scipy.sparse as sp

from zoo.families.graph_mlp.data import TOY, load_graph
from zoo.families.graph_mlp.toy import make_toy_graph


def test_seed_decides() -> None:
    assert make_toy_graph(1).digest() == make_toy_graph(1).digest()
    assert make_toy_graph(1).digest() != make_toy_graph(2).digest()
    assert load_graph(TOY).digest() == make_toy_graph(0).digest()


def test_shapes_and_split() -> None:
    graph = make_toy_graph(0)
    assert graph.x.shape == (600, 200)
    assert graph.x.dtype == np.float32
    assert graph.split is not None
    assert [graph.split[part].size for part in ("train", "val", "test")] == [80, 100, 200]
    assert np.bincount(graph.y[graph.split["train"]]).tolist() == [20] * 4


def test_edges_tell_more_than_features() -> None:
    """Nearest class mean, on the features as they are and averaged over two hops."""
    graph = make_toy_graph(0)
    assert graph.split is not None
    u, v = graph.edges
    n = graph.y.size
    near = sp.csr_matrix((np.ones(u.size), (u, v)), shape=(n, n))
    near = near + near.T + sp.identity(n)

    def accuracy(x: np.ndarray) -> float:
        train, test = graph.split["train"], graph.split["test"]  # type: ignore[index]
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        means = np.stack([x[train][graph.y[train] == k].mean(0) for k in range(4)])
        return float(((x[test] @ means.T).argmax(1) == graph.y[test]).mean())

    x = graph.x.toarray()
    assert accuracy(near @ (near @ x)) > accuracy(x) + 0.2
