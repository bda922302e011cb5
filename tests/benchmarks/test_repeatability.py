"""Two runs: which headlines lie inside each other's intervals."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from benchmarks.repeatability import judged, main, repeatability_table, repeated
from benchmarks.report.results import parse
from tests.benchmarks.report_results import complete, older
from zoo.artifact import ArtifactError


def ratio(value: float, low: float, high: float) -> dict[str, float]:
    return {"ratio": value, "low": low, "high": high}


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        (ratio(10.5, 9.9, 11.1), "inside"),
        (ratio(10.5, 10.1, 11.1), "overlap"),  # the first is not in the second's
        (ratio(11.5, 9.5, 13.5), "overlap"),  # the second is not in the first's
        (ratio(13.0, 12.0, 14.0), "apart"),
    ],
)
def test_inside_is_inside_both(after: dict[str, float], verdict: str) -> None:
    assert judged(ratio(10.0, 9.0, 11.0), after) == verdict
    assert judged(after, ratio(10.0, 9.0, 11.0)) == verdict


@pytest.fixture(scope="module")
def runs() -> tuple[dict[str, Any], dict[str, Any]]:
    """The second has one headline that is apart, and one that does not count."""
    first, second = complete(), deepcopy(complete())
    for name in ("ratio", "low", "high"):
        second["headlines"][0][name] *= 1.5
    second["headlines"][1]["reasons"] = ["3 start(s) of the server or the sessions: at least 5"]
    second["headlines"][2] |= {"ratio": None, "low": None, "high": None}
    return first, second


def test_what_counts_in_both_is_compared(runs: tuple[dict[str, Any], ...]) -> None:
    first, second = (parse(run) for run in runs)
    found = repeated([first], [second])
    total = len(first.headlines)
    assert len(found["headlines"]) == total - 3  # one does not count in either
    assert [row["verdict"] for row in found["headlines"]].count("inside") == total - 4
    text = repeatability_table(found)
    assert text.splitlines()[2].startswith("| `mlp-cora` | ORT, A · 1 node | apart | ")
    assert f"of {total - 3} headline ratios that count in both, {total - 4} lie inside" in text
    assert "0.0 % in the median and 50 % at most" in text


def test_older_runs_have_none() -> None:
    with pytest.raises(ArtifactError, match="no headline counts in both runs"):
        repeated([parse(older())], [parse(older())])
    with pytest.raises(ArtifactError, match="no headline counts in both runs"):
        repeated([parse(complete())], [parse(complete("finalmlp-ml100k"))])


def test_command_writes_and_prints(
    runs: tuple[dict[str, Any], ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    places = [tmp_path / "a.json", tmp_path / "b.json"]
    for place, run in zip(places, runs, strict=True):
        place.write_text(json.dumps(run))
    out = tmp_path / "out.json"
    call = ["repeatability", *map(str, places), "--out", str(out)]
    monkeypatch.setattr("sys.argv", call)
    main()
    assert repeatability_table(json.loads(out.read_text())) in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["repeatability", str(places[0]), str(tmp_path / "none.json")])
    with pytest.raises(SystemExit):
        main()
    assert "cannot read" in capsys.readouterr().err
