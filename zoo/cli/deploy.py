"""Verbs from exported graphs to a server: publish, serve."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.cli.app import app, emit
from zoo.cli.convert import EXPORTS
from zoo.cli.options import (
    REPOSITORY,
    RUNS,
    Json,
    RecipeName,
    Repository,
    Runs,
    progress,
    stderr,
    stdout,
)

if TYPE_CHECKING:
    from export.choice import Choice
    from serving.triton import Triton

Port = Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")]


@app.command()
def publish(
    recipe: RecipeName,
    precision: Annotated[
        str | None,
        typer.Option(help="Publish this one; default: of those exported, the fastest here."),
    ] = None,
    sign: Annotated[
        Path | None, typer.Option(help="Private key (PEM) that signs every new version.")
    ] = None,
    smoke: Annotated[
        bool,
        typer.Option(
            help="First publish into a scratch repository, and hold what a real Triton answers "
            "there against this process; runs/RECIPE/smoke.json says what was found."
        ),
    ] = False,
    repository: Repository = REPOSITORY,
    runs: Runs = RUNS,
    json: Json = False,
) -> None:
    """Publish a recipe's exports as new versions; identical content stays the version it is.

    Every check of an artifact is repeated first. Of several precisions the fastest is published,
    asked here for one row at a time, in turns; one that is less precise must take less than 95 %
    of the time of every more precise one. What was chosen among is said.
    """
    published = publish_recipe(recipe, runs, repository, precision, sign, smoke)
    if json:
        return emit({"recipe": recipe, "published": published})
    for version in published:
        state = "published" if version["changed"] else "unchanged"
        line = f"{version['model']} version {version['version']} {state}, {version['precision']}"
        stdout().print(line, highlight=False)
        for one in version["variants"] if len(version["variants"]) > 1 else ():
            said = one["refused"] or _measured(one)
            stdout().print(f"  {one['precision']}: {said}", highlight=False, soft_wrap=True)
    return None


def _measured(variant: dict[str, Any]) -> str:
    size = f"{variant['size_bytes'] / 1e6:.2f} MB"
    return f"{variant['p50_us']:.1f} µs, {size}" if variant["p50_us"] is not None else size


def publish_recipe(
    name: str,
    runs: Path,
    repository: Path,
    precision: str | None = None,
    key: Path | None = None,
    smoke: bool = False,
) -> list[dict[str, Any]]:
    """Publish every export of a recipe, each with its model card.

    Args:
        name: of the recipe.
        runs: folder of checkpoints and exports.
        repository: that receives the versions.
        precision: of all; None for the fastest of each form.
        key: private key that signs the versions; None for none.
        smoke: ask them through a real Triton first.

    Returns:
        Of each ``model``, ``version``, ``path``, ``changed``, ``precision`` and ``variants``.

    Raises:
        ArtifactError: not exported, or one export is of an earlier training than the latest.
        ExportError: not exported in that precision, or a gate fails when it is repeated.
    """
    from export.card import card
    from export.repository import publish_all
    from export.signing import check_key, sign, signature_file
    from zoo.cli.smoke import SMOKE_FILE
    from zoo.cli.smoke import smoke as ask_triton
    from zoo.results import result_of, write_json

    if key is not None:
        check_key(key)
    choices = _choices(name, runs, precision)
    folders = [choice.artifact.path for choice in choices.values()]
    if smoke:
        write_json(runs / name / SMOKE_FILE, ask_triton(folders))
    result = result_of(runs, name)
    published = publish_all(folders, repository, lambda artifact: card(result, artifact))
    if key is not None:
        for version in published:
            if version.changed or not signature_file(version.path).exists():
                sign(version.path, key)
    return [
        {
            **vars(version),
            "path": str(version.path),
            "precision": choices[version.model].artifact.metrics["precision"],
            "variants": [vars(one) for one in choices[version.model].variants],
        }
        for version in published
    ]


def _choices(name: str, runs: Path, precision: str | None) -> dict[str, Choice]:
    """The variant of every model of a recipe that is to be published.

    Raises:
        ArtifactError: not exported, or one export is of an earlier training than the latest.
    """
    from export.choice import choose_all
    from export.precision import parse_precision
    from zoo.artifact import Artifact, ArtifactError
    from zoo.results import result_of

    wanted = parse_precision(precision).name if precision is not None else None
    trained = Artifact.load(runs / result_of(runs, name)["run"], verify=False).digest
    found = choose_all(runs / name / EXPORTS, trained, wanted)
    if not found:
        raise ArtifactError(f"'{name}' is not exported yet: run 'leanzoo export {name}'")
    return {one.model: one for one in found}


@app.command()
def serve(
    models: Annotated[list[str] | None, typer.Argument(help="Models; default: all.")] = None,
    repository: Repository = REPOSITORY,
    http_port: Port = 8000,
    grpc_port: Port = 8001,
    json: Json = False,
) -> None:
    """Serve the model repository with Triton on loopback until Ctrl-C."""
    import signal

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with running(repository, models or None, http_port, grpc_port) as triton:
        served = {"models": triton.names, "grpc": triton.grpc_url, "http": triton.http_url}
        with contextlib.suppress(KeyboardInterrupt):  # who reads that it serves may stop it at once
            if json:
                emit(served)
            else:
                stderr().print(f"serving {', '.join(triton.names)}", highlight=False)
                stderr().print(f"gRPC {triton.grpc_url}, HTTP {triton.http_url}; Ctrl-C stops it")
            triton.wait()


@contextlib.contextmanager
def running(
    repository: Path, models: list[str] | None, http_port: int = 0, grpc_port: int = 0
) -> Iterator[Triton]:
    """A Triton server, and a bar while it is fetched and started."""
    from serving.triton import Triton

    with contextlib.ExitStack() as stack:
        with progress() as bars:
            bars.add_task("start Triton", total=None)
            triton = stack.enter_context(Triton(repository, models, http_port, grpc_port))
        yield triton
