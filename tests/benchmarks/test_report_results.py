"""Results for the page: where they are looked for, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.report.results import COMMITTED, find, parse, read
from tests.benchmarks.report_results import KINDS, complete, older
from zoo.artifact import ArtifactError


def written(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def test_runs_come_before_what_is_committed(tmp_path: Path) -> None:
    assert find([], tmp_path) == [p for p in sorted(COMMITTED.glob("*.json")) if _is_result(p)]
    mine = written(tmp_path / "mlp-cora/bench.json", older())
    assert find([], tmp_path) == [mine]


def _is_result(path: Path) -> bool:
    return "measurements" in json.loads(path.read_text())


def test_folders_hold_results_among_other_files(tmp_path: Path) -> None:
    flat = written(tmp_path / "results/mlp-cora.json", older())
    written(tmp_path / "results/faults.json", {"kill": {}})
    deep = written(tmp_path / "runs/mlp-cora/bench.json", older())
    assert find([tmp_path / "results", tmp_path / "runs"], tmp_path) == [flat, deep]
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ArtifactError, match="empty holds no result: name what 'leanzoo bench'"):
        find([tmp_path / "results", empty], tmp_path)


def test_committed_results_are_read() -> None:
    found = read(find([COMMITTED], COMMITTED))
    assert {"mlp-cora", "finalmlp-ml100k", "quantile_mlp-etth1"} <= {it.recipe for it in found}


@pytest.mark.parametrize("recipe", KINDS)
def test_older_results_hold_no_more_than_they_did(recipe: str) -> None:
    found = parse(older(recipe))
    assert found.task == KINDS[recipe][0]
    assert (found.accuracy, found.stall, found.rungs, found.curves) == (None, None, (), ())
    assert {it.rung for it in found.measurements} == {"ort"}
    assert len([*found.all]) == 2


def test_complete_result_keeps_everything() -> None:
    raw = complete()
    found = parse(json.loads(json.dumps(raw)))
    assert [it.to_json() for it in found.rungs] == raw["rungs"]
    assert len([*found.all]) == sum(len(raw[k]) for k in ("measurements", "rungs", "curves")) + 2
    assert found.stall is not None and found.stall.open.load == "open"


def broken(**changes: Any) -> dict[str, Any]:
    return {**complete(), **changes}


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ([], "an object was expected"),
        ({"recipe": "x"}, "'measurements' is missing"),
        ({"recipe": "x", "measurements": []}, "it holds no measurement"),
        ({"recipe": "x", "measurements": [{"model": "a"}]}, "missing 4 required"),
        (broken(costs=[{"model": "a"}]), "'batch' is missing"),
        (broken(accuracy={"metric": "auc"}), "'change' is missing"),
        (broken(stall={"open": {}}), "missing"),
        (broken(rungs=[{**complete()["rungs"][0], "rung": "attic"}]), "rung 'attic' is none of"),
        (broken(rungs=[{**complete()["rungs"][0], "role": "dean"}]), "role 'dean' is none of"),
        (broken(headlines=[{**complete()["headlines"][0], "rung": "x"}]), "rung 'x' is none of"),
    ],
)
def test_what_is_no_result_is_refused_with_its_file(tmp_path: Path, value: Any, why: str) -> None:
    path = written(tmp_path / "bad.json", value)
    with pytest.raises(ArtifactError) as refused:
        read([path])
    text = str(refused.value)
    assert text.startswith(f"{path} is no result of 'leanzoo bench' (") and why in text
    assert text.endswith("name another file, or measure again") and "\n" not in text


def test_unreadable_and_doubled_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot read .*none.json: No such file"):
        read([tmp_path / "none.json"])
    half = tmp_path / "half.json"
    half.write_text('{"recipe": "x", "measurements": [')
    with pytest.raises(ArtifactError, match="half.json is no result"):
        read([half])
    two = [written(tmp_path / f"{k}.json", older()) for k in range(2)]
    with pytest.raises(ArtifactError, match="are both of 'mlp-cora': name one of them"):
        read(two)
