"""Every shipped recipe and model: ranges over the registry."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.sizes import CHOICES, SIZES, SPARSE, log_of
from zoo.contract import TensorSpec
from zoo.recipes import Recipe, RecipeError, from_table
from zoo.registry import (
    describe_dataset,
    get_recipe,
    get_spec,
    list_datasets,
    list_models,
    list_recipes,
)
from zoo.sources import DataError
from zoo.spec import config_of, forms_of


def sizes_of(task: str, recipe: Recipe) -> dict[str, Any]:
    """Config fields as the recipe's data give them."""
    if task == "forecasting":
        return {key: recipe.data[key] for key in ("lookback", "horizon")} | {"channels": 3}
    return SPARSE if task == "node-classification" else log_of(recipe.dataset)


# Dataset, teacher: layers, hidden, dropout of student and teacher, temperature, label weight, as
# released by the authors of FF-G2M with the two dropouts un-swapped (their `dropout_t` is the
# student's).
RELEASED = """
cora gcn 3 512 .6 .5 1.5 .4
cora sage 3 512 .4 .3 1.3 .5
cora gat 3 1024 .3 .6 1.2 .5
citeseer gcn 2 256 .5 .5 1.5 .1
citeseer sage 2 1024 .5 .5 1.2 .1
citeseer gat 2 2048 .4 .5 1.0 .1
pubmed gcn 2 1024 .3 .6 1.5 .0
pubmed sage 2 2048 .6 .3 1.3 .0
pubmed gat 2 2048 .3 .5 1.2 .0
coauthor-cs gcn 2 1024 .5 .6 1.5 .3
coauthor-cs sage 2 256 .6 .3 1.4 .5
coauthor-cs gat 2 128 .4 .5 1.1 .3
coauthor-physics gcn 2 2048 .3 .4 1.2 .2
coauthor-physics sage 2 1024 .5 .6 1.1 .5
coauthor-physics gat 2 256 .3 .4 1.4 .3
amazon-photo gcn 3 2048 .5 .6 1.3 .1
amazon-photo sage 3 1024 .4 .4 1.5 .2
amazon-photo gat 3 256 .3 .3 1.4 .3
"""


@pytest.mark.parametrize("line", RELEASED.split("\n")[1:-1])
def test_released_hyper_parameters(line: str) -> None:
    dataset, teacher, *numbers = line.split()
    layers, hidden, p_student, p_teacher, temperature, label_weight = map(float, numbers)
    recipe = get_recipe(f"mlp-{dataset}" + ("" if teacher == "gcn" else f"-{teacher}"))
    assert recipe.teacher is not None
    assert (recipe.dataset, recipe.teacher.model) == (dataset, teacher)
    assert recipe.config == {"layers": layers, "hidden": hidden, "dropout": p_student}
    assert recipe.teacher.config == {"layers": layers, "hidden": hidden, "dropout": p_teacher}
    assert recipe.distill == {
        "method": "ffg2m",
        "label_weight": label_weight,
        "temperature": temperature,
    }
    assert recipe.lr == (0.001 if dataset == "amazon-photo" else 0.01)
    assert recipe.teacher.lr == 0.01
    for made in (recipe, recipe.teacher):
        assert (made.epochs, made.patience, made.weight_decay, made.seed) == (500, 50, 5e-4, 2022)


@pytest.mark.parametrize("name", list_recipes())
def test_recipe_is_valid(name: str) -> None:
    recipe = get_recipe(name)
    assert recipe.name == name
    assert set(recipe.dataset.split("+")) <= set(list_datasets())
    for made in filter(None, (recipe, recipe.teacher)):
        spec = get_spec(made.model)
        config_of(spec, made, sizes_of(spec.task, made))
        from_table(spec.data_config, made.data, f"{name}.data")
        from_table(spec.distill_config, made.distill, f"{name}.distill")
    assert recipe.teacher is None or recipe.teacher.dataset == recipe.dataset


def test_recipes_have_different_ids() -> None:
    recipes = list_recipes()
    assert len({recipe.id for recipe in recipes.values()}) == len(recipes) > 18


@pytest.mark.parametrize(
    ("name", "sizes"),
    [(name, sizes) for name, spec in list_models().items() for sizes in SIZES[spec.task]],
)
def test_model_is_what_its_spec_says(name: str, sizes: str) -> None:
    spec = get_spec(name)
    assert spec.doc.endswith(".")
    told = {**SIZES[spec.task][sizes], **CHOICES.get(name, {})}
    config = from_table(spec.config, told, name)
    module = spec.build(config)
    assert isinstance(module, torch.nn.Module)
    forms = forms_of(spec, config)
    assert forms
    for export in forms.values():
        signature = export.signature(config)
        tensors = signature.inputs + signature.outputs
        assert all(isinstance(t, TensorSpec) and t.doc for t in tensors)
        assert len({t.name for t in tensors}) == len(tensors)
        signature.check(signature.sample(3))
        assert isinstance(export.wrap(module.eval()), torch.nn.Module)


def test_unknown_names_are_answered_with_near_ones() -> None:
    with pytest.raises(RecipeError, match="unknown recipe 'mlp-corra': did you mean mlp-cora"):
        get_recipe("mlp-corra")
    with pytest.raises(RecipeError, match="unknown model 'gnc': did you mean gcn"):
        get_spec("gnc")
    with pytest.raises(DataError, match="unknown dataset 'citesear': did you mean citeseer"):
        describe_dataset("citesear")


def test_datasets_are_listed_once_and_described() -> None:
    names = list_datasets()
    assert len(set(names)) == len(names)
    row = describe_dataset("toy")
    assert (row["dataset"], row["nodes"], row["classes"]) == ("toy", 600, 4)
    row = describe_dataset("clicks")
    assert (row["dataset"], row["rows"], row["fields"]) == ("clicks", 6000, 6)


def test_own_file_is_described(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"my.npz is no file"):
        describe_dataset(str(tmp_path / "my.npz"))
