"""One graph per ``.npz`` file: the layout of the cache and of a graph of the user's own.

    x_data, x_indices, x_indptr, x_shape   features as CSR, (nodes, features)
    edge_index                             (2, edges) node ids
    y                                      (nodes,) class ids from 0
    train, val, test                       optional: node ids of the split
    labels                                 optional: (classes,) class names, text
    row_normalise                          optional: whether models divide rows by their sum;
                                           by default where no feature is negative

Members are plain arrays of numbers or text; nothing is ever unpickled.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.families.graph_mlp.graph import SPLIT, Graph
from zoo.sources import DataError

REQUIRED = ("x_data", "x_indices", "x_indptr", "x_shape", "edge_index", "y")
OPTIONAL = (*SPLIT, "labels", "row_normalise")


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Read the members of a graph file; see ``read_arrays``."""
    return read_arrays(path, REQUIRED, OPTIONAL)


def read_arrays(
    path: Path, required: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """Read named members of an npz file; others are left alone.

    Raises:
        DataError: no such file, not a whole npz archive, or a member missing or unreadable.
    """
    if not path.is_file():
        raise DataError(f"{path} is no file: expected a graph as .npz; check the path")
    try:
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            present = {file.removesuffix(".npy") for file in archive.namelist()}
            for member in required:
                if member not in present:
                    raise DataError(
                        f"{path} has no member '{member}': expected {', '.join(required)}; add it"
                    )
            names = [name for name in (*required, *optional) if name in present]
            return {name: _read_member(archive, name, path) for name in names}
    except DataError:
        raise
    except Exception as error:  # damaged archives raise anything
        raise DataError(
            f"{path} is no .npz archive, or cut short ({error}); save it with numpy.savez"
        ) from None


def npz_bytes(graph: Graph) -> bytes:
    """A graph as the content of a file that ``read_npz`` reads."""
    members: dict[str, Any] = {
        "x_data": graph.x.data,
        "x_indices": graph.x.indices,
        "x_indptr": graph.x.indptr,
        "x_shape": np.array(graph.x.shape),
        "edge_index": graph.edges.astype(np.int32),
        "y": graph.y,
        "labels": np.array(graph.labels),
        "row_normalise": np.array(graph.row_normalise),
        **(graph.split or {}),
    }
    stream = io.BytesIO()
    np.savez_compressed(stream, **members)
    return stream.getvalue()


def _read_member(archive: zipfile.ZipFile, name: str, path: Path) -> np.ndarray:
    """One array of an open archive; its checksum is checked."""
    try:
        content = io.BytesIO(archive.read(f"{name}.npy"))
        return np.asarray(np.lib.format.read_array(content, allow_pickle=False))
    except Exception as error:  # damaged members raise anything
        raise DataError(
            f"{path}: member '{name}' cannot be read ({error}); save it again as a plain array"
        ) from None
