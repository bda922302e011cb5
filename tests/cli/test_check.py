"""The verb lint."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Leanzoo, assert_one_line

COMMITTED = Path(__file__).parents[2] / "model_repository"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The committed configurations alone."""
    for config in COMMITTED.glob("*/config.pbtxt"):
        (tmp_path / config.parent.name).mkdir()
        shutil.copy(config, tmp_path / config.parent.name)
    return tmp_path


def test_advice_alone_is_no_failure(leanzoo: Leanzoo, repository: Path) -> None:
    outcome = leanzoo("lint", repository)
    models = len(list(repository.iterdir()))
    lines = outcome.out.splitlines()
    assert outcome.code == 0
    assert lines[-1] == f"{models} model(s), {models} finding(s)"
    assert lines[:2] == [
        "finalmlp-ml100k",
        "  advice version-missing: no version: the model cannot be served yet; publish the model",
    ]


def test_errors_are_said_and_fail(leanzoo: Leanzoo, repository: Path) -> None:
    file = repository / "mlp-citeseer" / "config.pbtxt"
    file.write_text(file.read_text().replace("count: 1", "count: 3\n  kind: KIND_GPU"))
    outcome = leanzoo("lint", repository, "--no-gpu", "--cores", 2, "--json")
    assert outcome.code == 1
    assert outcome.json["models"] == len(list(repository.iterdir()))
    errors = [one for one in outcome.json["findings"] if one["severity"] == "error"]
    assert [(one["model"], one["rule"]) for one in errors] == [
        ("mlp-citeseer", "gpu-missing"),
        ("mlp-citeseer", "threads-budget"),
    ]
    assert set(errors[0]) == {"rule", "model", "message", "remedy", "severity"}
    assert leanzoo("lint", repository, "--gpu", "--cores", 3).code == 0


def test_rules_are_listed_with_their_sources(leanzoo: Leanzoo) -> None:
    (rules,) = leanzoo("lint", "--rules", "--json").json.values()
    assert len(rules) >= 20
    text = leanzoo("lint", "--rules").out
    for rule in rules:
        assert set(rule) == {"name", "severity", "doc", "source", "remedy"}
        assert f"{rule['name']} ({rule['severity']}): {rule['doc']}" in text
        assert rule["source"] in text


def test_what_is_no_repository_is_one_line(leanzoo: Leanzoo, tmp_path: Path) -> None:
    outcome = leanzoo("lint", tmp_path / "nowhere")
    assert outcome.code == 1
    assert_one_line(outcome, "holds no model: name a model repository")
