"""Graphs by name: the known ones, the made ones, and any ``.npz`` file of the user's own."""

from __future__ import annotations

from pathlib import Path

from zoo.contract import near
from zoo.families.graph_mlp.catalogue import GRAPHS, KnownGraph
from zoo.families.graph_mlp.graph import Graph, random_split, split_of
from zoo.families.graph_mlp.npz import npz_bytes, read_npz
from zoo.families.graph_mlp.powerlaw import make_power_law_graph
from zoo.families.graph_mlp.toy import make_toy_graph
from zoo.families.graph_mlp.validation import Members, to_graph
from zoo.sources import DataError, DatasetFile, disk_paths, fetch_all, forget, keep, report

__all__ = ["GRAPHS", "POWER_LAW", "TOY", "Graph", "load_graph", "random_split", "split_of"]

TOY = "toy"
POWER_LAW = "power-law"


def load_graph(dataset: str) -> Graph:
    """Load a graph.

    A known graph is read from ``graph/<name>.npz`` in the folder LEANZOO_DATA or in the cache,
    else from its published files, and is checked against its known digest in each case.

    Args:
        dataset: a name in ``GRAPHS``, ``toy``, ``power-law``, or the path of an ``.npz`` file
            (see ``npz.py``).

    Raises:
        DataError: an unknown name, a file at fault, or no source that can be reached.
    """
    if dataset == TOY:
        return make_toy_graph(seed=0)
    if dataset == POWER_LAW:
        return make_power_law_graph(seed=0)
    if dataset in GRAPHS:
        return _load_known(dataset, GRAPHS[dataset])
    if not dataset.endswith(".npz"):
        raise DataError(
            f"unknown graph '{dataset}': {near(dataset, [*GRAPHS, TOY, POWER_LAW])} "
            "A graph of your own is a path ending in .npz"
        )
    path = Path(dataset).expanduser()
    return to_graph(path.stem, read_npz(path), origin=str(path))


def _load_known(name: str, known: KnownGraph) -> Graph:
    """A known graph from its npz on disk, else from its published files."""
    npz = DatasetFile(f"graph/{name}.npz", sha256=None)
    for path in filter(Path.is_file, disk_paths(npz)):
        try:
            return _checked(name, known, read_npz(path), str(path))
        except DataError as error:
            report(f"{error}; trying the next source")
    try:
        paths = fetch_all(known.files)
    except DataError as error:
        raise DataError(f"{error}; or put {npz.name} into the folder LEANZOO_DATA") from None
    try:
        graph = _checked(name, known, known.parse(paths), str(paths[0].parent))
    except DataError as error:
        forget(known.files)
        raise DataError(f"{error}; copies in the cache were removed: try again") from None
    keep(npz, npz_bytes(graph))
    return graph


def _checked(name: str, known: KnownGraph, members: Members, origin: str) -> Graph:
    """A graph with the names and settings of the catalogue.

    Raises:
        DataError: its digest is not the known one.
    """
    graph = to_graph(name, members, origin, known.labels, known.row_normalise)
    if graph.digest() != known.digest:
        raise DataError(
            f"{origin}: not the published '{name}' (digest {graph.digest()[:12]}…, expected "
            f"{known.digest[:12]}…)"
        )
    return graph


def describe(graph: Graph) -> dict[str, object]:
    """What a graph is, in a row of a table."""
    return {
        "dataset": graph.name,
        "nodes": len(graph.y),
        "edges": graph.edges.shape[1],
        "features": graph.x.shape[1],
        "classes": len(graph.labels),
        "split": "published" if graph.split else "drawn per seed",
        "digest": graph.digest()[:12],
        "licence": licence_of(graph),
    }


def licence_of(graph: Graph) -> str:
    """The licence of a graph's data."""
    known = GRAPHS.get(graph.name)
    if graph.name in (TOY, POWER_LAW):
        return "generated here, free of any"
    return known.licence if known else "the user's own"
