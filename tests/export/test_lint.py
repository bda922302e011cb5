"""Lint: every rule finds its own mistake and nothing else, and a clean repository has none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from google.protobuf import text_format

from export.errors import ExportError
from export.lint.repository import RULES, lint_model, lint_repository
from export.lint.rule import ADVICE, ERROR, Finding
from export.lint.served import Machine
from export.repository import publish_all
from tests.export.lint_mistakes import DENSE, ENSEMBLE, MISTAKES, Mistake, edit, plan, seal
from zoo.artifact import Artifact

CPU, GPU = Machine(cores=2, gpu=False), Machine(cores=2, gpu=True)
COMMITTED = sorted((Path(__file__).parents[2] / "model_repository").glob("*/config.pbtxt"))


@pytest.fixture(scope="module")
def published(
    exported: dict[str, Artifact],
    exported_clicks: dict[str, Artifact],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A repository of all toy models; to be left as it is."""
    root = tmp_path_factory.mktemp("lint") / "models"
    for artifacts in (exported, exported_clicks):
        publish_all([one.path for one in artifacts.values()], root, lambda a: f"# {a.model}\n")
    return root


@pytest.fixture
def root(published: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(published, tmp_path / "models"))


def made(root: Path, mistake: Mistake) -> dict[str, list[Finding]]:
    """What is found once a mistake is made: model → findings, where there are some."""
    folder = root / mistake.model
    mistake.make(folder)
    if mistake.sealed:
        seal(folder)
    found = lint_repository(root, GPU if mistake.gpu else CPU)
    return {model: findings for model, findings in found.items() if findings}


def test_there_is_a_mistake_for_every_rule() -> None:
    assert sorted(MISTAKES) == sorted(rule.name for rule in RULES)
    assert len(RULES) >= 20


@pytest.mark.parametrize("name", MISTAKES)
def test_a_rule_finds_its_mistake_and_nothing_else_is_found(root: Path, name: str) -> None:
    mistake = MISTAKES[name]
    found = made(root, mistake)
    assert {model: {one.rule for one in each} for model, each in found.items()} == {
        mistake.model: {name}
    }
    for one in found[mistake.model]:
        assert one.message and one.remedy and "\n" not in one.message


def test_a_clean_repository_has_no_finding(published: Path) -> None:
    found = lint_repository(published, CPU)
    assert len(found) == 8 and not any(found.values())
    for model in found:
        assert lint_model(published / model, published) == []


def test_a_clean_plan_has_no_finding(root: Path) -> None:
    assert made(root, plan(lambda said: None)) == {}


def test_a_staged_model_is_held_against_the_steps_that_are_published(
    published: Path, tmp_path: Path
) -> None:
    staged = tmp_path / ENSEMBLE
    shutil.copytree(published / ENSEMBLE, staged)
    assert lint_model(staged, published, CPU) == []
    assert {one.rule for one in lint_model(staged, tmp_path, CPU)} == {"step-missing"}


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.parent.name)
def test_committed_configurations_are_clean(path: Path, tmp_path: Path) -> None:
    for config in COMMITTED:  # without versions and files, as in a fresh clone
        (tmp_path / config.parent.name).mkdir()
        shutil.copy(config, tmp_path / config.parent.name)
    found = lint_model(tmp_path / path.parent.name, tmp_path, Machine(1, False))
    assert [(one.rule, one.severity) for one in found] == [("version-missing", ADVICE)]


@pytest.mark.parametrize(
    "where", ["default_queue_policy {", "priority_queue_policy { key: 1 value {"]
)
def test_the_poison_pill_is_an_error(root: Path, where: str) -> None:
    text = f"{where} default_timeout_microseconds: 900 {'} ' * where.count('{')}"
    batching = f"dynamic_batching {{ max_queue_delay_microseconds: 10000 {text} }}"
    edit(root / DENSE, lambda config: text_format.Merge(batching, config))
    seal(root / DENSE)
    pill, delay = lint_model(root / DENSE, root, CPU)
    assert (pill.rule, pill.severity) == ("queue-timeout", ERROR)
    assert "900 µs and a delay of 10000 µs" in pill.message
    assert (delay.rule, delay.severity) == ("batching-delay", ADVICE)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"\1\0\0\0a", "1 strings"), (b"\1\0\0\0a" * 5 + b"\1\0", "-1 strings")],
)
def test_strings_of_a_warmup_are_counted(root: Path, content: bytes, said: str) -> None:
    folder = root / "toy-clicks-encode"
    (folder / "warmup/values-1").write_bytes(content)
    seal(folder)
    (first, second) = lint_model(folder, root, CPU)  # at 1 row and at max
    assert first.rule == second.rule == "warmup-file-size"
    assert f"has {said} in its file: expected 6" in first.message


@pytest.mark.parametrize("said", ["{", "[]", '{"profile": {"x": 3}}'])
def test_a_manifest_of_engines_that_cannot_be_read_is_found(root: Path, said: str) -> None:
    plan(lambda _: None).make(root / DENSE)
    (root / DENSE / "1/engines.json").write_text(said)
    seal(root / DENSE)
    (finding,) = lint_model(root / DENSE, root, GPU)
    assert finding.rule == "plan-stale"


def test_older_versions_are_held_against_the_configuration_too(root: Path) -> None:
    shutil.copytree(root / DENSE / "1", root / DENSE / "2")
    (root / DENSE / "1/model.onnx").unlink()
    seal(root / DENSE)
    (finding,) = lint_model(root / DENSE, root, CPU)
    assert finding.message == "version 1 has no model.onnx"
    edit(
        root / DENSE,
        lambda c: text_format.Merge("version_policy { latest { num_versions: 1 } }", c),
    )
    seal(root / DENSE)
    assert lint_model(root / DENSE, root, CPU) == []


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_folder_without_models_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ExportError, match="holds no model: name a model repository"):
        lint_repository(tmp_path / name)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_says_what_it_demands_where_it_comes_from_and_what_to_do(rule: object) -> None:
    from export.lint.rule import Rule

    assert isinstance(rule, Rule)
    assert rule.doc.endswith(".") and rule.remedy and not rule.remedy.endswith(".")
    for source in rule.source.split("; "):
        assert source == "measured here" or source.startswith("https://")
    assert rule.severity in (ERROR, ADVICE)
