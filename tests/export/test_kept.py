"""Versions that somebody may ask for stay served, and nothing else is said of any."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from export.errors import ExportError
from export.lint.repository import lint_repository
from export.lint.served import Machine
from export.published import served_versions
from export.repository import publish, publish_all
from export.triton_config import config_of, read_config, to_text
from export.verify import verify_all
from tests.export.retrained import retrained
from zoo.artifact import Artifact, ArtifactError
from zoo.kept import asked_versions, changing, kept_versions, versions_of
from zoo.rollout import Rollout, write_rollout

NET, RAW, ENCODE = "toy-clicks", "toy-clicks-raw", "toy-clicks-encode"
Train = Callable[[str], None]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository that nothing is in yet."""
    return tmp_path / "models"


@pytest.fixture
def train(exported_clicks: dict[str, Artifact], root: Path, tmp_path: Path) -> Train:
    """Publish another training of the click model, in all its forms."""

    def publish_another(letter: str) -> None:
        folders = retrained(exported_clicks.values(), tmp_path / letter, letter)
        publish_all(folders, root, lambda _: None)

    return publish_another


def served(root: Path) -> dict[str, list[int]]:
    """Of every model the versions that may be asked."""
    found: dict[str, list[int]] = {}
    for folder in served_versions(root):
        found.setdefault(folder.parent.name, []).append(int(folder.name))
    return found


def policy(root: Path, model: str) -> Any:
    return read_config(root / model).version_policy


def clean(root: Path) -> bool:
    return not any(lint_repository(root, Machine(2, False)).values())


def test_where_nobody_asks_for_others_the_latest_two_are_kept(train: Train, root: Path) -> None:
    for letter in "abcd":
        train(letter)
        artifact = Artifact.load(root / NET / str(max(versions_of(root / NET))))
        assert (root / NET / "config.pbtxt").read_text() == to_text(config_of(artifact))
    assert served(root)[NET] == [3, 4] and served(root)[RAW] == [4]
    assert policy(root, NET).latest.num_versions == 2
    assert policy(root, RAW).latest.num_versions == 1
    assert clean(root)


def test_what_is_rolled_out_is_kept_with_its_steps(train: Train, root: Path) -> None:
    train("a")
    train("b")
    for model, rollout in {NET: Rollout(1, 2, 0.05), RAW: Rollout(1, 2, 0.05)}.items():
        write_rollout(root / model, rollout)
    for letter in "cd":
        train(letter)
    assert list(policy(root, NET).specific.versions) == [1, 2, 3, 4]
    assert list(policy(root, ENCODE).specific.versions) == [1, 2, 3, 4]
    assert policy(root, RAW).latest.num_versions == 1
    assert policy(root, "toy-clicks-rank").latest.num_versions == 2
    assert served(root)[RAW] == [1, 2, 4]
    assert clean(root)
    assert {one.path.name for one in verify_all(root) if one.model == RAW} == {"1", "2", "4"}
    for model in (NET, RAW):
        write_rollout(root / model, Rollout())
    train("e")
    assert policy(root, NET).latest.num_versions == 2
    assert served(root)[NET] == [4, 5]
    assert clean(root)


def test_a_step_of_an_ensemble_as_it_is_stays_loaded(train: Train, root: Path) -> None:
    train("a")
    for letter in "xyz":
        net = Artifact.load(root / NET / "1")
        shutil.copytree(root / NET / "1", folder := root.parent / f"net-{letter}")
        shutil.copytree(root / NET / "warmup", folder / "warmup")
        (folder / "note.txt").write_text(letter)
        replace(net, kind="onnx").write(folder)
        publish(folder, root)
    assert list(policy(root, NET).specific.versions) == [1, 3, 4]
    assert kept_versions(root, NET, 5) == [1, 4, 5]
    assert asked_versions(root, NET) == set()
    assert clean(root)


def test_the_same_content_stays_the_version_it_is_whatever_is_kept(
    exported: dict[str, Artifact], root: Path
) -> None:
    folder = exported["mlp-toy"].path
    for card in "abc":
        publish(folder, root, card)
    write_rollout(root / "mlp-toy", Rollout(2))
    assert not publish(folder, root, "c").changed
    assert publish(folder, root, "d").version == 4
    assert list(policy(root, "mlp-toy").specific.versions) == [2, 3, 4]
    write_rollout(root / "mlp-toy", Rollout())
    assert not publish(folder, root, "d").changed
    assert (root / "mlp-toy/rollout.json").exists() is False


def test_what_is_rolled_out_must_fit_what_is_published(
    exported: dict[str, Artifact], root: Path, tmp_path: Path
) -> None:
    publish(exported["mlp-toy"].path, root)
    write_rollout(root / "mlp-toy", Rollout(1))
    other = tmp_path / "mlp-toy"
    shutil.copytree(exported["mlp-toy-sparse"].path, other)
    replace(Artifact.load(other), model="mlp-toy").write(other)
    message = "version 1 of mlp-toy, which is rolled out, has another max_batch_size than what is"
    with pytest.raises(ExportError, match=message):
        publish(other, root)
    assert versions_of(root / "mlp-toy") == [1]
    write_rollout(root / "mlp-toy", Rollout())
    assert publish(other, root).version == 2


def test_a_rollout_of_what_is_not_served_is_found(
    exported: dict[str, Artifact], root: Path
) -> None:
    publish(exported["mlp-toy"].path, root)
    write_rollout(root / "mlp-toy", Rollout(7))
    with pytest.raises(ArtifactError, match=r"rollout.json names version 7: served are 1; set it"):
        verify_all(root)
    (finding,) = lint_repository(root, Machine(2, False))["mlp-toy"]
    assert (finding.rule, finding.severity) == ("rollout-version", "error")
    assert finding.message == "rollout.json names version 7: served are 1"


def test_a_rollout_that_cannot_be_read_stops_publishing(
    exported: dict[str, Artifact], root: Path
) -> None:
    publish(exported["mlp-toy"].path, root)
    (root / "mlp-toy/rollout.json").write_text("[]")
    with pytest.raises(ArtifactError, match="set the rollout again with 'leanzoo rollout'"):
        publish(exported["mlp-toy"].path, root, "another")
    (finding,) = lint_repository(root, Machine(2, False))["mlp-toy"]
    assert finding.rule == "rollout-version"


def test_an_ensemble_is_rolled_out_where_its_steps_are_served(train: Train, root: Path) -> None:
    for letter in "abc":
        train(letter)
    write_rollout(root / RAW, Rollout(2))
    assert clean(root)
    write_rollout(root / RAW, Rollout(1))  # its net is not loaded any more
    found = lint_repository(root, Machine(2, False))
    assert [one.message for one in found[RAW]] == ["rollout.json names version 1: served are 2, 3"]


def test_publishing_waits_while_something_is_rolled_out(
    exported: dict[str, Artifact], root: Path
) -> None:
    publish(exported["mlp-toy"].path, root)
    with ThreadPoolExecutor(1) as pool:
        with changing(root):
            waiting = pool.submit(publish, exported["mlp-toy"].path, root, "another")
            with pytest.raises(TimeoutError):
                waiting.result(timeout=1.5)
            assert versions_of(root / "mlp-toy") == [1]
        assert waiting.result(timeout=60).version == 2


def test_what_is_no_folder_is_not_locked(tmp_path: Path) -> None:
    message = r"gone cannot be locked \(No such file"
    with pytest.raises(ArtifactError, match=message), changing(tmp_path / "gone"):
        pass
