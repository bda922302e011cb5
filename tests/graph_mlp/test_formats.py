"""Published formats: what is read equals what was written, and nothing is executed."""

import io
import pickle
import struct
from collections import defaultdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import scipy.sparse as sp

from zoo.families.graph_mlp.formats import PLANETOID_PARTS, gnn_benchmark, planetoid, unpickle
from zoo.families.graph_mlp.graph import Graph
from zoo.families.graph_mlp.npz import npz_bytes, read_npz
from zoo.families.graph_mlp.toy import make_toy_graph
from zoo.families.graph_mlp.validation import to_graph
from zoo.sources import DataError


class Python2Pickler(pickle._Pickler):  # type: ignore[misc,name-defined]
    """Pickles bytes as Python 2 pickled its strings."""

    def save_str(self: Any, data: bytes) -> None:
        self.write(b"T" + struct.pack("<i", len(data)) + data)

    dispatch: ClassVar[Any] = {**pickle._Pickler.dispatch, bytes: save_str}  # type: ignore[attr-defined]


def python2_pickle(value: Any) -> bytes:
    """Pickle as Python 2, numpy 1 and an old scipy did."""
    stream = io.BytesIO()
    Python2Pickler(stream, 2).dump(value)
    data = stream.getvalue().replace(b"numpy._core.multiarray\n", b"numpy.core.multiarray\n")
    return data.replace(b"scipy.sparse._csr\n", b"scipy.sparse.csr\n")


def write_planetoid(graph: Graph, folder: Path, known: int) -> list[Path]:
    """Write a graph whose first ``known`` nodes are 'all' and the others, shuffled, 'test'."""
    order = np.random.default_rng(0).permutation(np.arange(known, graph.y.size))
    onehot = np.eye(len(graph.labels), dtype=np.int32)[graph.y]
    around: dict[int, list[int]] = defaultdict(list)
    for u, v in graph.edges.T.tolist():
        around[u] += [v, u]  # with a self loop, as some of the published files have
        around[v] += [u, u]  # and with an edge given twice
    values = (onehot[:20], graph.x[order], onehot[order], graph.x[:known], onehot[:known], around)
    paths = [folder / f"ind.toy.{part}" for part in PLANETOID_PARTS]
    for path, value in zip(paths, values, strict=False):
        path.write_bytes(python2_pickle(value))
    paths[-1].write_text("\n".join(map(str, order)))
    return paths


def test_planetoid_round_trip(tmp_path: Path) -> None:
    graph = make_toy_graph(0)
    read = planetoid(write_planetoid(graph, tmp_path, known=550))
    again = to_graph("toy", {**read, "val": np.arange(20, 60)}, "toy", graph.labels, True)
    assert (again.x != graph.x).nnz == 0
    np.testing.assert_array_equal(again.edges, graph.edges)
    np.testing.assert_array_equal(again.y, graph.y)
    assert again.split is not None
    np.testing.assert_array_equal(again.split["train"], np.arange(20))
    np.testing.assert_array_equal(again.split["test"], np.arange(550, 600))


def test_planetoid_gaps_become_empty_nodes(tmp_path: Path) -> None:
    paths = write_planetoid(make_toy_graph(0), tmp_path, known=550)
    ids = np.loadtxt(paths[-1], dtype=int)
    paths[-1].write_text("\n".join(map(str, np.where(ids == 599, 605, ids))))
    read = planetoid(paths)
    assert read["x_shape"].tolist() == [606, 200]
    assert (np.diff(read["x_indptr"])[599:605] == 0).all()
    assert read["y"][599:605].tolist() == [0] * 6
    assert not set(range(599, 605)) & set(read["test"].tolist())


def test_planetoid_file_of_another_kind(tmp_path: Path) -> None:
    paths = write_planetoid(make_toy_graph(0), tmp_path, known=550)
    with pytest.raises(DataError, match="no Planetoid graph"):
        planetoid([paths[1], paths[0], *paths[2:]])


class Malicious:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.target,))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_malicious_pickle_is_refused(tmp_path: Path, protocol: int) -> None:
    target, path = tmp_path / "touched", tmp_path / "ind.toy.graph"
    path.write_bytes(pickle.dumps(Malicious(target), protocol))
    with pytest.raises(DataError, match="it asks for") as caught:
        unpickle(path)
    assert str(path) in str(caught.value)
    assert not target.exists()


@pytest.mark.parametrize("name", [b"os\nsystem", b"builtins\neval", b"numpy\nload", b"io\nopen"])
def test_other_names_are_refused(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"c" + name + b"\n(S'true'\ntR.")
    with pytest.raises(DataError, match="it asks for"):
        unpickle(path)


@pytest.mark.parametrize("cut", [0, 1, 10, 100])
def test_damaged_pickle(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "x"
    path.write_bytes(python2_pickle(make_toy_graph(0).x)[:cut])
    with pytest.raises(DataError, match="no pickle of plain arrays"):
        unpickle(path)


def test_gnn_benchmark_round_trip(tmp_path: Path) -> None:
    graph = make_toy_graph(0)
    n = graph.y.size
    u, v = np.concatenate([graph.edges, graph.edges[::-1, :99], np.full((2, 1), 7)], axis=1)
    adj = sp.csr_matrix((np.ones(u.size, np.float32), (u, v)), shape=(n, n))
    arrays = {
        f"{name}_{part}": getattr(matrix, part)
        for name, matrix in (("adj", adj), ("attr", graph.x))
        for part in ("data", "indices", "indptr", "shape")
    }
    path = tmp_path / "toy.npz"
    np.savez(path, labels=graph.y, class_names=np.array([None]), **arrays)
    members = {**gnn_benchmark([path]), **(graph.split or {})}
    assert to_graph("toy", members, "toy").digest() == graph.digest()


def test_gnn_benchmark_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "toy.npz"
    path.write_bytes(npz_bytes(make_toy_graph(0)))
    with pytest.raises(DataError, match="no member 'adj_data'"):
        gnn_benchmark([path])


def test_npz_round_trip(tmp_path: Path) -> None:
    graph = make_toy_graph(0)
    path = tmp_path / "toy.npz"
    path.write_bytes(npz_bytes(graph))
    again = to_graph("toy", read_npz(path), "toy")
    assert again.digest() == graph.digest()
    assert (again.labels, again.row_normalise) == (graph.labels, graph.row_normalise)
