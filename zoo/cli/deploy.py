"""Verbs from a trained model to answers: export, publish, serve, predict."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator
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
    import numpy as np

    from serving.endpoint import Endpoint
    from serving.triton import Triton
    from zoo.artifact import Artifact
    from zoo.contract import Signature

EXPORTS = "onnx"


@app.command()
def export(
    recipe: RecipeName,
    forms: Annotated[
        str | None, typer.Option(help="Forms to export, such as dense,sparse; default: all.")
    ] = None,
    runs: Runs = RUNS,
    json: Json = False,
) -> None:
    """Export a trained student to ONNX, through the parity gate.

    At least 1,000 real rows at batches 1, 2, 3, 7 and max must give the trained model's answers;
    nothing is written otherwise.
    """
    artifacts = export_recipe(recipe, runs, forms.split(",") if forms else None)
    rows = [{"model": a.model, "artifact": str(a.path), **a.metrics} for a in artifacts]
    if json:
        return emit({"recipe": recipe, "exports": rows})
    for row in rows:
        stdout().print(f"{row['model']}  {row['artifact']}", highlight=False)
        parity = row["parity"]
        stdout().print(
            f"  parity: {parity['rows']} rows, max |Δ| {parity['max_abs_diff']:.1e}"
            f"; batch 1 in process: {row['p50_batch1_us']:.0f} µs p50"
        )
    return None


def export_recipe(name: str, runs: Path, forms: list[str] | None = None) -> list[Artifact]:
    """Export the student that ``train`` chose."""
    from export.to_onnx import export_checkpoint
    from zoo.results import result_of

    run = runs / result_of(runs, name)["run"]
    with progress() as bars:
        bars.add_task(f"{name} export", total=None)
        return export_checkpoint(run, forms, runs / name / EXPORTS)


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
    """Publish every export of a recipe, each with its model card."""
    from export.card import card
    from export.repository import publish as publish_artifact
    from zoo.artifact import Artifact, ArtifactError
    from zoo.results import result_of

    folders = sorted(p.parent for p in (runs / name / EXPORTS).glob("*/artifact.json"))
    if not folders:
        raise ArtifactError(f"'{name}' is not exported yet: run 'leanzoo export {name}'")
    result = result_of(runs, name)
    return [publish_artifact(f, repository, card(result, Artifact.load(f))) for f in folders]


@app.command()
def serve(
    models: Annotated[list[str] | None, typer.Argument(help="Models; default: all.")] = None,
    repository: Repository = REPOSITORY,
    http_port: Annotated[int, typer.Option(help="0 takes a free one.")] = 8000,
    grpc_port: Annotated[int, typer.Option(help="0 takes a free one.")] = 8001,
    json: Json = False,
) -> None:
    """Serve the model repository with Triton on loopback until Ctrl-C."""
    import signal

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with running(repository, models or None, http_port, grpc_port) as triton:
        served = {"models": triton.names, "grpc": triton.grpc_url, "http": triton.http_url}
        if json:
            emit(served)
        else:
            stderr().print(f"serving {', '.join(triton.names)}", highlight=False)
            stderr().print(f"gRPC {triton.grpc_url}, HTTP {triton.http_url}; Ctrl-C stops it")
        with contextlib.suppress(KeyboardInterrupt):
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


@app.command()
def predict(
    model: Annotated[str, typer.Argument(help="A published model.")],
    nodes: Annotated[
        str | None, typer.Option(help="Rows of the model's own dataset, such as 0,5,17.")
    ] = None,
    input: Annotated[  # noqa: A002  the option's name
        Path | None, typer.Option(help="An .npz or .json file: one array per input, by name.")
    ] = None,
    url: Annotated[str, typer.Option(help="gRPC address of a Triton server.")] = "127.0.0.1:8001",
    local: Annotated[bool, typer.Option(help="Answer in this process, without a server.")] = False,
    top: Annotated[int, typer.Option(min=1, help="Labels per row.")] = 3,
    repository: Repository = REPOSITORY,
    json: Json = False,
) -> None:
    """Ask a served model, with rows of its dataset (--nodes) or your own (--input)."""
    from zoo.contract import SignatureError

    if (nodes is None) == (input is None):
        raise SignatureError("expected either --nodes 0,1,2 or --input FILE")
    with endpoint(local, repository, url) as asked:
        if input:
            arrays = read_arrays(input, asked.signature(model))
        else:
            arrays = dataset_rows(model, repository, nodes or "")
        answers = asked.classify(model, arrays, top)
    rows: list[list[dict[str, Any]]] = [
        [{"label": label, "probability": p} for label, p in row] for row in answers
    ]
    if json:
        return emit({"model": model, "rows": rows})
    for index, row in enumerate(rows):
        text = ", ".join(f"{cell['label']} {100 * cell['probability']:.1f} %" for cell in row)
        stdout().print(f"row {index}: {text}", highlight=False)
    return None


def endpoint(local: bool, repository: Path, url: str) -> Endpoint:
    """Where to ask: this process, or a server."""
    from serving.client import Client
    from serving.local import Local

    return Local(repository) if local else Client(url)


def read_arrays(path: Path, signature: Signature) -> dict[str, np.ndarray]:
    """Arrays by input name from an .npz file, or from JSON, whose numbers get the inputs' dtypes.

    Raises:
        SignatureError: no such file, or not arrays.
    """
    import json

    import numpy as np

    from zoo.contract import SignatureError

    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        arrays = {name: np.asarray(rows) for name, rows in json.loads(path.read_text()).items()}
    except (OSError, ValueError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise SignatureError(
            f"cannot read {path} ({error}): expected an .npz file, or JSON with one array per input"
        ) from None
    for spec in signature.inputs:
        if spec.name in arrays and np.can_cast(arrays[spec.name].dtype, spec.dtype, "same_kind"):
            arrays[spec.name] = arrays[spec.name].astype(spec.dtype)
    return arrays


def dataset_rows(model: str, repository: Path, nodes: str) -> dict[str, np.ndarray]:
    """Real inputs for a published model from the dataset it was trained on.

    Raises:
        SignatureError: ids that are not numbers, or outside the dataset.
    """
    import numpy as np

    from serving.repository import load_artifact
    from zoo.checkpoint import recipe_of
    from zoo.contract import SignatureError
    from zoo.registry import get_spec
    from zoo.spec import config_of, forms_of

    artifact = load_artifact(repository, model)
    recipe = recipe_of(artifact)
    spec = get_spec(recipe.model)
    data = spec.data(recipe)
    config = config_of(spec, recipe, data.sizes)
    names = [spec.name for spec in artifact.signature.inputs] if artifact.signature else []
    try:
        ids = np.array([int(node) for node in nodes.split(",")])
    except ValueError:
        raise SignatureError(f"--nodes {nodes}: expected ids such as 0,5,17") from None
    if ids.min() < 0 or ids.max() >= data.n_rows:
        raise SignatureError(f"--nodes {nodes}: expected 0 <= id < {data.n_rows}")
    for form in forms_of(spec, config).values():
        if [tensor.name for tensor in form.signature(config).inputs] == names:
            return form.rows(data, config, ids)
    raise SignatureError(f"{model} has inputs {names}, which no form of {recipe.model} makes")
