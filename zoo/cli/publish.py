"""The verb from exported graphs to a model repository: publish."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.cli.app import app, emit
from zoo.cli.convert import ENGINES, EXPORTS
from zoo.cli.options import REPOSITORY, RUNS, Json, RecipeName, Repository, Runs, stdout

if TYPE_CHECKING:
    from export.choice import Choice
    from export.repository import PublishedVersion
    from zoo.artifact import Artifact

ANY = "any"
Target = Annotated[
    str,
    typer.Option(
        help="What the configurations are for: any (a GPU where Triton has one, else the CPU), "
        "cpu, gpu-ort (CUDA), gpu-ort-trt (TensorRT builds engines as the server loads a model), "
        "gpu-plan (plans, built before with 'export --tensorrt plan')."
    ),
]


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
    target: Target = ANY,
    repository: Repository = REPOSITORY,
    runs: Runs = RUNS,
    json: Json = False,
) -> None:
    """Publish a recipe's exports as new versions; identical content stays the version it is.

    Every check of an artifact is repeated first. Of several precisions the fastest is published,
    asked here for one row at a time, in turns; one that is less precise must take less than 95 %
    of the time of every more precise one. What was chosen among is said. For a GPU it is fp32
    unless another is named: what is the fastest here says nothing of it, and nothing runs on it.
    """
    published = publish_recipe(recipe, runs, repository, precision, sign, smoke, target)
    if json:
        return emit({"recipe": recipe, "target": target, "published": published})
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
    target: str = ANY,
) -> list[dict[str, Any]]:
    """Publish every export of a recipe, each with its model card.

    Args:
        name: of the recipe.
        runs: folder of checkpoints and exports.
        repository: that receives the versions.
        precision: of all; None for the fastest of each form, or on a GPU for fp32.
        key: private key that signs the versions; None for none.
        smoke: ask them through a real Triton first, on the CPU.
        target: what the configurations are for, see ``export.targets``.

    Returns:
        Of each ``model``, ``version``, ``path``, ``changed``, ``precision`` and ``variants``.

    Raises:
        ArtifactError: not exported, or one export is of an earlier training than the latest.
        ExportError: not exported in that precision, without the plans that the target needs, or
            a gate fails when it is repeated.
    """
    from export.card import card
    from export.repository import publish_all
    from export.signing import check_key
    from export.targets import ON_GPU, note_of, parse_target
    from zoo.cli.smoke import SMOKE_FILE
    from zoo.cli.smoke import smoke as ask_triton
    from zoo.results import result_of, write_json

    if key is not None:
        check_key(key)
    wanted = parse_target(target)
    choices = _choices(name, runs, precision or (ON_GPU if wanted.gpu else None))
    folders = [choice.artifact.path for choice in choices.values()]
    if smoke:
        write_json(runs / name / SMOKE_FILE, ask_triton(folders))
    result = result_of(runs, name)

    def card_of(artifact: Artifact) -> str:
        return card(result, artifact) + note_of(artifact, wanted)

    published = publish_all(folders, repository, card_of, wanted, runs / name / ENGINES)
    if key is not None:
        _sign(published, key)
    return [
        {
            **vars(version),
            "path": str(version.path),
            "precision": choices[version.model].artifact.metrics["precision"],
            "variants": [vars(one) for one in choices[version.model].variants],
        }
        for version in published
    ]


def _sign(published: Sequence[PublishedVersion], key: Path) -> None:
    """Sign what is new, or was not signed yet."""
    from export.signing import sign, signature_file

    for version in published:
        if version.changed or not signature_file(version.path).exists():
            sign(version.path, key)


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
