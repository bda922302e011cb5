"""Recipes: what they refuse, and what their id depends on."""

import copy
import dataclasses
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from zoo.recipes import Recipe, RecipeError, _canonical, from_table, read_recipes
from zoo.registry import get_spec
from zoo.spec import config_of

GOOD: dict[str, Any] = {
    "model": "mlp",
    "dataset": "toy",
    "config": {"layers": 2, "hidden": 8, "dropout": 0.5},
    "distill": {"method": "ffg2m"},
    "teacher": {"model": "gcn", "config": {"layers": 2, "hidden": 8, "dropout": 0.5}},
}
SIZES: dict[str, Any] = {"features": 5, "classes": 3, "max_nnz": 8, "row_normalise": True}


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {toml(v)}" for k, v in value.items()) + "}"
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)


def read(folder: Path, table: dict[str, Any]) -> Recipe:
    """Write a recipe file with one table and read it."""
    path = folder / "recipes.toml"
    path.write_text("[mine]\n" + "".join(f"{k} = {toml(v)}\n" for k, v in table.items()))
    return read_recipes(path)["mine"]


def complete(recipe: Recipe) -> None:
    """Check every table of a recipe, as training does."""
    spec = get_spec(recipe.model)
    config_of(spec, recipe, SIZES)
    from_table(spec.data_config, recipe.data, f"{recipe.name}.data")
    from_table(spec.distill_config, recipe.distill, f"{recipe.name}.distill")
    if recipe.teacher:
        complete(recipe.teacher)


def changed(path: str, value: Any) -> dict[str, Any]:
    """The good table with the key at a dotted path set."""
    table = copy.deepcopy(GOOD)
    *parents, key = path.split(".")
    inner = table
    for parent in parents:
        inner = inner.setdefault(parent, {})
    inner[key] = value
    return table


def test_good_recipe(tmp_path: Path) -> None:
    recipe = read(tmp_path, changed("seed", 7))
    complete(recipe)
    assert recipe.teacher is not None
    assert (recipe.name, recipe.teacher.name) == ("mine", "gcn-toy")
    assert (recipe.teacher.dataset, recipe.teacher.seed) == ("toy", 7)
    assert recipe.method == "ffg2m"


REFUSED = [
    ("epoch", 3, r"unknown key 'epoch' in recipes.toml \[mine\]: did you mean epochs"),
    ("teacher.epoch", 3, r"unknown key 'epoch' in recipes.toml \[mine\].teacher: .*epochs"),
    ("config.hiden", 3, "unknown key 'hiden' in mine.config: did you mean hidden"),
    ("teacher.config.hiden", 3, "unknown key 'hiden' in gcn-toy.config: did you mean hidden"),
    ("distill.lambda", 3, "unknown key 'lambda' in mine.distill: did you mean"),
    ("data.seting", "inductive", "unknown key 'seting' in mine.data: did you mean setting"),
    ("epochs", "3", "'epochs' in .* is '3': expected a value of type int"),
    ("epochs", True, "'epochs' in .* is True: expected a value of type int"),
    ("config", 3, "'config' in .* is 3: expected a value of type dict"),
    ("config.hidden", 8.5, "'hidden' in mine.config is 8.5: expected a value of type int"),
    ("teacher", "gcn", "'teacher' in .* is 'gcn': expected a table"),
    ("select", "los", "select is 'los': expected one of accuracy, auc, loss, mse, crps"),
    ("epochs", 0, "expected epochs, patience, teachers, folds >= 1"),
    ("seed", -1, "expected seed, batch_size, .* >= 0"),
    ("warmup", -1, "and warmup >= 0"),
    ("clip", -1, "and clip >= 0"),
    ("decay", 1.5, "expected 0 < decay <= 1 and"),
    ("average", 1.0, "and 0 <= average < 1"),
    ("lr", 0, "lr > 0"),
    ("model", "mpl", "unknown model 'mpl': did you mean mlp"),
    ("config.layers", 1, "mine.config: expected layers >= 2"),
    ("config.dropout", 1, "mine.config: expected .*dropout < 1"),
    ("teacher.config.kind", "gin", "kind is 'gin': expected gcn, sage or gat"),
    ("distill.method", "kd", "method is 'kd': expected one of ffg2m, glnn, low, high, vanilla"),
    ("distill.label_weight", 1.5, "expected 0 <= label_weight <= 1"),
    ("data.setting", "half", "setting is 'half': expected transductive or inductive"),
]


@pytest.mark.parametrize(("path", "value", "message"), REFUSED, ids=lambda v: str(v)[:20])
def test_refused(tmp_path: Path, path: str, value: Any, message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        complete(read(tmp_path, changed(path, value)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["model", "dataset"])
def test_what_every_recipe_needs(tmp_path: Path, key: str) -> None:
    table = {k: v for k, v in GOOD.items() if k != key}
    with pytest.raises(RecipeError, match=rf"\[mine\] lacks '{key}'; add it"):
        read(tmp_path, table)


def test_missing_config_key(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"mine.config: .*'hidden'"):
        complete(read(tmp_path, changed("config", {"layers": 2, "dropout": 0.5})))


@pytest.mark.parametrize("text", ["[mine\n", "epochs = 3\n"])
def test_no_recipe_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recipes.toml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=r"recipes.toml") as caught:
        read_recipes(path)
    assert "\n" not in str(caught.value)


BASE = Recipe("a", "mlp", "toy", teacher=Recipe("t", "gcn", "toy"))


def test_id_of_equal_content() -> None:
    assert BASE.id == replace(BASE).id
    assert BASE.id == replace(BASE, name="b").id
    teacher = replace(BASE.teacher, name="u") if BASE.teacher else None
    assert BASE.id == replace(BASE, teacher=teacher).id


def test_id_of_own_data_is_its_content() -> None:
    own = BASE.using(dataset="/x/my.npz", dataset_sha256="ab")
    assert own.id == own.using(dataset="/y/other.npz").id
    assert own.id != own.using(dataset_sha256="cd").id
    assert own.id != BASE.id


def test_shared_data_is_the_same_read_in_the_same_way() -> None:
    assert BASE.teacher is not None
    assert BASE.shares_data(BASE.teacher)
    for other in ({"dataset": "cora"}, {"dataset_sha256": "ab"}, {"data": {"setting": "x"}}):
        assert not BASE.shares_data(BASE.teacher.using(**other))


OTHER: dict[str, Any] = {
    "split_seed": 7,
    "model": "gcn",
    "dataset": "cora",
    "dataset_sha256": "ab",
    "seed": 1,
    "config": {"hidden": 8},
    "data": {"setting": "inductive"},
    "distill": {"method": "low"},
    "epochs": 1,
    "patience": 1,
    "lr": 0.5,
    "weight_decay": 0.0,
    "select": "loss",
    "teacher": None,
    "teachers": 2,
    "folds": 2,
    "batch_size": 64,
    "hold_epochs": 1,
    "decay": 0.1,
    "min_gain": 0.5,
    "average": 0.5,
    "clip": 1.0,
    "cosine": True,
    "warmup": 10,
}


def test_every_field_that_the_weights_depend_on_changes_the_id() -> None:
    assert replace(BASE, name="b", gate=True).id == BASE.id
    fields = {f.name for f in dataclasses.fields(Recipe)} - {"name", "gate"}
    assert set(OTHER) == fields
    ids = [replace(BASE, **{name: value}).id for name, value in OTHER.items()]
    assert len({BASE.id, *ids}) == len(fields) + 1
    assert BASE.teacher is not None
    deeper = replace(BASE, teacher=replace(BASE.teacher, lr=0.5))
    assert deeper.id != BASE.id


def test_a_default_that_is_written_out_leaves_the_id() -> None:
    plain = Recipe("a", "mlp", "toy")
    written_out: dict[str, Any] = {
        f.name: getattr(plain, f.name) for f in dataclasses.fields(Recipe)
    }
    assert Recipe(**written_out).id == plain.id
    assert set(_canonical(plain)) == {"model", "dataset"}


def test_id_is_stable_across_versions() -> None:
    """Checkpoints on disk are found by these; a change makes every finished training run anew."""
    assert Recipe("a", "mlp", "toy").id == "95956ba84a9c"
    assert BASE.id == "5259a4db01f8"


def test_several_teachers_have_no_folds() -> None:
    with pytest.raises(ValueError, match="teachers and folds are both above 1: choose one"):
        replace(BASE, teachers=2, folds=2)


@pytest.mark.parametrize("schedule", [{"cosine": True}, {"warmup": 5}])
def test_one_schedule_of_the_learning_rate(schedule: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="decay is below 1 beside cosine or warmup: choose one"):
        replace(BASE, decay=0.5, **schedule)


def test_vanilla_and_shared_fields() -> None:
    kind = get_spec("mlp").distill_config
    warm = replace(BASE, distill={"method": "ffg2m", "temperature": 1.5})
    vanilla = replace(warm, teachers=3).by("vanilla", kind)
    assert (vanilla.teacher, vanilla.distill, vanilla.teachers) == (None, {"method": "vanilla"}, 1)
    low = warm.by("low", kind)
    assert low.distill == {"method": "low", "temperature": 1.5}
    assert low.teacher == BASE.teacher
    seeded = BASE.using(seed=5)
    assert seeded.teacher is not None
    assert (seeded.seed, seeded.teacher.seed) == (5, 5)


def test_vanilla_keeps_what_holds_without_a_teacher() -> None:
    kind = get_spec("quantile_mlp").distill_config
    shipped = {"method": "paths", "lam": 0.5, "squares": 0.3, "gaps": 0.1}
    assert replace(BASE, distill=shipped).by("vanilla", kind).distill == {"method": "vanilla"}
    changed = replace(BASE, distill={**shipped, "squares": 0.0, "gaps": 0.4})
    kept = {"method": "vanilla", "squares": 0.0, "gaps": 0.4}
    assert changed.by("vanilla", kind).distill == kept
    assert replace(BASE, distill={"gaps": 0.4}).by("vanilla", kind).distill["gaps"] == 0.4
