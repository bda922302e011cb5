"""``leanzoo rollout``: versions of one training answer together, or nothing is changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from export.published import served_versions
from export.repository import publish_all
from tests.cli.conftest import RECIPE, Leanzoo, Outcome, Published, assert_one_line
from tests.export.retrained import retrained
from zoo.artifact import Artifact
from zoo.cli.convert import EXPORTS
from zoo.cli.rollouts import find_forms
from zoo.rollout import Rollout, read_rollout
from zoo.steps import read_steps

FORMS = [RECIPE, *(f"{RECIPE}-{form}" for form in ("rank", "rank-raw", "raw"))]


def exports(clicks: Published) -> list[Artifact]:
    files = sorted((clicks.runs / RECIPE / EXPORTS).glob("*/*/artifact.json"))
    return [Artifact.load(file.parent) for file in files]


@pytest.fixture(scope="module")
def twice(clicks: Published, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with two trainings of one model; to be left as it is."""
    root = tmp_path_factory.mktemp("twice")
    for letter in "ab":
        folders = retrained(exports(clicks), root / letter, letter)
        publish_all(folders, root / "models", lambda _: None)
    return root / "models"


@pytest.fixture
def root(twice: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(twice, tmp_path / "models"))


class Rolling:
    """``leanzoo rollout`` of the model."""

    def __init__(self, leanzoo: Leanzoo, root: Path) -> None:
        self.leanzoo, self.root = leanzoo, root

    def __call__(self, *options: object) -> Outcome:
        return self.leanzoo("rollout", RECIPE, "--repository", self.root, "--json", *options)

    def rows(self, *options: object) -> dict[str, dict[str, Any]]:
        outcome = self(*options)
        assert outcome.code == 0, outcome.err
        assert outcome.json["model"] == RECIPE
        return {row.pop("model"): row for row in outcome.json["rollouts"]}


@pytest.fixture
def rolling(leanzoo: Leanzoo, root: Path) -> Rolling:
    return Rolling(leanzoo, root)


def files(root: Path) -> list[str]:
    return sorted(file.parent.name for file in root.glob("*/rollout.json"))


def state(version: int, canary: int | None = None, fraction: float = 0) -> dict[str, Any]:
    return {"versions": [1, 2], "version": version, "canary": canary, "fraction": fraction}


def test_all_forms_roll_back_and_forth(rolling: Rolling, root: Path) -> None:
    assert rolling.rows() == {form: state(2) for form in FORMS}
    assert files(root) == []
    assert rolling.rows("--to", 1) == {form: state(1) for form in FORMS}
    assert files(root) == FORMS  # a vocabulary is asked by ensembles alone, which name its version
    assert {read_rollout(root / form) for form in FORMS} == {Rollout(1)}
    assert {path.parent.name for path in served_versions(root)} == {
        path.parent.name for path in root.glob("*/config.pbtxt")
    }
    assert rolling.rows("--to", "latest") == {form: state(2) for form in FORMS}
    assert files(root) == []


def test_a_trial_leaves_the_rest_to_the_version_before(rolling: Rolling, root: Path) -> None:
    assert rolling.rows("--canary", "5%")[RECIPE] == state(1, 2, 0.05)
    assert {read_rollout(root / form) for form in FORMS} == {Rollout(1, 2, 0.05)}
    assert rolling.rows("--canary", "20 %")[RECIPE] == state(1, 2, 0.2)
    assert rolling.rows("--canary", "0%")[RECIPE] == state(1)
    assert rolling.rows("--canary", "100%")[RECIPE] == state(1, 2, 1)
    assert rolling.rows("--to", 2)[RECIPE] == state(2)
    assert rolling.rows("--canary", "1%", "--canary-version", 1)[RECIPE] == state(2, 1, 0.01)


def test_an_older_version_on_trial_leaves_the_rest_to_the_latest(rolling: Rolling) -> None:
    assert rolling.rows("--canary", "5%", "--canary-version", 1)[RECIPE] == state(2, 1, 0.05)


def test_what_is_rolled_out_stays_served(
    rolling: Rolling, root: Path, clicks: Published, tmp_path: Path
) -> None:
    rolling.rows("--to", 1)
    for letter in "cd":
        publish_all(retrained(exports(clicks), tmp_path / letter, letter), root, lambda _: None)
    rows = rolling.rows()
    assert {tuple(row["versions"]) for row in rows.values()} == {(1, 3, 4)}
    assert {row["version"] for row in rows.values()} == {1}
    assert [step.version for step in read_steps(root / f"{RECIPE}-raw" / "1")] == [1, 1]
    assert rolling.rows("--canary", "5%")[RECIPE]["canary"] == 4
    assert rolling.rows("--to", "latest")[RECIPE]["version"] == 4


def test_of_one_training_published_again_the_forms_published_together_answer(
    leanzoo: Leanzoo, clicks: Published, tmp_path: Path
) -> None:
    root = tmp_path / "models"
    folders = [one.path for one in exports(clicks)]
    for card in ("one", "two", "three"):
        publish_all(folders, root, lambda _, card=card: card)  # type: ignore[misc]
        if card == "one":
            assert Rolling(leanzoo, root).rows("--to", 1)[RECIPE]["version"] == 1
    rows = Rolling(leanzoo, root).rows("--canary", "5%")
    assert {(row["version"], row["canary"]) for row in rows.values()} == {(1, 3)}


def test_in_words(leanzoo: Leanzoo, root: Path) -> None:
    outcome = leanzoo("rollout", RECIPE, "--repository", root, "--canary", "2.5%")
    first, *rest = outcome.out.splitlines()
    assert first == (
        f"{RECIPE}: version 1 answers, of 1, 2; version 2 is on trial for 2.5 % of the keys"
    )
    assert len(rest) == len(FORMS) - 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--to", 3), "version 3 of 'finalmlp-clicks' is not served: served are 1, 2"),
        (("--to", "two"), "'two' is no version: expected a whole number from 1, or 'latest'"),
        (("--to", "01"), "'01' is no version"),
        (("--to", ""), "'' is no version"),
        (("--canary", "5"), "'5' is no share: expected one from 0% to 100%, such as 5%"),
        (("--canary", "101%"), "'101%' is no share"),
        (("--canary", "nan%"), "'nan%' is no share"),
        (("--canary", "-1%"), "'-1%' is no share"),
        (("--canary-version", 1), "it names the version that --canary puts on trial"),
        (("--canary", "5%", "--canary-version", 7), "version 7 of 'finalmlp-clicks' is not served"),
        (("--canary", "5%", "--to", "latest"), "'latest' ends a trial: name a version"),
        (("--canary", "5%", "--to", 2), "version 2 of 'finalmlp-clicks' answers already"),
    ],
)
def test_what_cannot_be_is_one_line(
    rolling: Rolling, root: Path, options: tuple[object, ...], message: str
) -> None:
    outcome = rolling(*options)
    assert outcome.code != 0
    assert_one_line(outcome, message)
    assert message in outcome.json["error"]
    assert files(root) == []


def lose_manifest(root: Path) -> None:
    (root / f"{RECIPE}-rank" / "1" / "artifact.json").unlink()


def change_graph(root: Path) -> None:
    with (root / RECIPE / "1" / "model.onnx").open("ab") as stream:
        stream.write(b"?")


def change_vocabulary(root: Path) -> None:
    (root / f"{RECIPE}-encode" / "1" / "golden.json").write_text("{}")


def other_training(root: Path) -> None:
    file = root / f"{RECIPE}-raw" / "1" / "artifact.json"
    raw = json.loads(file.read_text())
    raw["parents"]["checkpoint"] = "of another"
    file.write_text(json.dumps(raw))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lose_manifest,
            "'finalmlp-clicks-rank' has no served version of the training of version 1",
        ),
        (change_graph, "model 'finalmlp-clicks' version 1: "),
        (change_vocabulary, "model 'finalmlp-clicks-encode' version 1: "),
        (other_training, "'finalmlp-clicks-raw' has no served version of the training of version"),
    ],
)
def test_nothing_is_set_unless_every_form_can_answer(
    rolling: Rolling, root: Path, damage: Any, message: str
) -> None:
    damage(root)
    assert_one_line(rolling("--to", 1), message)
    assert files(root) == []
    assert rolling.rows("--to", 2)[RECIPE]["version"] == 2


def test_a_half_written_latest_is_rolled_back_and_not_tried(rolling: Rolling, root: Path) -> None:
    (root / RECIPE / "2" / "artifact.json").unlink()
    assert rolling.rows("--to", 1)[RECIPE]["version"] == 1
    assert_one_line(rolling("--to", "latest"), "half-written")
    assert_one_line(rolling("--canary", "5%"), "half-written")
    assert {read_rollout(root / form) for form in FORMS} == {Rollout(1)}


def test_a_rollout_that_cannot_be_read_is_set_again(rolling: Rolling, root: Path) -> None:
    (root / RECIPE / "rollout.json").write_text("{")
    assert_one_line(rolling(), "rollout.json cannot be read")
    assert_one_line(rolling("--canary", "5%"), "rollout.json cannot be read")
    assert rolling.rows("--to", 1)[RECIPE] == state(1)


def test_a_failed_write_leaves_all_as_they_were(
    rolling: Rolling, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rolling.rows("--to", 1)
    from zoo import rollout
    from zoo.cli import rollouts

    real, left = rollout.write_rollout, [3]

    def failing(folder: Path, wanted: Rollout) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise rollout.ArtifactError(f"cannot write {folder}: no space")
        real(folder, wanted)

    monkeypatch.setattr(rollouts, "write_rollout", failing)
    assert_one_line(rolling("--to", 2), "no space")
    assert {read_rollout(root / form) for form in FORMS} == {Rollout(1)}


def test_a_form_is_not_rolled_alone(leanzoo: Leanzoo, root: Path) -> None:
    outcome = leanzoo("rollout", f"{RECIPE}-raw", "--repository", root)
    assert_one_line(outcome, f"'{RECIPE}-raw' is a form of '{RECIPE}', and rolls with it")
    unknown = leanzoo("rollout", "finalmlp", "--repository", root)
    assert_one_line(unknown, f"no model 'finalmlp' in {root}: did you mean {RECIPE}")


def test_a_model_that_is_only_named_alike_is_no_form(root: Path) -> None:
    shutil.copytree(root / RECIPE, root / f"{RECIPE}-192")
    for file in (root / f"{RECIPE}-192").glob("*/artifact.json"):
        raw = json.loads(file.read_text())
        raw["recipe"]["name"] = f"{RECIPE}-192"
        file.write_text(json.dumps(raw))
    assert [form.model for form in find_forms(root, RECIPE)] == FORMS
