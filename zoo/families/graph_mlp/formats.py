"""Published graph formats → arrays in the layout of ``npz.py``.

    planetoid       ind.<name>.{y,tx,ty,allx,ally,graph,test.index}, Python 2 pickles
    gnn_benchmark   one npz: adj_* and attr_* as CSR, labels

Pickles can run code: these are read by an unpickler that knows six harmless names and no other.
"""

from __future__ import annotations

import pickle
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from zoo.families.graph_mlp.npz import read_arrays
from zoo.sources import DataError

PLANETOID_PARTS = ("y", "tx", "ty", "allx", "ally", "graph", "test.index")
PLANETOID_VAL = 500


class _Csr:
    """Receives the state of a pickled scipy matrix: ``data, indices, indptr, _shape``."""


ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("scipy.sparse.csr", "csr_matrix"): _Csr,
    ("collections", "defaultdict"): defaultdict,
    ("__builtin__", "list"): list,
}


class _Unpickler(pickle.Unpickler):
    """Reads pickles that ask for nothing but ``ALLOWED``."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return ALLOWED[module, name]


def planetoid(paths: Sequence[Path]) -> dict[str, np.ndarray]:
    """Read a Planetoid graph and its public split.

    Test nodes come in the order of ``test.index``; ids missing there (CiteSeer) become nodes
    without features, edges or split, of class 0.

    Args:
        paths: the files, in the order of ``PLANETOID_PARTS``.

    Raises:
        DataError: a file that is not what its name says.
    """
    y, tx, ty, allx, ally, graph = (unpickle(path) for path in paths[:-1])
    try:
        test = np.array(paths[-1].read_text().split(), np.int64)
        rows = np.concatenate([np.arange(len(ally)), test])
        classes = np.zeros(rows.max() + 1, np.int64)
        classes[rows] = np.concatenate([ally, ty]).argmax(1)
        edges = np.array([(u, v) for u, around in graph.items() for v in around], np.int64)
        return {
            **_placed(sp.vstack([_matrix(allx), _matrix(tx)]), rows),
            "edge_index": edges.T,
            "y": classes,
            "train": np.arange(len(y)),
            "val": np.arange(len(y), len(y) + PLANETOID_VAL),
            "test": test,
        }
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise DataError(f"{paths[0].parent} holds no Planetoid graph ({error})") from None


def gnn_benchmark(paths: Sequence[Path]) -> dict[str, np.ndarray]:
    """Read a graph of the gnn-benchmark collection; it has no split.

    Args:
        paths: the one npz file.

    Raises:
        DataError: a file that is not what its name says.
    """
    parts = ("data", "indices", "indptr", "shape")
    members = [f"{matrix}_{part}" for matrix in ("adj", "attr") for part in parts]
    arrays = read_arrays(paths[0], (*members, "labels"))
    try:
        data, indices, indptr, shape = (arrays[f"adj_{part}"] for part in parts)
        links = sp.csr_matrix((data, indices, indptr), shape=tuple(shape)).tocoo()
    except (TypeError, ValueError) as error:
        raise DataError(f"{paths[0]}: the 'adj' matrix is broken ({error})") from None
    return {
        **{f"x_{part}": arrays[f"attr_{part}"] for part in parts},
        "edge_index": np.stack([links.row, links.col]),
        "y": arrays["labels"],
    }


def unpickle(path: Path) -> Any:
    """Read a pickle of arrays, CSR matrices, dictionaries and lists.

    Raises:
        DataError: it is damaged, or asks for anything else.
    """
    try:
        with path.open("rb") as stream:
            return _Unpickler(stream, encoding="latin1").load()
    except Exception as error:  # damaged pickles raise anything
        raise DataError(f"{path} is no pickle of plain arrays ({error})") from None


def _matrix(raw: Any) -> sp.csr_matrix:
    """The matrix whose pickled state ``raw`` received."""
    return sp.csr_matrix((raw.data, raw.indices, raw.indptr), shape=raw._shape)


def _placed(matrix: Any, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Feature members, with row k of ``matrix`` at ``rows[k]`` and empty rows between."""
    coo = matrix.tocoo()
    shape = (int(rows.max()) + 1, coo.shape[1])
    x = sp.csr_matrix((coo.data, (rows[coo.row], coo.col)), shape=shape)
    parts = {"data": x.data, "indices": x.indices, "indptr": x.indptr, "shape": np.array(shape)}
    return {f"x_{part}": array for part, array in parts.items()}
