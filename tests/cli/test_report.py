"""``leanzoo report``: results become a page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks.report_results import complete, older
from tests.cli.conftest import Leanzoo, assert_one_line


def written(path: Path, recipe: str, whole: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(complete(recipe) if whole else older(recipe)))
    return path


def test_page_is_written_and_told(leanzoo: Leanzoo, tmp_path: Path) -> None:
    files = [
        written(tmp_path / "a.json", "mlp-cora", True),
        written(tmp_path / "b.json", "finalmlp-ml100k"),
    ]
    done = leanzoo("report", *files, "--out", tmp_path / "page", "--json")
    assert done.code == 0
    path = tmp_path / "page/index.html"
    assert done.json == {
        "report": str(path),
        "recipes": ["mlp-cora", "finalmlp-ml100k"],
        "invalid": 3,
    }
    text = path.read_text()
    assert text.startswith("<!DOCTYPE html>") and text.rstrip().endswith("</html>")
    assert [it.name for it in path.parent.iterdir()] == ["index.html"]  # nothing half-written


def test_results_are_found_where_bench_leaves_them(
    leanzoo: Leanzoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "runs/mlp-cora/bench.json", "mlp-cora")
    done = leanzoo("report")
    assert done.code == 0
    assert done.out == "report/index.html: mlp-cora; 0 measurement(s) do not count\n"
    assert Path("report/index.html").exists()


def test_committed_results_make_a_page(leanzoo: Leanzoo, tmp_path: Path) -> None:
    done = leanzoo("report", "--runs", tmp_path / "none", "--out", tmp_path, "--json")
    assert done.code == 0 and "mlp-cora" in done.json["recipes"]


def test_what_cannot_be_read_or_written_is_said_in_one_line(
    leanzoo: Leanzoo, tmp_path: Path
) -> None:
    bad = tmp_path / "faults.json"
    bad.write_text("{}")
    refused = leanzoo("report", bad, "--out", tmp_path / "page", "--json")
    assert refused.code == 1 and not (tmp_path / "page").exists()
    assert_one_line(refused, "faults.json is no result of 'leanzoo bench'")
    assert refused.json["error"].endswith("name another file, or measure again")
    good = written(tmp_path / "a.json", "mlp-cora")
    refused = leanzoo("report", good, "--out", good)
    assert refused.code == 1
    assert_one_line(refused, "choose another place")
