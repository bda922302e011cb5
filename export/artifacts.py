"""What export writes: one folder per model, with everything that publishing needs.

<out>/<model>/
  model.onnx     the graph, weights inline; or steps.json, the models that an ensemble asks
  golden.json    a few real rows and the trained model's answers
  warmup/        <input>-1: one real row, or request of candidates, as raw bytes
  <attachment>   what the data gave: labels.txt, or behind a vocabulary vocabulary.json

The last three only where a model is served; an ensemble is warmed up by its steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from export.candidate import Arrays, Candidate, some_ids
from zoo.artifact import Artifact, staging, versions
from zoo.contract import Signature
from zoo.golden import GOLDEN_FILE, Golden

MODEL_FILE = "model.onnx"
LABELS_FILE = "labels.txt"
WARMUP = "warmup"
GOLDEN_ROWS = 3
WARMUP_CANDIDATES = 100
TIMED_ROWS = 256


@dataclass(frozen=True)
class Draft:
    """An artifact that passed its gates and is not written yet.

    Attributes:
        name: model id.
        kind: ``onnx`` or ``ensemble``.
        signature: what goes in and out.
        metrics: what was measured.
        files: file name → content.
        parents: role → name of a draft it needs, written before it.
    """

    name: str
    kind: str
    signature: Signature
    metrics: dict[str, Any]
    files: dict[str, bytes]
    parents: dict[str, str] = field(default_factory=dict)


def write_all(drafts: list[Draft], out: Path, checkpoint: Artifact) -> list[Artifact]:
    """Write artifacts, each of them whole or not at all.

    Args:
        drafts: in order, parents first.
        out: folder that receives one folder per draft.
        checkpoint: that they were made from.

    Raises:
        ArtifactError: ``out`` cannot be written.
    """
    written: dict[str, Artifact] = {}
    for draft in drafts:
        parents = {role: written[name].digest for role, name in draft.parents.items()}
        artifact = Artifact(
            path=out / draft.name,
            kind=draft.kind,
            model=draft.name,
            signature=draft.signature,
            recipe=checkpoint.recipe,
            metrics=draft.metrics,
            parents={"checkpoint": checkpoint.digest, **parents},
            made_with=versions("torch", "onnx", "onnxscript", "onnxruntime", "numpy"),
        )
        with staging(artifact.path) as folder:
            for name, content in draft.files.items():
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_bytes(content)
            written[draft.name] = artifact.write(folder)
    return list(written.values())


def graph_file(graph: onnx.ModelProto, about: Mapping[str, str]) -> dict[str, bytes]:
    """A graph's file, which says itself where it comes from."""
    onnx.helper.set_model_props(graph, {f"leanzoo.{key}": value for key, value in about.items()})
    return {MODEL_FILE: graph.SerializeToString(deterministic=True)}


def golden_ids(candidate: Candidate) -> np.ndarray:
    """Rows, or candidates of one request, whose answers are kept with the model."""
    most = candidate.signature.max_batch or GOLDEN_ROWS
    return np.arange(min(GOLDEN_ROWS, most, candidate.n_rows))


def warmup_ids(candidate: Candidate) -> np.ndarray:
    """What the model is warmed up with: a row, which Triton repeats, or a request to rank."""
    return some_ids(candidate.n_rows, WARMUP_CANDIDATES if candidate.ranks else 1)


def timed_ids(candidate: Candidate) -> list[np.ndarray]:
    """Requests of one row or candidate, to be timed."""
    return list(some_ids(candidate.n_rows, TIMED_ROWS)[:, None])


def golden_file(golden: Golden) -> dict[str, bytes]:
    """Rows and their answers."""
    return {GOLDEN_FILE: golden.to_text().encode()}


def warmup_files(request: Arrays, signature: Signature) -> dict[str, bytes]:
    """The inputs of one request as Triton's warm-up reads them.

    Of a row's axes of free size the first entry is taken: the configuration has to state its size.
    """
    if signature.max_batch:
        for spec in signature.inputs:
            first = tuple(slice(1 if isinstance(axis, str) else None) for axis in spec.shape)
            request = {**request, spec.name: request[spec.name][(..., *first)]}
    return {f"{WARMUP}/{name}-1": _raw(array) for name, array in request.items()}


def _raw(array: np.ndarray) -> bytes:
    """Row-major little-endian bytes; a string is its length in four bytes, then UTF-8."""
    if array.dtype == np.dtype(object):
        words = [word.encode() for word in array.ravel()]
        return b"".join(len(word).to_bytes(4, "little") + word for word in words)
    return array.astype(array.dtype.newbyteorder("<"), order="C").tobytes()
