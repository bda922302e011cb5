"""Rules about TensorRT plans: built for this batch, this graph, this GPU, by TensorRT itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from export.artifacts import MODEL_FILE
from export.engines import ENGINES_FILE, SUFFIXES
from export.lint.rule import MEASURED, SERVER, rule
from export.lint.served import Served
from export.to_tensorrt import PLAN, RTX
from zoo.artifact import sha256_file

AGAIN = "build the plan again, and publish it"
MATRIX = "https://docs.nvidia.com/deeplearning/tensorrt/11.1.0/getting-started/support-matrix.html"


@dataclass(frozen=True)
class Plans:
    """What engines.json says of a version's plans.

    Attributes:
        flavour: ``plan``, or ``rtx``.
        onnx: sha256 of the graph that they were built from.
        rows: input → the most rows of its profile.
        sms: file → architecture.
    """

    flavour: str
    onnx: str
    rows: dict[str, int]
    sms: dict[str, int]


def _plans(model: Served) -> Iterator[tuple[int, Plans | None]]:
    """Of every version of plans what is said of them; None where that cannot be read."""
    for number, folder in model.versions.items() if model.backend == "tensorrt" else ():
        try:
            said = json.loads((folder / ENGINES_FILE).read_text())
            rows = {name: int(most[0]) for name, (_, _, most) in said["profile"].items()}
            sms = {str(one["file"]): int(one["sm"]) for one in said["engines"]}
            yield number, Plans(said["flavour"], said["onnx"], rows, sms)
        except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError):
            yield number, None


@rule(f"{SERVER}/1105", AGAIN)
def plan_profile(model: Served) -> Iterator[str]:
    """The profile of a plan takes as many rows as max_batch_size."""
    wanted = model.config.max_batch_size
    for number, plans in _plans(model):
        for name, most in plans.rows.items() if plans and wanted else ():
            if most < wanted:
                yield f"version {number}: '{name}' takes {most} rows: max_batch_size is {wanted}"


@rule(MEASURED, AGAIN)
def plan_stale(model: Served) -> Iterator[str]:
    """A plan was built from the graph beside it, as engines.json says."""
    for number, plans in _plans(model):
        graph = model.versions[number] / MODEL_FILE
        if plans is None:
            yield f"version {number} has no {ENGINES_FILE} that says what its plans are made from"
        elif not graph.is_file():
            yield f"version {number} has no {MODEL_FILE} beside its plans"
        elif plans.onnx != sha256_file(graph):
            yield f"version {number}: its plans were built from another {MODEL_FILE}"


@rule(MATRIX, "name for each architecture the plan that was built for it")
def plan_architecture(model: Served) -> Iterator[str]:
    """cc_model_filenames gives a GPU the plan that was built for its architecture."""
    for number, plans in _plans(model):
        for capability, file in sorted(model.config.cc_model_filenames.items()):
            sm = plans.sms.get(file) if plans else None
            if sm is not None and str(sm) != capability.replace(".", ""):
                yield f"version {number}: {file} is for SM {sm}: it is named for {capability}"


@rule(MEASURED, "build plans with --tensorrt plan, on a machine with the GPU")
def plan_rtx(model: Served) -> Iterator[str]:
    """Engines of TensorRT-RTX are no plans: Triton's backend does not load them."""
    files = [model.config.default_model_filename, *model.config.cc_model_filenames.values()]
    named = any(file.endswith(SUFFIXES[RTX]) for file in files)
    for number, plans in _plans(model):
        if named or (plans and plans.flavour != PLAN):
            yield f"version {number} holds engines of TensorRT-RTX: expected plans"


RULES = (plan_profile, plan_stale, plan_architecture, plan_rtx)
