"""A checkpoint as ONNX artifacts, one per form of its model, written only if they pass their gate.

<out>/<model>/
  model.onnx     weights inline
  labels.txt     class names, one per line
  warmup/        <input>-1: one real row, raw little-endian bytes; only where there is a batch axis
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from export.candidate import Candidate, answer_in, open_session, some_ids
from export.errors import ExportError
from export.graph import to_graph
from export.parity import check, check_same
from export.speed import p50_us
from zoo import checkpoint
from zoo.artifact import Artifact, staging, versions
from zoo.contract import Signature, near
from zoo.registry import get_spec
from zoo.spec import Export, ModelSpec, forms_of

MODEL_FILE = "model.onnx"
LABELS_FILE = "labels.txt"
WARMUP = "warmup"
EXAMPLE_NODES = 7
SAME_ROWS = 256


@dataclass(frozen=True)
class _Trained:
    """A loaded checkpoint with its data and its answers to it."""

    artifact: Artifact
    spec: ModelSpec
    model: nn.Module
    config: Any
    data: Any
    logits: np.ndarray


def export_checkpoint(
    run: Path, forms: Sequence[str] | None, out: Path, data: Any = None
) -> list[Artifact]:
    """Export a checkpoint; nothing is written unless every form passes.

    Args:
        run: folder of a checkpoint.
        forms: of its model; None for all that suit it.
        out: folder that receives one artifact per form, named after its model.
        data: the recipe's data, if at hand; read otherwise.

    Raises:
        ArtifactError: no checkpoint at ``run``, or ``out`` cannot be written.
        ExportError: an unknown form, an operator that ONNX lacks, or a failed gate.
    """
    trained = _load(run, data)
    chosen = _choose(forms_of(trained.spec, trained.config), forms)
    candidates = {form: _candidate(trained, form, export) for form, export in chosen.items()}
    metrics = {form: _measure(candidates[form], chosen[form].served) for form in chosen}
    _check_forms_agree(trained.artifact.model, candidates)
    return [_write(out, trained, form, candidates[form], metrics[form]) for form in candidates]


def model_id(name: str, form: str, spec: ModelSpec) -> str:
    """A model's name in the repository: its first form bears the recipe's, others add theirs."""
    return name if form == next(iter(spec.exports)) else f"{name}-{form}"


def _load(run: Path, data: Any) -> _Trained:
    artifact, model, config = checkpoint.load(run)
    spec = get_spec(artifact.recipe["model"])
    data = spec.data(checkpoint.recipe_of(artifact)) if data is None else data
    return _Trained(artifact, spec, model, config, data, spec.answers(model, data).cpu().numpy())


def _choose(known: dict[str, Export], forms: Sequence[str] | None) -> dict[str, Export]:
    """The forms asked for.

    Raises:
        ExportError: one that this model does not have.
    """
    for form in forms or ():
        if form not in known:
            raise ExportError(f"unknown form '{form}': {near(form, known)}")
    return {form: export for form, export in known.items() if forms is None or form in forms}


def _candidate(trained: _Trained, form: str, export: Export) -> Candidate:
    """One form's graph, with what it is held against."""
    name = model_id(trained.artifact.model, form, trained.spec)
    signature, module = export.signature(trained.config), export.wrap(trained.model).eval()
    n_rows = len(trained.logits)

    def rows(ids: np.ndarray) -> dict[str, np.ndarray]:
        return export.rows(trained.data, trained.config, ids)

    graph = to_graph(module, signature, rows(np.arange(min(EXAMPLE_NODES, n_rows))), name)
    _describe(graph, trained.artifact, name, form)
    expected = _expected(trained, signature) if export.exact else None
    return Candidate(name, graph, module, signature, rows, n_rows, expected)


def _expected(trained: _Trained, signature: Signature) -> np.ndarray | None:
    """The model's own answers by id; None where training did not see all of the data."""
    if not trained.data.complete:
        return None
    if signature.outputs[0].name == "probabilities":
        return torch.softmax(torch.from_numpy(trained.logits), dim=-1).numpy()
    return trained.logits


def _describe(graph: onnx.ModelProto, artifact: Artifact, name: str, form: str) -> None:
    """Say in the file itself where it comes from."""
    made = versions("torch", "onnx", "onnxscript")
    about = {"model": name, "form": form, "recipe": checkpoint.recipe_of(artifact).id, **made}
    onnx.helper.set_model_props(graph, {f"leanzoo.{key}": value for key, value in about.items()})


def _measure(candidate: Candidate, served: bool) -> dict[str, Any]:
    """The gate's numbers, and the latency of served forms."""
    metrics: dict[str, Any] = {"served": served, "parity": asdict(check(candidate))}
    if served:
        session = open_session(candidate.graph)
        rows = candidate.rows(some_ids(candidate.n_rows, SAME_ROWS))
        metrics["p50_batch1_us"] = round(p50_us(session, rows), 2)
    return metrics


def _check_forms_agree(name: str, candidates: dict[str, Candidate]) -> None:
    """All forms that answer row by row must give the same answers."""
    by_row = {form: c for form, c in candidates.items() if c.signature.max_batch}
    answers = {}
    for form, candidate in by_row.items():
        rows = candidate.rows(some_ids(candidate.n_rows, SAME_ROWS))
        session = open_session(candidate.graph)
        batch = candidate.signature.max_batch
        answers[form] = answer_in(session, rows, batch, candidate.name)
    if len(by_row) > 1:
        check_same(name, answers, min(c.tolerance for c in by_row.values()))


def _write(
    out: Path, trained: _Trained, form: str, candidate: Candidate, metrics: dict[str, Any]
) -> Artifact:
    """Write one form's artifact, all of it or nothing."""
    artifact = Artifact(
        path=out / candidate.name,
        kind="onnx",
        model=candidate.name,
        signature=candidate.signature,
        recipe=trained.artifact.recipe,
        metrics={"form": form, "data_licence": getattr(trained.data, "licence", ""), **metrics},
        parents={"checkpoint": trained.artifact.digest},
        made_with=versions("torch", "onnx", "onnxscript", "onnxruntime", "numpy"),
    )
    with staging(artifact.path) as folder:
        (folder / MODEL_FILE).write_bytes(candidate.graph.SerializeToString(deterministic=True))
        for file, content in checkpoint.attachments_of(trained.artifact).items():
            (folder / file).write_bytes(content)
        if candidate.signature.max_batch:
            (folder / WARMUP).mkdir()
            for name, array in candidate.rows(np.array([0])).items():
                little_endian = array.astype(array.dtype.newbyteorder("<"), order="C")
                (folder / WARMUP / f"{name}-1").write_bytes(little_endian.tobytes())
        return artifact.write(folder)
