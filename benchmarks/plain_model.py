"""Lays any graph out as a served model, also what publishing refuses: teachers, identity graphs.

<repository>/<name>/
  config.pbtxt   as a published model's: threads, instances, batching and warm-up are the same
  labels.txt     class names, where an output has them
  warmup/        <input>-1: one row
  1/             model.onnx, golden.json, artifact.json, and what else a model of its form holds

Its golden rows are answered by the graph itself: they say that a server runs this graph, and
nothing of whether its answers are right.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import onnx

from export.artifacts import (
    LABELS_FILE,
    MODEL_FILE,
    WARMUP,
    WARMUP_CANDIDATES,
    golden_file,
    warmup_files,
)
from export.candidate import ask, open_session
from export.staged import Staged, stage
from export.targets import ANY, config_for
from export.triton_config import LABELLED
from zoo.artifact import Artifact, staging
from zoo.contract import Signature
from zoo.golden import GOLDEN_FILE, Golden

VERSION = "1"
ROWS = 2  # golden ones, where there are none yet


def lay_out(
    repository: Path,
    name: str,
    graph: onnx.ModelProto | Path,
    signature: Signature,
    like: Artifact | None = None,
    base: str = "",
) -> Path:
    """Write a model folder with one version, in place of one that is there.

    Args:
        repository: made if missing.
        name: of the model.
        graph: or its file.
        signature: of the graph.
        like: an exported artifact of which the model is a stand-in: it gets its form, labels and
            other files, so that the gateway takes it for one of that form.
        base: the name by which the gateway is asked for it; forms that share it are one model.

    Returns:
        The folder ``<repository>/<name>``.

    Raises:
        ArtifactError: the repository cannot be written.
        ExportError: the graph does not answer what fits its signature.
    """
    content = _files(onnx.load(graph) if isinstance(graph, Path) else graph, signature, like, name)
    with staging(repository / name) as folder, TemporaryDirectory() as scratch:
        draft = Path(scratch)
        for file, data in content.items():
            (draft / file).parent.mkdir(parents=True, exist_ok=True)
            (draft / file).write_bytes(data)
        artifact = Artifact(
            path=draft,
            kind="onnx",
            model=name,
            signature=signature,
            recipe={**(like.recipe if like else {}), "name": base or name},
            metrics={"form": like.metrics.get("form", "") if like else "", "served": True},
            parents=like.parents if like else {},
        ).write(draft)
        stage(Staged(artifact, (), config_for(artifact), ANY, None, None), folder, VERSION)
    return repository / name


def _files(
    graph: onnx.ModelProto, signature: Signature, like: Artifact | None, name: str
) -> dict[str, bytes]:
    """What the version holds: what the model that it stands in for does, but with its own graph."""
    own = (MODEL_FILE, GOLDEN_FILE)
    files = {f: (like.path / f).read_bytes() for f in like.files if f not in own} if like else {}
    labels = [str(number) for number in range(_classes(signature))]
    if labels and LABELS_FILE not in files:
        files[LABELS_FILE] = "\n".join([*labels, ""]).encode()
    if not any(file.startswith(f"{WARMUP}/") for file in files):
        warm = signature.sample(1 if signature.max_batch else WARMUP_CANDIDATES)
        files |= warmup_files(warm, signature)
    if like is not None and GOLDEN_FILE in like.files:
        rows = dict(Golden.load(like.path, signature).inputs)
    else:
        rows = signature.sample(ROWS)
    golden = Golden(rows, ask(open_session(graph), rows, name))
    return {**files, MODEL_FILE: graph.SerializeToString(), **golden_file(golden)}


def _classes(signature: Signature) -> int:
    """How many classes an output names; 0 where none does."""
    sizes = [spec.shape[-1] for spec in signature.outputs if spec.name == LABELLED and spec.shape]
    return sizes[0] if sizes and isinstance(sizes[0], int) else 0
