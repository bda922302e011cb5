"""The rungs within this process: PyTorch, and ONNX Runtime in fp32 and int8."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.ladder.sides import IDENTITY, Arrays, Infer, Side
from benchmarks.subjects import MODEL_FILE, Pair, open_session
from export.precision import INT8
from export.refusals import REFUSED_FILE, read_refusals
from export.to_onnx import export_checkpoint, model_id
from zoo import checkpoint
from zoo.artifact import Artifact
from zoo.registry import get_spec

Open = Callable[[Side], Infer | None]  # None where a side has no such rung

TORCH, ORT, ORT_INT8 = "torch", "ort", "ort-int8"


@dataclass(frozen=True)
class Small:
    """The int8 graphs of a pair.

    Attributes:
        files: (role, form) → graph.
        refused: (role, form) → why there is none.
    """

    files: Mapping[tuple[str, str], Path]
    refused: Mapping[tuple[str, str], str]


def small_graphs(pair: Pair, sides: list[Side], make: bool) -> Small:
    """The int8 graphs of all that is served of a pair.

    Args:
        pair: the two.
        sides: whose forms are wanted.
        make: export those that are not at hand, which takes a minute.
    """
    files: dict[tuple[str, str], Path] = {}
    refused: dict[tuple[str, str], str] = {}
    for role, run in pair.runs.items():
        trained = Artifact.load(run, verify=False)
        spec = get_spec(trained.recipe["model"])
        forms = [side.subject.form for side in sides if side.role == role]
        forms = [form for form in forms if form in spec.exports and spec.exports[form].served]
        folders = {
            form: pair.out / INT8.name / model_id(trained.model, form, spec) for form in forms
        }
        if make and any(not _made_of(trained, folder) for folder in folders.values()):
            data = pair.data if role == "student" else pair.taught
            export_checkpoint(run, forms, pair.out, data, [INT8])
        said = {one.model: one.reason for one in read_refusals(pair.out)}
        for form, folder in folders.items():
            if (folder / REFUSED_FILE).exists():
                refused[role, form] = said.get(folder.name, "refused")
            elif _made_of(trained, folder):
                files[role, form] = folder / MODEL_FILE
    return Small(files, refused)


def _made_of(trained: Artifact, folder: Path) -> bool:
    """Whether a folder holds what was exported of a checkpoint, or why it was refused."""
    if (folder / REFUSED_FILE).exists():
        said = [one for one in read_refusals(folder.parents[1]) if one.model == folder.name]
        return any(one.checkpoint == trained.digest for one in said)
    if not folder.exists():
        return False
    return Artifact.load(folder).parents.get("checkpoint") == trained.digest


def in_process(pair: Pair, small: Small, threads: int) -> dict[str, Open]:
    """Every rung within this process, with sessions and modules of its own.

    Args:
        pair: the two.
        small: their int8 graphs.
        threads: of each rung.
    """
    torch.set_num_threads(threads)

    def eager(side: Side) -> Infer | None:
        return None if side.role == IDENTITY else _eager(pair.runs[side.role], side)

    def runtime(side: Side) -> Infer:
        return _session(side.subject.file, side, threads)

    def reduced(side: Side) -> Infer | None:
        file = small.files.get((side.role, side.subject.form))
        return None if file is None else _session(file, side, threads)

    return {TORCH: eager, ORT: runtime, ORT_INT8: reduced}


def _eager(run: Path, side: Side) -> Infer:
    """A checkpoint's module, in the form that a side is exported in."""
    trained, model, _ = checkpoint.load(run)
    module = get_spec(trained.recipe["model"]).exports[side.subject.form].wrap(model).eval()
    names = [spec.name for spec in side.subject.signature.inputs]

    def infer(arrays: Arrays) -> Any:
        with torch.inference_mode():
            return module(*(torch.from_numpy(arrays[name]) for name in names))

    return infer


def _session(file: Path, side: Side, threads: int) -> Infer:
    session = open_session(file, threads)
    names = [spec.name for spec in side.subject.signature.outputs]
    return lambda arrays: session.run(names, arrays)
