"""Times that go on as a file's do, bands, and the picture."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from zoo.cli.fan_chart import draw
from zoo.cli.outlook import MONTH_S, Outlook, grid_times, texts

NAN = np.nan


def series(values: np.ndarray, start: str = "", step_s: float = 0.0, **more: Any) -> Any:
    names = tuple(f"c{k}" for k in range(values.shape[1]))
    facts = {"name": "plant.csv", "channels": names, "start": start, "step_s": step_s}
    return SimpleNamespace(values=values.astype(np.float32), **{**facts, **more})


def outlook(given: Any, horizon: int = 6, paths: int = 50) -> Outlook:
    rng = np.random.default_rng(0)
    drawn = rng.normal(size=(given.values.shape[1], paths, horizon)).astype(np.float32)
    drawn[np.isnan(given.values).all(0)] = NAN
    return Outlook.of_paths("gpd", given, drawn, 1, "A note.")


TIMES = [
    ("2024-01-31T23:30:00", 1800.0, [1, 2], ["2024-02-01T00:00:00", "2024-02-01T00:30:00"]),
    ("2024-01-01T00:00:00+00:00", 900.0, [1], ["2024-01-01T00:15:00+00:00"]),
    ("2024-02-28T00:00:00", 86400.0, [1, 2], ["2024-02-29", "2024-03-01"]),
    ("2024-01-01T12:00:00", 86400.0, [1], ["2024-01-02T12:00:00"]),
    ("2024-01-01T00:00:00", 0.1, [3], ["2024-01-01T00:00:00.300000"]),
    ("2023-11-01T00:00:00", MONTH_S, [1, 2, 3], ["2023-12-01", "2024-01-01", "2024-02-01"]),
    ("2023-11-15T06:00:00", MONTH_S, [3], ["2024-02-15T06:00:00"]),
    ("2023-12-31T00:00:00", MONTH_S, [1, 2, 3], ["2024-01-31", "2024-02-29", "2024-03-31"]),
    ("2023-03-31T00:00:00", 3 * MONTH_S, [1, 2], ["2023-06-30", "2023-09-30"]),
    ("2020-01-01T00:00:00", 12 * MONTH_S, [1, 5], ["2021-01-01", "2025-01-01"]),
]


@pytest.mark.parametrize(("start", "step_s", "rows", "expected"), TIMES)
def test_times_go_on(start: str, step_s: float, rows: list[int], expected: list[str]) -> None:
    found = grid_times(start, step_s, np.array(rows))
    assert texts(found, start.endswith("+00:00")) == expected


def test_without_times_rows_are_counted() -> None:
    assert outlook(series(np.zeros((30, 1))), horizon=2).stamps == ["30", "31"]


def test_quantiles_of_paths() -> None:
    found = outlook(series(np.zeros((30, 2)), channels=("a", "b")))
    assert found.forecast.quantiles.shape == (2, 6, 9)
    assert found.forecast.quantiles.dtype == np.float32
    np.testing.assert_allclose(found.forecast.quantiles[..., 4], found.forecast.median, atol=1e-6)
    low, high = found.band(0.1, 0.9)
    np.testing.assert_array_equal(low, found.forecast.quantiles[..., 0])
    inner, _ = found.band(0.25, 0.75)
    np.testing.assert_allclose(inner, found.forecast.quantiles[..., 1:3].mean(-1))
    assert ((low < inner) & (inner < high)).all()


def test_a_channel_without_paths_is_unknown() -> None:
    values = np.zeros((30, 2))
    values[:, 1] = NAN
    assert outlook(series(values)).unknown == ["c1"]


DRAWN: dict[str, Any] = {
    "one": series(np.random.default_rng(0).normal(size=(300, 1)), "2024-01-01T00:00:00", 3600.0),
    "gaps": series(np.where(np.arange(40)[:, None] % 2, NAN, 1.0), "2024-01-31T00:00:00", MONTH_S),
    "short": series(np.ones((3, 2))),
    "odd-names": series(np.ones((60, 3)), channels=("a$b$", "_", "功率 " + "x" * 90)),
    "many": series(np.ones((60, 21)), "2024-01-01T00:00:00", 600.0),
    "unknown": series(np.full((60, 5), NAN), "2024-01-01T00:00:00", 600.0),
}


@pytest.mark.parametrize("name", DRAWN)
def test_pictures(tmp_path: Path, name: str) -> None:
    draw(outlook(DRAWN[name]), tmp_path / "picture", "png")
    content = (tmp_path / "picture").read_bytes()
    assert content[:4] == b"\x89PNG" and len(content) > 5000


def test_what_a_picture_says(tmp_path: Path) -> None:
    draw(outlook(DRAWN["many"]), tmp_path / "picture", "svg")
    text = (tmp_path / "picture").read_text()  # letters are drawn; each text is a comment
    for said in (
        "plant.csv: the next 6 steps, forecast by gpd",
        "8 of 21 channels are drawn. A note.",
        "history",
        "median",
        "50 %",
        "80 %",
        "some paths",
        "c7",
    ):
        assert f"<!-- {said} -->" in text
    assert "<!-- c8 -->" not in text
