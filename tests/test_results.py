"""Results of training: which model of several is deployed, and what is read and written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from zoo import results
from zoo.artifact import ArtifactError

SCORES: dict[int, dict[str, dict[str, Any]]] = {
    1: {"student": {"val": 0.5}, "vanilla": {"val": 0.9}},
    2: {"student": {"val": 0.7}, "vanilla": {"val": 0.1}},
}


@pytest.mark.parametrize(
    ("roles", "lower", "best"),
    [
        (["student"], False, ("student", 2)),
        (["student"], True, ("student", 1)),
        (["vanilla"], False, ("vanilla", 1)),
        (["student", "vanilla"], False, ("student", 2)),  # by the mean, not by the best seed
        (["student", "vanilla"], True, ("vanilla", 2)),
    ],
)
def test_best_of_seeds_and_roles(roles: list[str], lower: bool, best: tuple[str, int]) -> None:
    assert results.best_of(SCORES, roles, "val", lower) == best


def test_the_first_of_equals_is_deployed() -> None:
    equal = {1: {"student": {"val": 0.5}, "vanilla": {"val": 0.5}}}
    assert results.best_of(equal, ["student", "vanilla"], "val", True) == ("student", 1)


def test_result_of_untrained_or_broken(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="'x' is not trained yet: run 'leanzoo train x'"):
        results.result_of(tmp_path, "x")
    (tmp_path / "x").mkdir()
    for content in ("{", "{}", "[]", '{"run": "x"}'):
        (tmp_path / "x" / results.RESULT).write_text(content)
        with pytest.raises(ArtifactError, match=r"train.json is broken: run 'leanzoo train x' aga"):
            results.result_of(tmp_path, "x")


def test_json_is_written_whole_or_refused_in_one_line(tmp_path: Path) -> None:
    results.write_json(tmp_path / "a" / "x.json", {"a": 1})
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["x.json"]
    for path in (Path("."), tmp_path / "a", tmp_path / "a" / "x.json" / "y.json"):
        with pytest.raises(ArtifactError, match=f"cannot write {path}: "):
            results.write_json(path, {})
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["x.json"]
