"""From a recipe to checkpoints: what is trained, what is found, and what survives a stop."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from rich.progress import Progress

from zoo import checkpoint, distill, results
from zoo.artifact import Artifact, ArtifactError
from zoo.knowledge import Ensemble
from zoo.recipes import Recipe, RecipeError
from zoo.registry import get_recipe, get_spec

if TYPE_CHECKING:
    from tests.conftest import Trained

TOY = get_recipe("mlp-toy").using(epochs=3)


def shop(runs: Path) -> distill.Workshop:
    return distill.Workshop(runs, "cpu", Progress(disable=True))


def train(
    runs: Path,
    recipe: Recipe = TOY,
    seeds: Sequence[int] = (1,),
    methods: Sequence[str] = ("ffg2m",),
    also: bool = False,
) -> dict[str, Any]:
    return distill.train(recipe, seeds, methods, also, shop(runs))


def times(runs: Path) -> dict[str, int]:
    """When each file of each checkpoint was written."""
    return {str(p.relative_to(runs)): p.stat().st_mtime_ns for p in runs.glob("*-toy-*/*")}


def test_student_beats_vanilla_and_comes_close_to_its_teacher(toy: Trained) -> None:
    accuracy = {role: m["test_accuracy"] for role, m in toy.result["metrics"].items()}
    assert list(accuracy) == ["teacher", "student", "vanilla"]
    assert accuracy["student"] > accuracy["vanilla"] + 0.1
    assert accuracy["student"] > accuracy["teacher"] - 0.1
    assert accuracy["teacher"] > 0.8


def test_inductive_metrics(toy: Trained) -> None:
    metrics = toy.result["metrics"]
    edgeless = "inductive_edgeless_test_accuracy"
    for role in metrics:
        for name in ("val", "test", "seen_test"):
            assert 0 <= metrics[role][f"inductive_{name}_accuracy"] <= 1
        assert (edgeless in metrics[role]) == (role == "teacher")
    assert metrics["teacher"][edgeless] < metrics["teacher"]["inductive_test_accuracy"]


def test_result(toy: Trained) -> None:
    assert set(toy.result) == results.KEYS | {"seconds"}
    assert toy.result["deployed"] == "ffg2m"
    written = results.result_of(toy.runs, "mlp-toy")  # again by each call, with its own seconds
    assert written | {"seconds": 0} == toy.result | {"seconds": 0}
    artifact, model, _ = checkpoint.load(toy.runs / toy.result["run"])
    assert (artifact.kind, artifact.model) == ("checkpoint", "mlp-toy")
    assert checkpoint.recipe_of(artifact) == get_recipe("mlp-toy")
    assert checkpoint.attachments_of(artifact) == {"labels.txt": b"north\neast\nsouth\nwest\n"}
    data = get_spec("mlp").data(get_recipe("mlp-toy"))
    measured = get_spec("mlp").evaluate(model, data)
    assert measured["test_accuracy"] == toy.result["metrics"]["student"]["test_accuracy"]


def test_methods_share_the_teacher(tmp_path: Path) -> None:
    result = train(tmp_path, methods=("ffg2m", "glnn", "low", "high", "vanilla"))
    assert list(result["metrics"]) == ["teacher", "student", "glnn", "low", "high", "vanilla"]
    (teacher,) = tmp_path.glob("gcn-toy-*")
    digest = Artifact.load(teacher).digest
    students = [Artifact.load(p) for p in tmp_path.glob("mlp-toy-*")]
    parents = {a.recipe["distill"]["method"]: set(a.parents.values()) for a in students}
    assert parents.pop("vanilla") == set()
    assert all(parent == {digest} for parent in parents.values())
    assert len(parents) == 4
    assert len({a.files[checkpoint.WEIGHTS] for a in students}) == 5


def test_second_call_trains_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = train(tmp_path, methods=("ffg2m", "vanilla"), also=True)
    before = times(tmp_path)
    monkeypatch.setattr(distill, "fit", lambda *_: pytest.fail("trained again"))
    second = train(tmp_path, methods=("ffg2m", "vanilla"), also=True)
    assert times(tmp_path) == before
    assert {**first, "seconds": 0} == {**second, "seconds": 0}


def test_several_seeds(tmp_path: Path) -> None:
    result = train(tmp_path, seeds=(1, 2, 3))
    student = result["metrics"]["student"]
    values = student["test_accuracy_per_seed"]
    assert len(values) == 3
    mean = sum(values) / 3
    assert student["test_accuracy"] == pytest.approx(mean)
    variance = sum((v - mean) ** 2 for v in values) / 3
    assert student["test_accuracy_std"] == pytest.approx(variance**0.5)
    kept = Artifact.load(tmp_path / result["run"])
    assert kept.metrics["val_accuracy"] == max(student["val_accuracy_per_seed"])
    assert kept.recipe["distill"]["method"] == "ffg2m"
    teachers = {p.name: Artifact.load(p) for p in tmp_path.glob("gcn-toy-*")}
    assert len(teachers) == 3
    assert set(kept.parents.values()) == {teachers[result["teacher"]].digest}


def test_interrupted_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = distill.fit

    def stopped(model: Any, objective: Any, recipe: Recipe, progress: Progress) -> Any:
        if recipe.model == "mlp":
            raise KeyboardInterrupt
        return fit(model, objective, recipe, progress)

    monkeypatch.setattr(distill, "fit", stopped)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path)
    before = times(tmp_path)
    assert {name.split("-")[0] for name in before} == {"gcn"}
    assert len(list(tmp_path.iterdir())) == 1
    monkeypatch.setattr(distill, "fit", fit)
    result = train(tmp_path)
    assert before.items() <= times(tmp_path).items()
    assert result["metrics"] == _timeless(train(tmp_path / "at once")["metrics"], result)


def _timeless(metrics: dict[str, Any], like: dict[str, Any]) -> dict[str, Any]:
    """Metrics with the training times of another result."""
    return {
        role: {**m, "train_seconds": like["metrics"][role]["train_seconds"]}
        for role, m in metrics.items()
    }


def test_interrupted_save_leaves_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: Any) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(checkpoint, "save_file", full_disk)
    with pytest.raises(ArtifactError, match=r"cannot write .*gcn-toy-.*: No space left"):
        train(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_tampered_checkpoint_is_refused(tmp_path: Path) -> None:
    train(tmp_path)
    (teacher,) = tmp_path.glob("gcn-toy-*")
    weights = teacher / checkpoint.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    for again in (lambda: train(tmp_path), lambda: checkpoint.load(teacher)):
        with pytest.raises(ArtifactError, match="was changed") as caught:
            again()
        assert str(weights) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_weights_of_another_architecture(tmp_path: Path) -> None:
    """A checkpoint from before its module was changed."""
    run = tmp_path / train(tmp_path)["run"]
    artifact, _, config = checkpoint.load(run)
    other = get_spec("mlp").build(replace(config, hidden=config.hidden + 1))
    recipe = checkpoint.recipe_of(artifact)
    checkpoint.save(run, other, config, recipe, {}, {}, {})
    with pytest.raises(ArtifactError, match="another architecture; remove it and train again"):
        checkpoint.load(run)


def test_only_checkpoints_are_loaded(tmp_path: Path) -> None:
    Artifact(tmp_path, "onnx", "m", None).write(tmp_path)
    with pytest.raises(ArtifactError, match="is a onnx artifact: expected a checkpoint"):
        checkpoint.load(tmp_path)


def test_same_seed_same_weights(tmp_path: Path) -> None:
    def weights(folder: str, seed: int, recipe: Recipe) -> list[str]:
        train(tmp_path / folder, recipe, (seed,), ("ffg2m", "vanilla"))
        found = sorted((tmp_path / folder).glob(f"*-*/{checkpoint.WEIGHTS}"))
        return [Artifact.load(p.parent).files[checkpoint.WEIGHTS] for p in found]

    first = weights("a", 1, TOY)
    torch.randn(3)  # what was drawn before has no effect
    assert weights("b", 1, TOY) == first
    assert not set(weights("c", 2, TOY)) & set(first)


def test_several_teachers(tmp_path: Path) -> None:
    """Students of several teachers learn from the mean of their outputs."""
    result = train(tmp_path, replace(TOY, teachers=2))
    teachers = sorted(tmp_path.glob("gcn-toy-*"))
    assert len(teachers) == 2
    student = Artifact.load(tmp_path / result["run"])
    assert set(student.parents.values()) == {Artifact.load(t).digest for t in teachers}
    members = [checkpoint.load(t)[1] for t in teachers]
    spec, data = get_spec("gcn"), get_spec("mlp").data(TOY)
    mean = (spec.outputs(members[0], data) + spec.outputs(members[1], data)) / 2
    torch.testing.assert_close(spec.outputs(Ensemble(members), data), mean)


@pytest.mark.parametrize("teacher", ["gpd", "patchtst"])
def test_several_forecasters_do_not_teach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, teacher: str
) -> None:
    monkeypatch.setattr(distill, "fit", lambda *_: pytest.fail("trained"))
    waves = get_recipe("quantile_mlp-waves")
    assert waves.teacher is not None
    several = replace(waves, teacher=replace(waves.teacher, model=teacher), teachers=2)
    with pytest.raises(RecipeError, match=f"several of {teacher} forecast has no mean to learn"):
        train(tmp_path, several, methods=("paths", "vanilla"))


def test_a_teacher_of_other_data_trains_on_its_own(tmp_path: Path) -> None:
    """It comes out as it does beside a student of the same data."""
    assert TOY.teacher is not None
    other = {"setting": "inductive"}
    alike = train(tmp_path / "alike", TOY.using(data=other))
    apart = train(tmp_path / "apart", replace(TOY, teacher=TOY.teacher.using(data=other)))
    one, same = (
        Artifact.load(tmp_path / folder / str(result["teacher"]))
        for folder, result in (("alike", alike), ("apart", apart))
    )
    assert one.path.name == same.path.name
    assert one.files[checkpoint.WEIGHTS] == same.files[checkpoint.WEIGHTS]


def test_vanilla_alone_trains_no_teacher(tmp_path: Path) -> None:
    result = train(tmp_path, methods=("vanilla",))
    assert list(result["metrics"]) == ["student"]
    assert (result["deployed"], result["teacher"]) == ("vanilla", None)
    assert list(tmp_path.glob("gcn-*")) == []


@pytest.mark.parametrize("better", ["ffg2m", "vanilla"])
def test_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, better: str) -> None:
    """Whichever method is best on validation is deployed; what the roles are does not change."""
    plain = train(tmp_path, methods=("ffg2m", "vanilla"))
    worse = min if better == "vanilla" else max
    spec = replace(get_spec("mlp"), lower=worse is min)
    score = {m: plain["metrics"][m]["val_accuracy"] for m in ("student", "vanilla")}
    assert score["student"] > score["vanilla"]
    monkeypatch.setattr(distill, "get_spec", lambda name: spec if name == "mlp" else get_spec(name))
    result = train(tmp_path, replace(TOY, gate=True), methods=("ffg2m", "vanilla"))
    assert result["metrics"] == plain["metrics"]
    assert result["deployed"] == better
    assert Artifact.load(tmp_path / result["run"]).recipe["distill"]["method"] == better
    assert result["teacher"] == plain["teacher"]


def test_finish_and_baselines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is fitted last is saved; what needs no training is computed once and reported last."""
    computed = []

    def finish(model: torch.nn.Module, data: Any, recipe: Recipe) -> None:
        assert not model.training
        with torch.no_grad():
            next(model.parameters()).fill_(0.5)

    def baselines(data: Any) -> dict[str, dict[str, float]]:
        computed.append(data)
        return {"majority": {"val_accuracy": 0.25, "test_accuracy": 0.25}}

    spec = replace(get_spec("mlp"), finish=finish, baselines=baselines)
    monkeypatch.setattr(distill, "get_spec", lambda name: spec if name == "mlp" else get_spec(name))
    result = train(tmp_path, seeds=(1, 2), methods=("ffg2m", "vanilla"))
    assert len(computed) == 2
    assert list(result["metrics"]) == ["teacher", "student", "vanilla", "majority"]
    assert result["metrics"]["majority"]["test_accuracy_per_seed"] == [0.25, 0.25]
    assert distill.BASELINES not in result["metrics"]["student"]
    model = checkpoint.load(tmp_path / result["run"])[1]
    assert (next(model.parameters()) == 0.5).all()
    assert train(tmp_path, seeds=(1, 2), methods=("ffg2m", "vanilla"))["metrics"].keys() == {
        "teacher", "student", "vanilla", "majority",
    }  # fmt: skip


def test_recipe_without_teacher(tmp_path: Path) -> None:
    alone = replace(TOY, teacher=None)
    with pytest.raises(RecipeError, match="mlp-toy has no teacher, which 'ffg2m' needs: add"):
        train(tmp_path / "runs", alone)
    assert list(train(tmp_path, alone, methods=("vanilla",))["metrics"]) == ["student"]


def test_faults_are_found_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distill, "fit", lambda *_: pytest.fail("trained"))
    with pytest.raises(RecipeError, match="method is 'kd': expected one of ffg2m"):
        train(tmp_path, methods=("ffg2m", "kd"))
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match=r"cannot write .*file: .*; choose another folder"):
        train(tmp_path / "file")


def test_unknown_device() -> None:
    with pytest.raises(ArtifactError, match="device is 'tpu': expected cpu or cuda"):
        distill.prepare(1, "tpu")
    if not torch.cuda.is_available():
        with pytest.raises(ArtifactError, match="no CUDA device here: use --device cpu"):
            distill.prepare(1, "cuda")
