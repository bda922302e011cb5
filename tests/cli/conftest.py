"""``leanzoo`` in this process, as its tests call it, and the click models they ask about."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.csv
import pytest
from rich.progress import Progress

from tests.conftest import Trained
from zoo import distill
from zoo.cli import app
from zoo.cli.convert import export_recipe
from zoo.cli.publish import publish_recipe
from zoo.registry import get_recipe

RECIPE = "finalmlp-clicks"
QUICK = ("--epochs", "1", "--no-also")
SCHEMA = """
label = "click"
[fields]
user = {}
country = {}
item = { role = "item" }
category = { role = "item" }
price = { kind = "numeric", role = "item" }
"""


MODEL = "mlp-toy"


class Outcome(NamedTuple):
    """What a call of ``leanzoo`` printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one object on standard output."""
        (line,) = self.out.splitlines()
        return json.loads(line)


class Leanzoo:
    """``leanzoo`` in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *arguments: object) -> Outcome:
        self.monkeypatch.setattr(sys, "argv", ["leanzoo", *map(str, arguments)])
        self.capsys.readouterr()
        try:
            app.main()
            code: Any = 0
        except SystemExit as stop:
            code = stop.code or 0
        return Outcome(code, *self.capsys.readouterr())


@pytest.fixture
def leanzoo(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Leanzoo:
    return Leanzoo(monkeypatch, capsys)


def assert_one_line(outcome: Outcome, message: str) -> None:
    (line,) = outcome.err.splitlines()
    assert line.startswith("leanzoo: ")
    assert message in line


@dataclass(frozen=True)
class Published:
    """The toy's student: where it was trained and published, and what training returned."""

    runs: Path
    repository: Path
    result: dict[str, Any]


@pytest.fixture(scope="session")
def clicks(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """Trained for two epochs, exported and published. Read only."""
    root = tmp_path_factory.mktemp("clicks")
    recipe = get_recipe(RECIPE).using(epochs=2)
    distill.prepare(threads=1, device="cpu")
    shop = distill.Workshop(root / "runs", "cpu", Progress(disable=True))
    result = distill.train(recipe, [recipe.seed], ["kd", "vanilla"], True, shop)
    export_recipe(RECIPE, root / "runs")
    publish_recipe(RECIPE, root / "runs", root / "models")
    return Published(root / "runs", root / "models", result)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log of the user's own, as CSV."""
    rng = np.random.default_rng(0)
    rows = 600
    user, item = rng.integers(0, 20, rows), rng.integers(0, 30, rows)
    table = pyarrow.table(
        {
            "click": (rng.random(rows) < 0.3 + 0.4 * (item % 2)).astype(int),
            "user": np.char.add("u", user.astype(str)),
            "country": np.array(["de", "fr"])[user % 2],
            "item": item,
            "category": np.array(["a", "b", "c"])[item % 3],
            "price": np.round(rng.random(rows), 2),
        }
    )
    path = tmp_path / "My Log.csv"
    pyarrow.csv.write_csv(table, path)
    return path


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    """What the columns of ``log`` mean."""
    path = tmp_path / "schema.toml"
    path.write_text(SCHEMA)
    return path


@pytest.fixture(scope="module")
def exported(toy: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private copy of the toy's runs, for all of a file's exports."""
    return Path(shutil.copytree(toy.runs, tmp_path_factory.mktemp("variants") / "runs"))
