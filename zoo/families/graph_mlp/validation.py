"""Arrays of the npz layout → Graph: every check a graph of the user's own has to pass.

Repaired: self loops, repeated edges and edges given in both directions (each undirected edge is
kept once), repeated feature entries (summed), explicit zeros. Everything else is refused.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scipy.sparse as sp

from zoo.families.graph_mlp.graph import SPLIT, Graph, random_split
from zoo.sources import DataError

Members = Mapping[str, np.ndarray]


def to_graph(
    name: str,
    members: Members,
    origin: str,
    labels: tuple[str, ...] | None = None,
    row_normalise: bool | None = None,
) -> Graph:
    """Check arrays in the npz layout and make a graph of them.

    Args:
        name: the graph's name.
        members: arrays by member name.
        origin: the file to name in errors.
        labels: class names; by default those in ``members``.
        row_normalise: whether models divide rows by their sum; by default as in ``members``.

    Raises:
        DataError: naming the file, the member at fault and the remedy.
    """
    try:
        x = _features(members)
        y = _classes(members, x.shape[0])
        names = labels or _labels(members, int(y.max()) + 1)
        split = _split(members, y, len(names))
        if split is None:
            random_split(y, seed=0)
        normalise = _row_normalise(members, x) if row_normalise is None else row_normalise
        return Graph(name, x, _edges(members, x.shape[0]), y, names, split, normalise)
    except DataError as error:
        raise DataError(f"{origin}: {error}") from None


def canonical_edges(edge_index: np.ndarray, nodes: int) -> np.ndarray:
    """Each undirected edge once, u < v, sorted; self loops dropped.

    Shapes: edge_index (2, any) node ids → (2, edges) int64.
    """
    low, high = edge_index.astype(np.int64).min(0), edge_index.astype(np.int64).max(0)
    keys = np.unique(low[low < high] * nodes + high[low < high])
    return np.stack([keys // nodes, keys % nodes])


def _integers(members: Members, member: str, ndim: int = 1) -> np.ndarray:
    """An integer member with ``ndim`` axes, as int64."""
    array = members[member]
    if array.dtype.kind not in "iu":
        raise DataError(f"member '{member}' has dtype {array.dtype}: expected integers; convert it")
    if array.ndim != ndim:
        raise DataError(f"member '{member}' has shape {array.shape}: expected {ndim} axes; fix it")
    return array.astype(np.int64)


def _ids(members: Members, member: str, high: int, what: str, ndim: int = 1) -> np.ndarray:
    """An integer member whose values are ids below ``high``."""
    ids = _integers(members, member, ndim)
    if ids.size and (ids.min() < 0 or ids.max() >= high):
        bad = ids.min() if ids.min() < 0 else ids.max()
        raise DataError(
            f"member '{member}' holds {what} id {bad}: expected 0 <= id < {high}; count from 0"
        )
    return ids


def _features(members: Members) -> sp.csr_matrix:
    """The feature matrix in canonical CSR form."""
    shape = _integers(members, "x_shape")
    if shape.size != 2 or shape.min() < 1:
        raise DataError(f"member 'x_shape' is {shape}: expected (nodes, features), both above 0")
    indices = _ids(members, "x_indices", int(shape[1]), "feature")
    indptr = _integers(members, "x_indptr")
    data = members["x_data"]
    if data.shape != indices.shape:
        raise DataError(
            f"member 'x_data' has shape {data.shape}: expected {indices.shape} as 'x_indices'; "
            "save both from one CSR matrix"
        )
    expected = indptr.size == shape[0] + 1 and indptr[0] == 0 and indptr[-1] == indices.size
    if not expected or (np.diff(indptr) < 0).any():
        raise DataError(
            f"member 'x_indptr' is broken: expected {shape[0] + 1} values that rise from 0 to "
            f"{indices.size}; save indptr of scipy's csr_matrix"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        values = data.astype(np.float32) if data.dtype.kind in "biuf" else np.array([np.nan])
    if not np.isfinite(values).all():
        raise DataError("member 'x_data' holds values that are no finite float32; clean them")
    x = sp.csr_matrix((values, indices, indptr), shape=tuple(shape.tolist()))
    x.sum_duplicates()
    x.eliminate_zeros()
    return x


def _edges(members: Members, nodes: int) -> np.ndarray:
    """The edges in canonical form; at least one."""
    raw = _ids(members, "edge_index", nodes, "node", ndim=2)
    if raw.shape[0] != 2:
        raise DataError(
            f"member 'edge_index' has shape {raw.shape}: expected (2, edges); transpose"
        )
    edges = canonical_edges(raw, nodes)
    if edges.shape[1] == 0:
        raise DataError("member 'edge_index' holds no edge between two nodes; add edges")
    return edges


def _classes(members: Members, nodes: int) -> np.ndarray:
    """The class of every node."""
    y = _ids(members, "y", nodes, "class")
    if y.size != nodes:
        raise DataError(f"member 'y' has {y.size} values: expected one per node, {nodes}; fix it")
    if y.max() == 0:
        raise DataError("member 'y' holds one class: expected at least 2; add labelled nodes")
    return y


def _labels(members: Members, classes: int) -> tuple[str, ...]:
    """Class names: the file's own, else ``class 0`` and so on."""
    if "labels" not in members:
        return tuple(f"class {k}" for k in range(classes))
    names = members["labels"]
    text = names.dtype.kind == "U" and names.shape == (classes,)
    if not text or len({n for n in names if len(n.splitlines()) == 1}) < classes:
        raise DataError(
            f"member 'labels' has dtype {names.dtype}, shape {names.shape}: expected {classes} "
            "different names of one line, as text; fix or remove it"
        )
    return tuple(names.tolist())


def _row_normalise(members: Members, x: sp.csr_matrix) -> bool:
    """Whether rows are divided by their sum: as the file says, else where it is safe."""
    safe = bool((x.data >= 0).all())
    if "row_normalise" not in members:
        return safe
    flag = members["row_normalise"]
    if flag.shape != () or flag.dtype.kind not in "biu":
        raise DataError(f"member 'row_normalise' is {flag}: expected one true or false; fix it")
    if flag and not safe:
        raise DataError("member 'row_normalise' is true but features are negative; set it to false")
    return bool(flag)


def _split(members: Members, y: np.ndarray, classes: int) -> dict[str, np.ndarray] | None:
    """The split of the file, sorted; None where it has none."""
    given = [part for part in SPLIT if part in members]
    if not given:
        return None
    if len(given) < len(SPLIT):
        raise DataError(f"only {given} of train, val, test are there; add the others or remove it")
    split = {part: np.sort(_ids(members, part, y.size, "node")) for part in SPLIT}
    for part, ids in split.items():
        if ids.size == 0:
            raise DataError(f"member '{part}' is empty; add node ids or remove the split")
    together = np.concatenate(list(split.values()))
    ids, counts = np.unique(together, return_counts=True)
    if (counts > 1).any():
        raise DataError(
            f"node {ids[counts > 1][0]} is more than once in train, val, test; keep it in one"
        )
    absent = np.setdiff1d(np.arange(classes), y[split["train"]])
    if absent.size:
        raise DataError(f"class {absent[0]} has no node in 'train'; add one or drop the class")
    return split
