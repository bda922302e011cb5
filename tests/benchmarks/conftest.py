"""A toy teacher and its student, trained for an epoch, as ``leanzoo train`` leaves them."""

from pathlib import Path

import pytest
from rich.progress import Progress

from benchmarks.subjects import Pair, open_pair
from zoo.distill import Workshop, train
from zoo.recipes import Recipe

SIZE = {"layers": 2, "hidden": 16, "dropout": 0.5}
TEACHER = Recipe("gcn-toy", "gcn", "toy", epochs=3, config=SIZE)
STUDENT = Recipe(
    "mlp-toy", "mlp", "toy", epochs=3, config=SIZE, distill={"method": "ffg2m"}, teacher=TEACHER
)


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    with Progress(disable=True) as bars:
        train(STUDENT, [2022], ["ffg2m"], False, Workshop(folder, "cpu", bars))
    return folder


@pytest.fixture(scope="session")
def pair(runs: Path) -> Pair:
    return open_pair("mlp-toy", runs, threads=1)
