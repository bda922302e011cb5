"""Which of a form's variants is published: the fastest one, since all of them passed their gates.

All are asked for one row at a time, the same rows in turns. A less precise one must be clearly
faster than every more precise one, or the more precise is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from export.artifacts import MODEL_FILE
from export.candidate import Arrays, ask, open_session, slices
from export.errors import ExportError
from export.evidence import ROWS_FILE, read_evidence
from export.onnx_file import read_graph
from export.precision import PRECISIONS
from export.refusals import Refusal, read_refusals
from export.speed import Ask, p50s_us
from zoo.artifact import Artifact, ArtifactError

FASTER = 0.95  # of the time of a more precise one
ASKED = 64  # rows


@dataclass(frozen=True)
class Variant:
    """What is known of a form in one precision.

    Attributes:
        precision: its name.
        size_bytes: of the graph; None where it was refused.
        p50_us: of one row, in turns with the others; None where there was nothing to compare.
        refused: by which gate, in one line; empty where it passed.
    """

    precision: str
    size_bytes: int | None = None
    p50_us: float | None = None
    refused: str = ""


@dataclass(frozen=True)
class Choice:
    """The variant of a model that is published.

    Attributes:
        model: its name in the repository.
        artifact: the variant.
        variants: all that are known, the most precise first.
    """

    model: str
    artifact: Artifact
    variants: tuple[Variant, ...]


def choose_all(out: Path, checkpoint: str, precision: str | None = None) -> list[Choice]:
    """Choose a variant of every model that was exported to ``out``.

    A vocabulary and an ensemble are those of the net that is chosen.

    Args:
        out: folder of exports, a folder per precision.
        checkpoint: digest of what they must come from; others are passed over.
        precision: to be taken whatever it takes; None for the fastest.

    Raises:
        ArtifactError: an artifact cannot be read, or all of a model are of another checkpoint.
        ExportError: there is none in that precision.
    """
    found = _exported(out, checkpoint)
    refused = [one for one in read_refusals(out) if one.checkpoint == checkpoint]
    nets = {name: kinds for name, kinds in found.items() if _scored(kinds[0])}
    chosen = {name: _choose(name, kinds, refused, precision) for name, kinds in nets.items()}
    digests = {choice.artifact.digest for choice in chosen.values()}
    needed: set[str] = set()
    for name, kinds in found.items():
        for artifact in kinds:
            if artifact.parents.get("net") in digests:
                chosen[name] = Choice(name, artifact, ())
                needed |= set(artifact.parents.values())
    for name, kinds in found.items():
        if name not in chosen:
            one = next((a for a in kinds if a.digest in needed), kinds[0])
            chosen[name] = Choice(name, one, ())
    return list(chosen.values())


def _exported(out: Path, checkpoint: str) -> dict[str, list[Artifact]]:
    """Artifacts by model, the most precise first."""
    found: dict[str, list[Artifact]] = {}
    stale: dict[str, Path] = {}
    for name in PRECISIONS:
        for file in sorted((out / name).glob("*/artifact.json")):
            artifact = Artifact.load(file.parent)
            if artifact.parents.get("checkpoint") != checkpoint:
                stale[artifact.model] = artifact.path
            elif artifact.metrics.get("served"):
                found.setdefault(artifact.model, []).append(artifact)
    for model, path in stale.items():
        if model not in found:
            raise ArtifactError(
                f"{path} was exported from an earlier training: export it again, or remove it"
            )
    return found


def _scored(artifact: Artifact) -> bool:
    return ROWS_FILE in artifact.files


def _choose(
    model: str, kinds: list[Artifact], refusals: Sequence[Refusal], precision: str | None
) -> Choice:
    refused = {
        one.precision: Variant(one.precision, refused=one.reason)
        for one in refusals
        if one.model == model
    }
    if precision is not None:
        kinds = [one for one in kinds if one.metrics["precision"] == precision]
        if not kinds:
            gone = refused.get(precision)
            why = gone.refused if gone else "it is not exported: run 'leanzoo export' with it"
            raise ExportError(f"{model} cannot be published in {precision}: {why}")
    variants = [_variant(one) for one in kinds]
    if len(kinds) > 1:
        times = p50s_us([_ask(one) for one in kinds], _requests(kinds[0]))
        variants = [replace(v, p50_us=t) for v, t in zip(variants, times, strict=True)]
    best = _fastest([one.p50_us or 0 for one in variants])
    known = {one.precision: one for one in variants} | refused
    ordered = tuple(known[name] for name in PRECISIONS if name in known)
    return Choice(model, kinds[best], ordered)


def _fastest(times: Sequence[float]) -> int:
    """The least precise that is clearly faster than every more precise one."""
    faster = (
        number
        for number, time in enumerate(times)
        if all(time < FASTER * other for other in times[:number])
    )
    return max(faster)


def _variant(artifact: Artifact) -> Variant:
    size = (artifact.path / MODEL_FILE).stat().st_size
    return Variant(artifact.metrics["precision"], size)


def _ask(artifact: Artifact) -> Ask:
    session = open_session(read_graph(artifact.path / MODEL_FILE))
    return lambda arrays: ask(session, arrays, artifact.model)


def _requests(artifact: Artifact) -> list[Arrays]:
    """One row at a time, of those kept with a variant."""
    if artifact.signature is None:
        raise ArtifactError(f"{artifact.path} has no signature: export the model again")
    rows = {name: array[:ASKED] for name, array in read_evidence(artifact.path).inputs.items()}
    each = slices(rows, 1)
    if artifact.signature.max_batch:
        return list(each)
    return [{name: array[0] for name, array in one.items()} for one in each]
