"""Verbs from a trained model to a server: export, publish, serve."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.cli.app import app, emit
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
    from serving.triton import Triton
    from zoo.artifact import Artifact

EXPORTS = "onnx"
FP32, INT8 = "fp32", "int8"

Port = Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")]


@app.command()
def export(
    recipe: RecipeName,
    forms: Annotated[
        str | None, typer.Option(help="Forms to export, such as dense,sparse; default: all.")
    ] = None,
    precision: Annotated[
        str, typer.Option(help="Click models: fp32,int8 adds the row form with int8 weights.")
    ] = FP32,
    runs: Runs = RUNS,
    json: Json = False,
) -> None:
    """Export a trained student to ONNX, through the parity gate.

    1,000 real rows, or all there are, at batches 1, 2, 3, 7 and max must give the trained model's
    answers, and raw values those of their ids; int8 must keep the test metric. Nothing is written
    otherwise.
    """
    chosen = forms.split(",") if forms else None
    artifacts = export_recipe(recipe, runs, chosen, precision.split(","))
    if not chosen and FP32 in precision:
        _say_unsuited(recipe, artifacts)
    rows = [{"model": a.model, "artifact": str(a.path), **a.metrics} for a in artifacts]
    if json:
        return emit({"recipe": recipe, "exports": rows})
    for row in rows:
        stdout().print(f"{row['model']}  {row['artifact']}", highlight=False)
        parity, held = row["parity"], row.get(INT8)
        found = f"  parity: {parity['rows']} rows, max |Δ| {parity['max_abs_diff']:.1e}"
        if held:
            found += f", {held['metric']} {held[INT8]:.4f} (fp32 {held['fp32']:.4f})"
            found += f" at {100 * held['size']:.0f} % of the size"
        if "p50_batch1_us" in row:  # of what is served
            found += f"; batch 1 in process: {row['p50_batch1_us']:.0f} µs p50"
        stdout().print(found, highlight=False)
    return None


def _say_unsuited(recipe: str, artifacts: list[Artifact]) -> None:
    """Say which forms a model has not, and what they are for."""
    from zoo.registry import get_spec

    made = {artifact.metrics["form"] for artifact in artifacts}
    for form, known in get_spec(artifacts[0].recipe["model"]).exports.items():
        if known.served and form not in made:
            line = f"{recipe} has no form '{form}', which is for {known.doc}"
            stderr().print(line, highlight=False, soft_wrap=True)


def export_recipe(
    name: str, runs: Path, forms: list[str] | None = None, precisions: Sequence[str] = (FP32,)
) -> list[Artifact]:
    """Export the student that ``train`` chose.

    Args:
        name: of its recipe.
        runs: folder of checkpoints and exports.
        forms: None for all.
        precisions: ``fp32``, which all forms have, and ``int8``, which the row form has.

    Raises:
        ExportError: an unknown precision, or forms that no precision asked for has.
    """
    from export.errors import ExportError
    from export.quantize import export_int8
    from export.to_onnx import export_checkpoint
    from zoo.results import result_of

    if wrong := [one for one in precisions if one not in (FP32, INT8)]:
        raise ExportError(f"precision is '{wrong[0]}': expected {FP32}, {INT8} or both")
    if forms and FP32 not in precisions:
        raise ExportError(f"{INT8} is of the row form alone: leave out --forms, or add {FP32}")
    run, out = runs / result_of(runs, name)["run"], runs / name / EXPORTS
    with progress() as bars:
        bars.add_task(f"{name} export", total=None)
        int8 = [export_int8(run, out)] if INT8 in precisions else []  # may fail for its metric
        fp32 = export_checkpoint(run, forms, out) if FP32 in precisions else []
        return [*fp32, *int8]


@app.command()
def publish(
    recipe: RecipeName,
    repository: Repository = REPOSITORY,
    runs: Runs = RUNS,
    json: Json = False,
) -> None:
    """Publish a recipe's exports as new versions; identical content stays the version it is."""
    published = [vars(version) for version in publish_recipe(recipe, runs, repository)]
    for version in published:
        version["path"] = str(version["path"])
    if json:
        return emit({"recipe": recipe, "published": published})
    for version in published:
        state = "published" if version["changed"] else "unchanged"
        stdout().print(f"{version['model']} version {version['version']} {state}", highlight=False)
    return None


def publish_recipe(name: str, runs: Path, repository: Path) -> list[Any]:
    """Publish every export of a recipe, each with its model card.

    Raises:
        ArtifactError: not exported, or one export is of an earlier training than the latest.
    """
    from export.card import card
    from export.repository import publish_all
    from zoo.artifact import Artifact, ArtifactError
    from zoo.results import result_of

    folders = sorted(p.parent for p in (runs / name / EXPORTS).glob("*/artifact.json"))
    if not folders:
        raise ArtifactError(f"'{name}' is not exported yet: run 'leanzoo export {name}'")
    result = result_of(runs, name)
    trained = Artifact.load(runs / result["run"], verify=False).digest
    for folder in folders:
        if Artifact.load(folder, verify=False).parents.get("checkpoint") != trained:
            raise ArtifactError(
                f"{folder} was exported from an earlier training: export it again, or remove it"
            )
    return publish_all(folders, repository, lambda artifact: card(result, artifact))


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
