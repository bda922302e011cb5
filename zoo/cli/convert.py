"""Verbs about exported graphs: export, verify."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.cli.app import app, emit
from zoo.cli.options import (
    REPOSITORY,
    RUNS,
    Json,
    RecipeName,
    Runs,
    progress,
    stderr,
    stdout,
)

if TYPE_CHECKING:
    from export.to_onnx import Exported
    from zoo.artifact import Artifact

EXPORTS, ENGINES = "onnx", "tensorrt"
SMS = "80,86,89,120"


@app.command()
def export(
    recipe: RecipeName,
    forms: Annotated[
        str | None, typer.Option(help="Forms to export, such as dense,sparse; default: all.")
    ] = None,
    precision: Annotated[
        str,
        typer.Option(
            help="Some of fp32, fp16, int8-weights, int8, int8-qdq, with commas; or all. What "
            "costs too much on the test set is refused."
        ),
    ] = "fp32",
    tensorrt: Annotated[
        str | None,
        typer.Option(
            help="rtx: TensorRT-RTX engines, built without a GPU; plan: TensorRT plans for the "
            "GPU of this machine."
        ),
    ] = None,
    sm: Annotated[
        str | None,
        typer.Option(help=f"With --tensorrt rtx: GPU architectures; default: {SMS}."),
    ] = None,
    any_version: Annotated[
        bool,
        typer.Option(help="With --tensorrt plan: newer TensorRT runs it too; holds host code."),
    ] = False,
    runs: Runs = RUNS,
    json: Json = False,
) -> None:
    """Export a trained student to ONNX, and on request TensorRT, through every gate.

    Graph: valid, self-contained, every axis as dynamic as it should be. Numbers: 1,000 real rows,
    or all there are, at batches 1, 2, 3, 7 and max, and rows at the edges, must give the trained
    model's answers, and raw values those of their ids. Task: the metrics of the whole test set,
    resampled, must not be worse than the precision allows. Nothing is written unless fp32 passes;
    another precision that does not is refused by itself, and the exit code is 1.
    """
    from zoo.cli.exports import engine_rows, export_rows, exports_table

    chosen = forms.split(",") if forms else None
    build = _builder(tensorrt, sm, any_version)
    exported = export_recipe(recipe, runs, chosen, precision)
    if not chosen:
        _say_unsuited(recipe, exported)
    rows = export_rows(exported.artifacts)
    refused = [vars(one) for one in exported.refused]
    _forget_engines(runs / recipe / ENGINES, exported)
    engines = _engines(exported.artifacts, runs / recipe / ENGINES, build)
    if json:
        emit({"recipe": recipe, "exports": rows, "refused": refused, **engines})
    else:
        stdout().print(exports_table(recipe, rows, refused))
        for line in engine_rows(engines):
            stdout().print(line, highlight=False, soft_wrap=True)
        for one in [*refused, *engines["unbuilt"]]:
            stderr().print(f"refused: {one['reason']}", highlight=False, soft_wrap=True)
    if refused or engines["unbuilt"]:
        raise typer.Exit(1)


def _say_unsuited(recipe: str, exported: Exported) -> None:
    """Say which forms a model has not, and what they are for."""
    for form, doc in exported.unsuited.items():
        line = f"{recipe} has no form '{form}', which is for {doc}"
        stderr().print(line, highlight=False, soft_wrap=True)


def export_recipe(
    name: str, runs: Path, forms: list[str] | None = None, precision: str = "fp32"
) -> Exported:
    """Export the student that ``train`` chose.

    Args:
        name: of its recipe.
        runs: folder of checkpoints and exports.
        forms: None for all.
        precision: names with commas, or ``all``.

    Raises:
        ExportError: an unknown form or precision, or a failed gate of fp32.
    """
    from export.precision import parse_precisions
    from export.to_onnx import export_checkpoint
    from zoo.results import result_of

    wanted = parse_precisions(precision)
    run, out = runs / result_of(runs, name)["run"], runs / name / EXPORTS
    with progress() as bars:
        task = bars.add_task(f"{name} export", total=None)

        def advance(what: str, total: int) -> None:
            bars.update(task, description=f"export {what}", total=total, advance=1)

        return export_checkpoint(run, forms, out, None, wanted, advance)


def _builder(
    flavour: str | None, sm: str | None, any_version: bool
) -> Callable[[Artifact, Path], Artifact] | None:
    """What builds the engines asked for; whether it can is known before anything is exported."""
    if sm is not None and flavour != "rtx":
        hint = "it belongs to '--tensorrt rtx': a plan is for the GPU that it is built on"
        raise typer.BadParameter(hint, param_hint="--sm")
    if any_version and flavour != "plan":
        raise typer.BadParameter("it belongs to '--tensorrt plan'", param_hint="--any-version")
    if flavour is None:
        return None
    from export.engines import export_engines, parse_sms
    from export.to_tensorrt import load_tensorrt

    load_tensorrt(flavour)
    sms = parse_sms(sm or SMS)
    return lambda artifact, out: export_engines(artifact, out, flavour, sms, any_version)


def _forget_engines(folder: Path, exported: Exported) -> None:
    """Remove engines of graphs that were exported otherwise, or refused, since."""
    import shutil

    from zoo.artifact import Artifact, ArtifactError

    now = {(a.metrics["precision"], a.model): a.digest for a in exported.artifacts}
    gone = {(one.precision, one.model): "" for one in exported.refused}
    for (precision, model), digest in (now | gone).items():
        old = folder / precision / model
        try:
            if old.exists() and Artifact.load(old).parents.get("onnx") != digest:
                shutil.rmtree(old)
        except ArtifactError:
            shutil.rmtree(old)


def _engines(
    artifacts: Sequence[Artifact], out: Path, build: Callable[[Artifact, Path], Artifact] | None
) -> dict[str, list[dict[str, Any]]]:
    """Engines of the graphs among some artifacts, and what could not be built."""
    found: dict[str, list[dict[str, Any]]] = {"engines": [], "unbuilt": []}
    if build is None:
        return found
    from export.errors import ExportError

    with progress() as bars:
        graphs = [one for one in artifacts if one.kind == "onnx" and not _takes_text(one)]
        for artifact in bars.track(graphs, description="TensorRT"):
            precision = artifact.metrics["precision"]
            said = {"model": artifact.model, "precision": precision}
            try:
                made = build(artifact, out / precision)
                found["engines"].append(
                    {**said, "artifact": str(made.path), "engines": made.metrics["engines"]}
                )
            except ExportError as error:
                found["unbuilt"].append({**said, "reason": str(error)})
    return found


def _takes_text(artifact: Artifact) -> bool:
    """Whether it is a vocabulary, which stays in ONNX Runtime: TensorRT has no strings."""
    assert artifact.signature is not None
    return any(spec.dtype == "object" for spec in artifact.signature.inputs)


@app.command()
def verify(
    path: Annotated[
        Path, typer.Argument(help="An artifact, a folder of them, or a model repository.")
    ] = REPOSITORY,
    key: Annotated[
        Path | None, typer.Option(help="Public key: every version must be signed with its other.")
    ] = None,
    json: Json = False,
) -> None:
    """Repeat every check of what was exported or published, from its files alone.

    Every file is the one that was written; the graph is safe to read and valid; rows that were
    kept with it are answered as recorded at several batch sizes, and are worth what was recorded;
    engines belong to their graph. The first check that fails is said, and the exit code is 1.
    """
    from export.signing import check_signature
    from export.verify import verify_all

    with progress() as bars:
        task = bars.add_task(f"verify {path}", total=None)

        def advance(model: str, total: int) -> None:
            bars.update(task, description=f"verify {model}", total=total, advance=1)

        found = verify_all(path, advance)
    if key is not None:
        for one in found:
            check_signature(one.path, key)
            one.checks["signature"] = "as signed"
    rows = [{**vars(one), "path": str(one.path)} for one in found]
    if json:
        return emit({"verified": rows})
    for one in found:
        checks = "; ".join(f"{name}: {said}" for name, said in one.checks.items())
        stdout().print(f"{one.model}  {one.path}\n  {checks}", highlight=False, soft_wrap=True)
    return None
