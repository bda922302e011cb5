"""A checkpoint as ONNX artifacts, written only if every form of its model passes its gates.

<out>/<precision>/<model>    one artifact per form and precision

A form is one artifact; one that is also asked with raw values is three: ``<model>`` takes ids,
``<model>-encode`` turns strings into them, and the ensemble ``<model>-raw`` does both. What they
hold: ``export.artifacts``. A variant that costs too much leaves ``refused.json`` instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from export.artifacts import MODEL_FILE, Draft, write_all
from export.candidate import Candidate, answer_in, open_session, some_ids
from export.drafts import drafts_of
from export.errors import ExportError
from export.evidence import answered, collect
from export.graph import check_graph, facts_of
from export.parity import check, check_same
from export.precision import FP16, FP32, INT8, INT8_WEIGHTS, Precision
from export.quantize import dynamic, static, weights_only
from export.refusals import Refusal, write_refusals
from export.report import Report
from export.to_fp16 import half
from export.trained import Trained, model_id
from export.trial import Refused, worth
from zoo.artifact import Artifact
from zoo.contract import near

__all__ = ["MODEL_FILE", "Exported", "export_checkpoint", "model_id"]

SAME_ROWS = 256


@dataclass(frozen=True)
class Exported:
    """What became of a checkpoint.

    Attributes:
        artifacts: what passed, and is written.
        refused: variants that would have cost too much.
    """

    artifacts: list[Artifact]
    refused: list[Refusal]


def export_checkpoint(
    run: Path,
    forms: Sequence[str] | None,
    out: Path,
    data: Any = None,
    precisions: Sequence[Precision] = (FP32,),
    advance: Callable[[str, int], None] = lambda _, __: None,
) -> Exported:
    """Export a checkpoint; nothing is written unless every form passes in fp32.

    Args:
        run: folder of a checkpoint.
        forms: of its model; None for all that suit it.
        out: folder that receives the artifacts, a folder per precision.
        data: the recipe's data, if at hand; read otherwise.
        precisions: of forms that are served; others are exported in fp32 alone.
        advance: is told what is done next, and of how many.

    Raises:
        ArtifactError: no checkpoint at ``run``, or ``out`` cannot be written.
        ExportError: an unknown form, an operator that ONNX lacks, or in fp32 a failed gate.
    """
    trained = Trained(run, data)
    plan = _plan(trained, _choose(list(trained.forms), forms), precisions)
    drafts: dict[str, list[Draft]] = {one.name: [] for one in precisions}
    passed: dict[str, dict[str, Candidate]] = {one.name: {} for one in precisions}
    refused: list[Refusal] = []
    for precision, form in plan:
        name = model_id(trained.artifact.model, form, trained.spec)
        advance(f"{name} {precision.name}", len(plan))
        try:
            passed[precision.name][form], made = _export(trained, form, precision)
            drafts[precision.name] += made
        except ExportError as error:
            if precision is FP32:
                raise
            task = error.task if isinstance(error, Refused) else None
            refused.append(Refusal(name, precision.name, form, str(error), task))
    for candidates in passed.values():
        _check_forms_agree(trained.artifact.model, candidates)
    artifacts = [
        artifact
        for name, made in drafts.items()
        for artifact in write_all(made, out / name, trained.artifact)
    ]
    write_refusals(refused, out)
    return Exported(artifacts, refused)


def _choose(known: Sequence[str], forms: Sequence[str] | None) -> list[str]:
    """The forms asked for.

    Raises:
        ExportError: one that this model does not have.
    """
    for form in forms or ():
        if form not in known:
            raise ExportError(f"unknown form '{form}': {near(form, known)}")
    return [form for form in known if forms is None or form in forms]


def _plan(
    trained: Trained, forms: Sequence[str], precisions: Sequence[Precision]
) -> list[tuple[Precision, str]]:
    """What is exported, precision by precision; only what is served is in others than fp32."""
    return [
        (precision, form)
        for precision in precisions
        for form in forms
        if precision is FP32 or trained.forms[form].served
    ]


def _export(trained: Trained, form: str, precision: Precision) -> tuple[Candidate, list[Draft]]:
    """One form in one precision, through its gates."""
    candidate = variant(trained, form, precision)
    numeric = check(candidate, _by_row(trained, candidate))
    trial = trained.trial if trained.forms[form].served else None
    task, evidence = None, None
    if trial:
        evidence = collect(candidate, trial)
        answers = answered(
            evidence, open_session(candidate.graph), candidate.signature, candidate.name
        )
        kept = {"rows": evidence.rows, **worth(trial.judge, answers, evidence.targets)}
        task = {**trial.check(candidate), "kept": kept}
    report = Report(facts_of(candidate.graph), numeric, task)
    return candidate, drafts_of(trained.source(form), candidate, report, evidence)


def variant(trained: Trained, form: str, precision: Precision) -> Candidate:
    """A form's candidate in a precision.

    Raises:
        ExportError: what was made of the graph is no valid one.
    """
    candidate = trained.candidate(form)
    if precision is FP32:
        return candidate
    make = {FP16.name: half, INT8_WEIGHTS.name: weights_only, INT8.name: dynamic}
    if precision.name in make:
        graph = make[precision.name](candidate.graph)
    else:
        graph = static(candidate.graph, trained.calibration(form))
    check_graph(graph, candidate.signature, candidate.name)
    return replace(candidate, graph=graph, precision=precision, expected=None)


def _by_row(trained: Trained, candidate: Candidate) -> Candidate | None:
    """The form that answers row by row, which one that ranks is held against."""
    if not candidate.ranks:
        return None
    forms = trained.forms
    form = next((f for f in forms if forms[f].signature(trained.config).max_batch), None)
    return None if form is None else variant(trained, form, candidate.precision)


def _check_forms_agree(name: str, candidates: dict[str, Candidate]) -> None:
    """All forms that answer row by row, with the same outputs, must give the same answers."""
    alike: dict[tuple[str, ...], dict[str, Candidate]] = {}
    for form, candidate in candidates.items():
        if candidate.signature.max_batch:
            outputs = tuple(spec.name for spec in candidate.signature.outputs)
            alike.setdefault(outputs, {})[form] = candidate
    for several in alike.values():
        if len(several) > 1:
            _check_alike(name, several)


def _check_alike(name: str, candidates: dict[str, Candidate]) -> None:
    answers, unit, precision = {}, None, FP32
    for form, candidate in candidates.items():
        rows = candidate.rows(some_ids(candidate.n_rows, SAME_ROWS))
        session, batch = open_session(candidate.graph), candidate.signature.max_batch
        answers[form] = answer_in(session, rows, batch, candidate.name)
        unit, precision = candidate.unit_of(rows), candidate.precision
    check_same(name, answers, unit, precision)
