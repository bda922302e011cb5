"""The verb that says what is to come in a file: forecast."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.cli.app import app, emit
from zoo.cli.door import Key, Url, endpoint
from zoo.cli.learn import Columns, Time
from zoo.cli.options import REPOSITORY, RUNS, Json, Local, Runs, Threads, progress, stdout

if TYPE_CHECKING:
    from serving.endpoint import Endpoint
    from zoo.cli.outlook import Outlook

PATHS, SEED = 100, 0  # unless asked for otherwise
MOST_STEPS, MOST_PATHS = 100_000, 10_000


@app.command()
def forecast(
    model: Annotated[
        str,
        typer.Argument(
            help="A published student; or gpd, a recipe of it or one trained on your data: the "
            "latest one in --runs, which draws paths."
        ),
    ],
    data: Annotated[Path, typer.Option(help="Your series: CSV, gzipped CSV or Parquet.")],
    horizon: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_STEPS, help="Steps to forecast. Default: the model's own."),
    ] = None,
    paths: Annotated[
        int | None, typer.Option(min=1, max=MOST_PATHS, help="gpd: paths to draw (default 100).")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**31 - 1, help="gpd: of the paths (default 0).")
    ] = None,
    time: Time = None,
    columns: Columns = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder, or beginning of the names, of both files. Default: DATA-MODEL."),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="The picture instead: a .png, .svg or .pdf file.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="The table instead: a .csv file.")] = None,
    url: Url = None,
    key: Key = None,
    local: Local = False,
    repository: Annotated[
        Path | None, typer.Option(help=f"Triton model repository. Default: {REPOSITORY}.")
    ] = None,
    runs: Runs = RUNS,
    threads: Threads = 1,
    json: Json = False,
) -> None:
    """Forecast series of your own: a picture, and a CSV file of quantiles.

    Histories of any length are taken, horizons of any length are answered, and missing values are
    unknown ones. The file need not be one that the model has seen.
    """
    from zoo.cli.fan_chart import draw
    from zoo.cli.outlook import replacing
    from zoo.registry import read_series
    from zoo.sources import report

    targets = names_of(model, data, out, picture, csv)
    run = sampler_of(model, runs)
    if run is None:
        check_plain(model, paths, seed, threads if not local else 1)
    else:
        check_drawing(model, repository, url, key)
    options = {"time": time, "columns": columns}
    series = read_series(data, {name: value for name, value in options.items() if value})
    for repair in series.repairs:
        report(f"{data.name}: {repair}")
    if run is None:
        with endpoint(local, repository or REPOSITORY, url, key, threads) as asked:
            outlook = by_student(asked, model, series, horizon)
    else:
        outlook = by_paths(run, series, horizon, paths or PATHS, seed or SEED, threads)
    with replacing(targets) as (drawn, table):
        draw(outlook, drawn, targets[0].suffix[1:].lower())
        outlook.write_csv(table)
    answer = summary(outlook, targets)
    return emit(answer) if json else tell(answer)


def names_of(
    model: str, data: Path, out: Path | None, picture: Path | None, csv: Path | None
) -> list[Path]:
    """Where the picture and the table go.

    Raises:
        SignatureError: a name of another kind, or that of the data.
        ArtifactError: no file can be written there.
    """
    from zoo.cli.fan_chart import KINDS
    from zoo.contract import SignatureError
    from zoo.results import check_place

    name = f"{Path(data.name.removesuffix('.gz')).stem}-{model}"
    stem = Path(name) if out is None else out / name if out.is_dir() else out
    names = [
        picture or stem.with_name(f"{stem.name}{KINDS[0]}"),
        csv or stem.with_name(f"{stem.name}.csv"),
    ]
    for option, path, kinds in zip(("picture", "csv"), names, (KINDS, (".csv",)), strict=True):
        if path.suffix.lower() not in kinds:
            raise SignatureError(
                f"--{option} {path}: expected a name ending in {' or '.join(kinds)}"
            )
        if path.resolve() == data.resolve():
            raise SignatureError(f"--{option} {path} is the data itself: choose another name")
        check_place(path)
    return names


def sampler_of(model: str, runs: Path) -> Path | None:
    """The checkpoint of a model that draws paths, by its name or a recipe's; None of any other.

    Raises:
        ArtifactError: it is not trained yet.
    """
    from zoo.registry import list_models
    from zoo.results import latest_run

    drawing = [name for name, spec in list_models().items() if spec.forecast]
    if any(f"{model}-".startswith(f"{name}-") for name in drawing):
        return latest_run(runs, model)
    return None


def check_plain(model: str, paths: int | None, seed: int | None, threads: int) -> None:
    """Refuse what only models that draw paths take, and threads of a server.

    Raises:
        SignatureError: it is given.
    """
    from zoo.contract import SignatureError

    for option, value in (("paths", paths), ("seed", seed)):
        if value is not None:
            raise SignatureError(f"{model} answers with quantiles, not paths: leave out --{option}")
    if threads > 1:
        raise SignatureError("a server has threads of its own: leave out --threads, or ask --local")


def check_drawing(model: str, repository: Path | None, url: str | None, key: str | None) -> None:
    """Refuse what a model that draws paths has no use for.

    Raises:
        SignatureError: it is given.
    """
    from zoo.contract import SignatureError

    if url is not None:
        raise SignatureError(f"{model} draws its paths in this process: leave out --url")
    if key is not None:
        raise SignatureError(f"{model} draws its paths in this process: leave out --key")
    if repository is not None:
        raise SignatureError(f"{model} is read from --runs: leave out --repository")


def by_student(asked: Endpoint, model: str, series: Any, horizon: int | None) -> Outlook:
    """What a published model answers."""
    from zoo.cli.outlook import Outlook

    return Outlook(model, series, asked.forecast(model, series.values.T, horizon))


def by_paths(
    run: Path, series: Any, horizon: int | None, paths: int, seed: int, threads: int
) -> Outlook:
    """What a checkpoint draws."""
    from zoo import checkpoint, distill
    from zoo.cli.outlook import Outlook
    from zoo.registry import get_spec

    distill.prepare(threads, "cpu")
    artifact, module, config = checkpoint.load(run)
    draw = get_spec(artifact.recipe["model"]).forecast
    assert draw is not None
    steps = horizon or config.horizon
    with progress() as bars:
        bar = bars.add_task(f"{paths} paths", total=None)
        drawn = draw(
            module,
            series.values.T,
            steps,
            paths,
            seed,
            lambda done, total: bars.update(bar, completed=done, total=total),
        )
    passes = -(-steps // config.reach(steps))
    note = f"Quantiles are those of {paths} paths (seed {seed})."
    if passes > 1:
        note += f" {steps} steps are beyond the model's: every path was drawn in {passes} parts."
    elif steps > config.horizon:
        note += f" {steps} steps are more than the {config.horizon} that it was scored on."
    return Outlook.of_paths(artifact.model, series, drawn, passes, note)


def summary(outlook: Outlook, targets: list[Path]) -> dict[str, Any]:
    """What was forecast and where it is, as plain JSON."""
    found, stamps = outlook.forecast, outlook.stamps
    return {
        "model": outlook.model,
        "data": outlook.series.name,
        "channels": list(outlook.series.channels),
        "horizon": outlook.horizon,
        "first": stamps[0],
        "last": stamps[-1],
        "rolled": found.rolled,
        "paths": None if outlook.paths is None else outlook.paths.shape[1],
        "unknown": outlook.unknown,
        "note": found.note,
        "picture": str(targets[0]),
        "csv": str(targets[1]),
    }


def tell(answer: dict[str, Any]) -> None:
    """The same for people."""
    lines = [
        f"{answer['data']}: {len(answer['channels'])} channel(s), {answer['horizon']} step(s) "
        f"from {answer['first']} to {answer['last']}, by {answer['model']}",
        answer["note"],
        f"wrote {answer['picture']} and {answer['csv']}",
    ]
    if answer["unknown"]:
        names = ", ".join(answer["unknown"])
        lines.insert(1, f"no value is known at the end of {names}: no forecast of it")
    for line in filter(None, lines):
        stdout().print(line, highlight=False, markup=False, soft_wrap=True)
