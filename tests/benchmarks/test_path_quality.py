"""Quality of paths against plain formulae, and the checkpoints that they are drawn by."""

from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks import path_quality, samplers, zero_shot
from benchmarks.path_quality import LEVELS, Asked, of_paths, seasonal_naive


def asked(history: np.ndarray, future: np.ndarray) -> Asked:
    center, scale = np.array([[10.0], [0.0]]), np.array([[2.0], [1.0]])
    return Asked(history.astype(np.float32), future.astype(np.float32), center, scale)


def test_windows_of_a_part() -> None:
    windows = SimpleNamespace(
        history=lambda ids: ids[:, None, None] + np.zeros((1, 2, 4)),
        future=lambda ids: ids[:, None, None] + np.ones((1, 2, 3)),
        __len__=lambda self: 11,
    )
    part = type("Part", (), {"__len__": lambda self: 11, **vars(windows)})
    part.history, part.future = staticmethod(windows.history), staticmethod(windows.future)
    table = SimpleNamespace(center=np.zeros(2), scale=np.ones(2))
    found = Asked.of(SimpleNamespace(parts={"val": part()}, table=table), "val", 3)
    assert found.history[:, 0, 0].tolist() == [0, 5, 10]


def test_score() -> None:
    one = asked(np.zeros((1, 2, 4)), np.array([[[12.0], [1.0]]]))
    quantiles = np.broadcast_to(np.arange(-4, 5).reshape(9, 1, 1, 1), (9, 1, 2, 1))
    found = one.score(np.array([[[14.0], [0.0]]]), quantiles.astype(float))
    assert found["mse"] == pytest.approx((1 + 1) / 2)
    assert found["coverage80"] == 0.5
    errors = [(1.0 - (np.arange(-4, 5) - 10) / 2), 1.0 - np.arange(-4, 5)]
    losses = [2 * np.mean(np.maximum(LEVELS * e, (LEVELS - 1) * e)) for e in errors]
    assert found["crps"] == pytest.approx(np.mean(losses))


def test_paths() -> None:
    one = asked(np.zeros((3, 2, 4)), np.full((3, 2, 5), 4.5))

    def forecast(model: object, rows: np.ndarray, horizon: int, paths: int, *_: object) -> object:
        assert rows.shape == (6, 4)
        steps = np.arange(paths, dtype=np.float32)[:, None]
        return np.broadcast_to(steps, (6, paths, horizon))

    found = of_paths(forecast, None, one, 10, lambda done, total: None)  # type: ignore[arg-type]
    assert found["mse"] == pytest.approx(0, abs=1e-9) and found["coverage80"] == 1


def test_seasonal_naive() -> None:
    wave = np.tile([1.0, 2.0, 3.0], 4)
    whole = np.broadcast_to(wave, (50, 2, 12))
    exact = asked(whole[..., :6], whole[..., 6:11])
    found = seasonal_naive(exact, exact, period=3)
    assert found == {"mse": 0, "crps": 0, "coverage80": 1}
    noisy = np.random.default_rng(0).normal(size=(2, 400, 2, 5))
    before, after = (asked(np.zeros((400, 2, 6)), noise) for noise in noisy)
    assert 0.75 < seasonal_naive(after, before, period=3)["coverage80"] < 0.85


@pytest.mark.parametrize(("command", "function"), [(samplers, "measure"), (zero_shot, "compare")])
def test_benchmarks_of_paths_ask_the_finished_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: ModuleType, function: str
) -> None:
    asked: list[Any] = []
    rows = {name: {"mse": 0.5} for name in ("seasonal_naive", "gpd", "gpd_gaps")}

    def train(recipe: Any, seeds: list[int], methods: list[str], also: bool, shop: Any) -> Any:
        asked.append((recipe.name, seeds, methods, also, shop.runs))
        return {"run": "folder"}

    def measured(run: Path, settings: Any) -> Any:
        asked.append(run)
        return rows if function == "compare" else rows["gpd"]

    monkeypatch.setattr(path_quality, "prepare", lambda *given: asked.append(given))
    monkeypatch.setattr(path_quality, "train", train)
    monkeypatch.setattr(command, function, measured)
    monkeypatch.setattr(command, "RESULTS", tmp_path / "found.json")
    monkeypatch.setattr("sys.argv", ["", "--runs", str(tmp_path), "--threads", "2"])
    command.main()
    trained = (command.RECIPE, [2021], ["vanilla"], False, tmp_path)
    assert asked[:3] == [(2, "cpu"), trained, tmp_path / "folder"]
    assert "0.5" in (tmp_path / "found.json").read_text()
