"""Graphs of the user's own: repairs, and one clear sentence for every fault."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.families.graph_mlp.data import Graph, load_graph
from zoo.families.graph_mlp.npz import npz_bytes
from zoo.families.graph_mlp.toy import make_toy_graph
from zoo.sources import DataError


def members() -> dict[str, Any]:
    """A good graph of the user's own."""
    graph = make_toy_graph(0)
    assert graph.split is not None
    x = graph.x
    return {
        **{"x_data": x.data, "x_indices": x.indices, "x_indptr": x.indptr, "x_shape": x.shape},
        **{"edge_index": graph.edges, "y": graph.y, **graph.split},
    }


def load(folder: Path, **arrays: Any) -> Graph:
    """Write members, without those that are None, and load the file."""
    path = folder / "mine.npz"
    kept: dict[str, Any] = {k: np.asarray(a) for k, a in arrays.items() if a is not None}
    np.savez(path, **kept)
    return load_graph(str(path))


def changed(array: Any, where: Any, value: Any) -> np.ndarray:
    copy = np.array(array)
    copy[where] = value
    return copy


def test_own_graph(tmp_path: Path) -> None:
    graph = load(tmp_path, **members())
    assert graph.digest() == make_toy_graph(0).digest()
    assert (graph.name, graph.labels[3], graph.row_normalise) == ("mine", "class 3", True)


def test_own_labels_and_signs(tmp_path: Path) -> None:
    good = members()
    graph = load(tmp_path, **good, labels=["a", "b", "c", "d"], row_normalise=False)
    assert (graph.labels, graph.row_normalise) == (("a", "b", "c", "d"), False)
    negative = changed(good["x_data"], 0, -1)
    assert not load(tmp_path, **{**good, "x_data": negative}).row_normalise


def test_repairs(tmp_path: Path) -> None:
    good = members()
    edges = good["edge_index"]
    messy = np.concatenate([edges[::-1], edges, [[5], [5]]], axis=1).astype(np.uint16)
    shuffled = {part: good[part][::-1] for part in ("train", "val", "test")}
    assert load(tmp_path, **{**good, "edge_index": messy, **shuffled}).digest() == (
        make_toy_graph(0).digest()
    )


FAULTS: dict[str, tuple[str, Any, str]] = {
    "missing": ("y", lambda a: None, "no member 'y'"),
    "objects": ("y", lambda a: a.astype(object), "'y' cannot be read.*plain array"),
    "fractions": ("y", lambda a: a + 0.5, "'y' has dtype float64: expected integers"),
    "negative": ("y", lambda a: changed(a, 0, -1), "class id -1: expected 0 <="),
    "short": ("y", lambda a: a[:-1], "'y' has 599 values: expected one per node, 600"),
    "one class": ("y", lambda a: a * 0, "holds one class"),
    "untrained": ("y", lambda a: changed(a, slice(9), 4), "class 4 has no node in 'train'"),
    "shape": ("x_shape", lambda a: (600,), "expected \\(nodes, features\\)"),
    "columns": ("x_shape", lambda a: (600, 10), "feature id 199: expected 0 <= id < 10"),
    "rows": ("x_shape", lambda a: (601, 200), "'x_indptr' is broken: expected 602"),
    "falling": ("x_indptr", lambda a: changed(a, 5, 10**6), "'x_indptr' is broken"),
    "ragged": ("x_data", lambda a: a[:-1], "'x_data' has shape"),
    "nan": ("x_data", lambda a: changed(a, 3, np.nan), "no finite float32"),
    "huge": ("x_data", lambda a: changed(a.astype(float), 3, 1e300), "no finite float32"),
    "text": ("x_data", lambda a: a.astype(str), "no finite float32"),
    "ends": ("edge_index", lambda a: changed(a, (0, 0), 600), "node id 600: .* id < 600"),
    "transposed": ("edge_index", lambda a: a.T, "expected \\(2, edges\\); transpose"),
    "flat": ("edge_index", lambda a: a[0], "expected 2 axes"),
    "loops only": ("edge_index", lambda a: a * 0, "no edge between two nodes"),
    "split range": ("val", lambda a: changed(a, 0, 999), "'val' holds node id 999"),
    "overlap": ("val", lambda a: make_toy_graph(0).split["test"][:5], "more than once"),  # type: ignore[index]
    "empty": ("val", lambda a: a[:0], "'val' is empty"),
    "half a split": ("val", lambda a: None, "add the others"),
    "labels": ("labels", lambda a: ["a", "b", "c", "a"], "expected 4 different names"),
    "label lines": ("labels", lambda a: ["a", "b", "c", "d\ne"], "names of one line"),
    "flag": ("row_normalise", lambda a: [1, 2], "expected one true or false"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_of_own_graph(tmp_path: Path, fault: str) -> None:
    member, change, message = FAULTS[fault]
    good = members()
    with pytest.raises(DataError, match=message) as caught:
        load(tmp_path, **{**good, member: change(good.get(member))})
    assert str(tmp_path / "mine.npz") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_graph_too_small_for_a_random_split(tmp_path: Path) -> None:
    unsplit = {k: v for k, v in members().items() if k not in ("train", "val", "test")}
    with pytest.raises(DataError, match=r"expected at least 1580 .*add members train, val, test"):
        load(tmp_path, **unsplit)


def test_files_that_are_no_graph(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    with pytest.raises(DataError, match="is no file"):
        load_graph(str(path))
    whole = npz_bytes(make_toy_graph(0))
    for content in (b"", b"text", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"no .npz archive, or cut short"):
            load_graph(str(path))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_damage_is_named_or_harmless(damage: list[tuple[float, int]]) -> None:
    content = bytearray(npz_bytes(make_toy_graph(0)))
    for place, value in damage:
        content[int(place * (len(content) - 1))] = value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mine.npz"
        path.write_bytes(content)
        message = str(path)
        try:
            load_graph(str(path))
        except DataError as error:
            message = str(error)
    assert str(path) in message
    assert "\n" not in message
