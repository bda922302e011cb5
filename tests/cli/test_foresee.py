"""``leanzoo forecast``: what it writes, and what it refuses."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from serving.local import Local
from tests.cli import toy_paths
from tests.cli.conftest import Leanzoo, Outcome, assert_one_line
from tests.serving.tiny_models import FORECAST
from zoo import checkpoint, registry
from zoo.artifact import ArtifactError
from zoo.cli.options import REPOSITORY, URL
from zoo.recipes import Recipe, from_table
from zoo.results import latest_run, write_json

STUDENT, DRAWER = FORECAST.name, toy_paths.NAME


def write(path: Path, channels: int = 2, rows: int = 30) -> Path:
    """Hourly series around 1, 2, …, of which the second one ends in missing values."""
    times = np.datetime64("2024-01-01T00:00") + np.arange(rows) * np.timedelta64(1, "h")
    names = [f"c{k}" for k in range(channels)]
    lines = [",".join(["time", *names])]
    for row, time in enumerate(times):
        values = [str(k + 1 + (row + 2) % 4 / 2 - 0.75) for k in range(channels)]
        if row >= rows - 4 and channels > 1:
            values[1] = ""
        lines.append(",".join([str(time), *values]))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the current folder, beside a repository and runs of models that forecast."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(registry.FAMILIES, "toy", toy_paths.__name__)
    FORECAST.publish(tmp_path / "model_repository")
    toy_paths.save(tmp_path / "runs")
    return write(tmp_path / "plant.csv")


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def is_png(path: Path) -> bool:
    return path.read_bytes()[:4] == b"\x89PNG" and path.stat().st_size > 5000


def test_a_student_answers_with_quantiles(leanzoo: Leanzoo, mine: Path) -> None:
    outcome = leanzoo("forecast", STUDENT, "--data", mine, "--local", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json == {
        "model": STUDENT,
        "data": "plant.csv",
        "channels": ["c0", "c1"],
        "horizon": 3,
        "first": "2024-01-02T06:00:00",
        "last": "2024-01-02T08:00:00",
        "rolled": False,
        "paths": None,
        "unknown": ["c1"],
        "note": "",
        "picture": f"plant-{STUDENT}.png",
        "csv": f"plant-{STUDENT}.csv",
    }
    assert is_png(mine.parent / f"plant-{STUDENT}.png")
    rows = read(mine.parent / f"plant-{STUDENT}.csv")
    assert [row["channel"] for row in rows] == ["c0"] * 3 + ["c1"] * 3
    assert list(rows[0]) == [
        "time",
        "channel",
        "median",
        "mean",
        *(f"q0.{k}" for k in range(1, 10)),
    ]
    assert (rows[1]["time"], rows[1]["median"], rows[1]["mean"]) == (
        "2024-01-02T07:00:00",
        "3.0",
        "3.5",
    )
    assert (rows[0]["q0.1"], rows[0]["q0.9"]) == ("1.6", "2.4")
    assert set(rows[4].values()) == {"2024-01-02T07:00:00", "c1", ""}
    made = {f"plant-{STUDENT}.{kind}" for kind in ("png", "csv")}
    assert files(mine.parent) == {"plant.csv", "model_repository", "runs"} | made


def test_people_are_told_the_same(leanzoo: Leanzoo, mine: Path) -> None:
    outcome = leanzoo("forecast", STUDENT, "--data", mine, "--local", "--horizon", 7)
    assert outcome.out.splitlines() == [
        "plant.csv: 2 channel(s), 7 step(s) from 2024-01-02T06:00:00 to 2024-01-02T12:00:00, by "
        + STUDENT,
        "no value is known at the end of c1: no forecast of it",
        "7 steps are beyond the model's 3: asked 3 times, each time with its own median as "
        "history, and the spreads added in quadrature.",
        f"wrote plant-{STUDENT}.png and plant-{STUDENT}.csv",
    ]
    assert leanzoo("forecast", STUDENT, "--data", mine, "--local", "--horizon", 7, "--json").json[
        "rolled"
    ]


def test_paths_are_drawn_and_counted_out(leanzoo: Leanzoo, mine: Path) -> None:
    def ask(*more: object) -> Outcome:
        return leanzoo("forecast", DRAWER, "--data", mine, "--columns", "c0", "--json", *more)

    outcome = ask("--horizon", 8, "--paths", 40)
    assert outcome.code == 0, outcome.err
    found = outcome.json
    assert (found["model"], found["horizon"], found["paths"]) == ("drawer-walks", 8, 40)
    scored = " 8 steps are more than the 5 that it was scored on."
    assert found["note"] == f"Quantiles are those of 40 paths (seed 0).{scored}"
    assert not found["rolled"]
    assert is_png(mine.parent / "plant-drawer.png")
    rows = read(mine.parent / "plant-drawer.csv")
    drawn = 1.75 + np.random.default_rng(0).normal(size=(1, 40, 8)).cumsum(-1)
    for level in (0.1, 0.5, 0.9):
        given = [float(row[f"q{level}"]) for row in rows]
        np.testing.assert_allclose(given, np.quantile(drawn[0], level, axis=0), atol=1e-5)
    assert [row["median"] for row in rows] == [row["q0.5"] for row in rows]
    first = (mine.parent / "plant-drawer.csv").read_text()
    assert ask("--horizon", 8, "--paths", 40, "--seed", 0).code == 0
    assert (mine.parent / "plant-drawer.csv").read_text() == first
    assert ask("--horizon", 8, "--paths", 40, "--seed", 1).code == 0
    assert (mine.parent / "plant-drawer.csv").read_text() != first
    assert ask().json["horizon"] == 5
    rolled = ask("--horizon", 11).json
    assert rolled["rolled"] and "drawn in 2 parts" in rolled["note"]


def test_other_names_for_the_files(leanzoo: Leanzoo, mine: Path) -> None:
    def ask(*more: object) -> tuple[str, str]:
        found = leanzoo("forecast", STUDENT, "--data", mine, "--local", "--json", *more).json
        assert all(Path(found[kind]).stat().st_size for kind in ("picture", "csv"))
        return found["picture"], found["csv"]

    (mine.parent / "there").mkdir()
    assert ask("--out", "there") == (f"there/plant-{STUDENT}.png", f"there/plant-{STUDENT}.csv")
    assert ask("--out", "new/v1.5") == ("new/v1.5.png", "new/v1.5.csv")
    named = ("--picture", "a.SVG", "--csv", "b.csv")
    assert ask(*named, "--out", "there") == ("a.SVG", "b.csv")
    assert (mine.parent / "a.SVG").read_text().startswith("<?xml")


REFUSED: list[tuple[list[str], str]] = [
    (["--data", "none.csv"], "no file none.csv"),
    (["--data", "plant.csv", "--columns", "c9"], "has no column 'c9'"),
    (["--data", "plant.csv", "--paths", "5"], "answers with quantiles, not paths: leave out --pa"),
    (["--data", "plant.csv", "--seed", "5"], "answers with quantiles, not paths: leave out --seed"),
    (["--data", "plant.csv", "--picture", "a.bmp"], "--picture a.bmp: expected a name ending in"),
    (["--data", "plant.csv", "--csv", "a.txt"], "--csv a.txt: expected a name ending in .csv"),
    (["--data", "plant.csv", "--csv", "./plant.csv"], "--csv plant.csv is the data itself"),
    (["--data", "plant.csv", "--out", "plant.csv/x"], "plant.csv is no folder"),
    (["--data", "plant.csv", "--horizon", "4000"], "horizon is 4000: expected a whole number"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_refused_in_one_line(
    leanzoo: Leanzoo, mine: Path, options: list[str], message: str
) -> None:
    before = files(mine.parent)
    outcome = leanzoo("forecast", STUDENT, "--local", "--json", *options)
    assert outcome.code == 1 and message in outcome.json["error"]
    assert_one_line(outcome, message)
    assert files(mine.parent) == before


def test_models_that_are_not_there(leanzoo: Leanzoo, mine: Path) -> None:
    data = ("--data", mine, "--local")
    assert_one_line(leanzoo("forecast", "forecast-tinny", *data), f"did you mean {STUDENT}")
    outcome = leanzoo("forecast", f"{DRAWER}-other", *data)
    assert_one_line(outcome, f"'{DRAWER}-other' is not trained yet in runs")
    assert leanzoo("forecast", STUDENT, *data, "--horizon", 0).code == 2


def test_options_that_would_do_nothing_are_refused(
    leanzoo: Leanzoo, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threaded = leanzoo("forecast", STUDENT, "--data", mine, "--threads", 2)
    assert_one_line(threaded, "a server has threads of its own: leave out --threads")
    elsewhere = leanzoo("forecast", DRAWER, "--data", mine, "--url", URL)
    assert_one_line(elsewhere, f"{DRAWER} draws its paths in this process: leave out --url")
    unread = leanzoo("forecast", DRAWER, "--data", mine, "--repository", REPOSITORY)
    assert_one_line(unread, f"{DRAWER} is read from --runs: leave out --repository")
    both = leanzoo("forecast", STUDENT, "--data", mine, "--local", "--url", URL)
    assert_one_line(both, "--local answers in this process: leave out --url, or --local")
    seen = []

    class Counting(Local):
        def __init__(self, repository: Path, threads: int = 1) -> None:
            seen.append(threads)
            super().__init__(repository, threads)

    monkeypatch.setattr("serving.local.Local", Counting)
    assert leanzoo("forecast", STUDENT, "--data", mine, "--local", "--threads", 2).code == 0
    assert seen == [2]


def test_nothing_is_half_written(
    leanzoo: Leanzoo, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    csv_file = mine.parent / f"plant-{STUDENT}.csv"
    csv_file.write_text("of yesterday")
    before = files(mine.parent)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zoo.cli.outlook.Outlook.write_csv", full)
    outcome = leanzoo("forecast", STUDENT, "--data", mine, "--local")
    assert_one_line(outcome, "No space left on device; choose another place")
    assert files(mine.parent) == before
    assert csv_file.read_text() == "of yesterday"


def test_the_latest_training_is_meant(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=f"'{DRAWER}' is not trained yet"):
        latest_run(tmp_path, DRAWER)
    taught = toy_paths.save(tmp_path, "drawer-b", seed=1)
    seeds = [toy_paths.save(tmp_path, "drawer-a", seed=seed) for seed in (2, 3)]
    for age, folder in enumerate([taught, *seeds]):
        os.utime(folder / "artifact.json", (1e9 + age, 1e9 + age))
    assert latest_run(tmp_path, DRAWER) == latest_run(tmp_path, "drawer-a") == seeds[1]
    assert latest_run(tmp_path, "drawer-b") == taught
    keys = ("recipe", "methods", "metrics", "seeds", "deployed", "teacher")
    write_json(tmp_path / "drawer-a" / "train.json", {**dict.fromkeys(keys), "run": seeds[0].name})
    assert latest_run(tmp_path, DRAWER) == latest_run(tmp_path, "drawer-a") == seeds[0]
    (seeds[1] / "artifact.json").write_text(json.dumps({}))
    with pytest.raises(ArtifactError, match=r"artifact\.json cannot be read"):
        latest_run(tmp_path, DRAWER)


def test_gpd_draws_whatever_is_missing_and_however_far(leanzoo: Leanzoo, mine: Path) -> None:
    spec = registry.get_spec("gpd")
    settings = {"lookback": 12, "horizon": 4, "hidden": 8, "layers": 2, "sample_steps": 3}
    config = from_table(spec.config, settings, "test")
    recipe = Recipe(name="gpd-tiny", model="gpd", dataset="waves", config=settings)
    checkpoint.save(
        mine.parent / "runs" / "gpd-tiny-0", spec.build(config), config, recipe, {}, {}, {}
    )
    found = leanzoo("forecast", "gpd", "--data", mine, "--horizon", 20, "--paths", 6, "--json").json
    assert (found["model"], found["rolled"], found["unknown"]) == ("gpd-tiny", True, [])
    assert found["note"].endswith("every path was drawn in 3 parts.")
    rows = read(mine.parent / "plant-gpd.csv")
    assert len(rows) == 40 and all(np.isfinite(float(row["q0.9"])) for row in rows)
