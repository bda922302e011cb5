"""The gates again, from an artifact's files alone: what was checked when it was made still holds.

files    every file is the one that was written, and of a kind that is safe to read
graph    valid, self-contained, with its signature's tensors and axes and the reported operators
numeric  the kept rows are answered as recorded, at several batch sizes
task     and are worth what was recorded
golden   as whoever serves it asks
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import onnx

from export.artifacts import MODEL_FILE
from export.candidate import CLOSER, Arrays, answer_in, compare, open_session
from export.engines import ENGINES_FILE, KIND, check_engines
from export.errors import ExportError
from export.evidence import Evidence, answered, read_evidence
from export.graph import facts_of
from export.onnx_file import load_graph
from export.parity import BATCHES
from export.precision import PRECISIONS, Precision
from export.published import (
    Asked,
    check_golden,
    exported_steps,
    published_steps,
    served_versions,
)
from export.report import read_report
from export.trial import acceptable, worth
from export.triton_config import CONFIG_FILE
from export.vocabulary import ENCODE
from zoo.artifact import Artifact, ArtifactError
from zoo.contract import Signature
from zoo.registry import get_spec
from zoo.spec import Judge

SAME_WORTH = 1e-3  # of a metric of kept rows: one of them may fall to the other side elsewhere
ROWS_OF_BATCHES = 42  # divisible by every batch size


@dataclass(frozen=True)
class Verified:
    """An artifact of which every check was repeated.

    Attributes:
        model, path: of the artifact.
        checks: what was checked → what was found, in a few words.
    """

    model: str
    path: Path
    checks: dict[str, str] = field(default_factory=dict)


def verify_all(
    root: Path, advance: Callable[[str, int], None] = lambda _, __: None
) -> list[Verified]:
    """Verify an artifact, a folder of artifacts, or a model repository.

    Args:
        root: the folder.
        advance: is told what is verified next, and of how many.

    Raises:
        ArtifactError, ExportError: the first check that fails.
    """
    if (root / "artifact.json").is_file():
        return [verify(root)]
    repository = any(root.glob(f"*/{CONFIG_FILE}"))
    folders = (
        served_versions(root)
        if repository
        else sorted(file.parent for file in root.glob("**/artifact.json"))
    )
    if not folders:
        raise ArtifactError(f"{root} holds no artifact: name the folder of one, or a repository")
    found = []
    for folder in folders:
        artifact = Artifact.load(folder)
        advance(artifact.model, len(folders))
        steps = published_steps(artifact, root) if repository else None
        found.append(verify(folder, steps))
    return found


def verify(folder: Path, steps: Sequence[Asked] | None = None) -> Verified:
    """Repeat the checks of one artifact.

    Args:
        folder: of the artifact.
        steps: that it asks if it is an ensemble; by default those beside it.

    Raises:
        ArtifactError: files that are missing, changed, or not to be trusted.
        ExportError: a gate that fails.
    """
    artifact = Artifact.load(folder)
    found = Verified(artifact.model, folder, {"files": f"{len(artifact.files)} as written"})
    if artifact.kind == KIND or ENGINES_FILE in artifact.files:
        said = check_engines(folder)
        sms = ", ".join(f"SM {one['sm']}" for one in said["engines"])
        found.checks["engines"] = f"{said['flavour']} {said['version']}, {sms}, of this graph"
    if artifact.signature is None:
        return found
    if artifact.kind != KIND and MODEL_FILE in artifact.files:
        try:
            _verify_graph(artifact, artifact.signature, found)
        except (KeyError, TypeError) as error:
            raise ExportError(
                f"{folder}: its report or its kept rows lack {error}: export it again"
            ) from error
    if artifact.metrics.get("served"):
        check_golden(artifact, exported_steps(artifact) if steps is None else steps)
        found.checks["golden"] = "as recorded"
    return found


def _verify_graph(artifact: Artifact, signature: Signature, found: Verified) -> None:
    graph, report = load_graph(artifact), read_report(artifact.path)
    if facts_of(graph)["ops"] != report["check"]["ops"]:
        raise ExportError(
            f"{artifact.path / MODEL_FILE} has other operators than its report says: export again"
        )
    found.checks["graph"] = f"{sum(report['check']['ops'].values())} nodes"
    judge = get_spec(artifact.recipe["model"]).judge
    form = artifact.metrics.get("form", "")
    if judge is None or not artifact.metrics.get("served") or form.endswith(ENCODE):
        return
    precision = _precision(artifact, graph)
    evidence, session = read_evidence(artifact.path), open_session(graph)
    signature.check(_one(evidence, signature))
    answers = _verify_numbers(artifact, session, evidence, precision)
    found.checks["numeric"] = f"{evidence.rows} kept rows"
    _verify_task(artifact, report, precision, judge)
    found.checks["task"] = _verify_worth(artifact, answers, evidence, report["task"], judge)


def _verify_task(
    artifact: Artifact, report: Mapping[str, Any], precision: Precision, judge: Judge
) -> None:
    """What the whole test set said when it was exported is what the precision allows."""
    metrics = (report["task"] or {}).get("metrics", {})
    for name, metric in judge.metrics.items():
        allowed = precision.lost[metric.kind]
        if name not in metrics or not acceptable(metrics[name], allowed):
            raise ExportError(
                f"{artifact.path} is not known to lose at most {allowed:g} of {name} on its test "
                "set: export it again"
            )


def _precision(artifact: Artifact, graph: onnx.ModelProto) -> Precision:
    """What the graph's file says, which is what the artifact must say too."""
    written = {one.key: one.value for one in graph.metadata_props}.get("leanzoo.precision", "")
    said = artifact.metrics.get("precision")
    if said not in PRECISIONS or said != written:
        raise ExportError(
            f"{artifact.path} says that it is {said}, its graph '{written}': expected the same; "
            "export it again"
        )
    return PRECISIONS[said]


def _one(evidence: Evidence, signature: Signature) -> Arrays:
    """One request of the rows."""
    most = signature.max_batch
    return {name: a[: most or None] if most else a[0] for name, a in evidence.inputs.items()}


def _verify_numbers(
    artifact: Artifact, session: Any, evidence: Evidence, precision: Precision
) -> Arrays:
    """Hold answers against those recorded, and a row beside few others against it beside many.

    A graph that is not near the trained model is held against its own answers, as it gave them
    on the processor that it was exported on.
    """
    signature, name, unit = artifact.signature, artifact.model, evidence.unit
    assert signature is not None
    answers = answered(evidence, session, signature, name)
    bound = precision
    if not precision.near:
        bound = replace(precision, atol=precision.golden, rtol=precision.golden)
    known = evidence.outputs if precision.near else evidence.own
    compare(f"{name}: kept rows", answers, known, 1, unit, bound)
    for batch in BATCHES if signature.max_batch else ():
        few = {key: array[:ROWS_OF_BATCHES] for key, array in evidence.inputs.items()}
        found = answer_in(session, few, batch, what := f"{name}: kept rows at batch {batch}")
        whole = {key: array[:ROWS_OF_BATCHES] for key, array in answers.items()}
        near = None if unit is None else unit[:ROWS_OF_BATCHES]
        compare(what, found, whole, CLOSER, near, precision)
    return answers


def _verify_worth(
    artifact: Artifact,
    answers: Arrays,
    evidence: Evidence,
    task: Mapping[str, Any],
    judge: Judge,
) -> str:
    """The kept rows are worth what was recorded, of the trained model's answers and the graph's."""
    for which, given in (("torch", evidence.outputs), ("graph", answers)):
        found, kept = worth(judge, given, evidence.targets), task["kept"][which]
        for name, value in kept.items():
            if not abs(found[name] - value) <= SAME_WORTH * max(1, abs(value)):
                raise ExportError(
                    f"{artifact.model}: expected {name} {value:.5f} of the kept rows ({which}), "
                    f"measured {found[name]:.5f}: export it again"
                )
    return ", ".join(f"{name} {value:.4f}" for name, value in found.items())
