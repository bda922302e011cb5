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
from export.evidence import Evidence, answered, collect
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
        unsuited: form that such a model has not → what it is for.
    """

    artifacts: list[Artifact]
    refused: list[Refusal]
    unsuited: dict[str, str]


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
    chosen = _choose(list(trained.forms), forms)
    drafts: dict[str, list[Draft]] = {one.name: [] for one in precisions}
    refused: list[Refusal] = []
    steps = _plan(trained, chosen, precisions)
    for precision, form in steps:
        name = model_id(trained.artifact.model, form, trained.spec)
        advance(f"{name} {precision.name}", len(steps))
        try:
            report, evidence = _examine(trained, form, precision)
        except ExportError as error:
            if precision is FP32:
                raise
            refused.append(_refusal(trained, form, precision, error))
            continue
        if precision in precisions:
            candidate = variant(trained, form, precision)
            drafts[precision.name] += drafts_of(trained.source(form), candidate, report, evidence)
    for precision in precisions:
        gone = {one.form for one in refused if one.precision == precision.name}
        forms = [form for asked, form in steps if asked is precision and form not in gone]
        _check_forms_agree(trained, forms, precision)
    artifacts = [
        artifact
        for name, made in drafts.items()
        for artifact in write_all(made, out / name, trained.artifact)
    ]
    write_refusals(refused, out)
    unsuited = {
        form: known.doc
        for form, known in trained.spec.exports.items()
        if known.served and form not in trained.forms
    }
    return Exported(artifacts, refused, unsuited)


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
    """What goes through the gates: fp32 whether or not it is asked for, and what is served else."""
    smaller = [one for one in precisions if one is not FP32]
    served = [form for form in forms if trained.forms[form].served]
    return [(FP32, form) for form in forms] + [(one, form) for one in smaller for form in served]


def _examine(trained: Trained, form: str, precision: Precision) -> tuple[Report, Evidence | None]:
    """One form in one precision, through its gates.

    Raises:
        ExportError: a gate that fails; of a variant with what it would have cost, where the test
            set can be asked.
    """
    candidate = variant(trained, form, precision)
    trial = trained.trial if trained.forms[form].served else None
    try:
        numeric = check(candidate, _by_row(trained, candidate))
    except ExportError as error:
        if trial is None or precision is FP32:
            raise
        raise Refused(f"as {precision.name}: {error}", trial.measure(candidate)) from error
    facts = facts_of(candidate.graph)
    if trial is None:
        return Report(facts, numeric), None
    task = trial.check(candidate)
    evidence = collect(candidate, trial)
    session = open_session(candidate.graph)
    answers = answered(evidence, session, candidate.signature, candidate.name)
    kept = {
        "rows": evidence.rows,
        "torch": worth(trial.judge, evidence.outputs, evidence.targets),
        "graph": worth(trial.judge, answers, evidence.targets),
    }
    return Report(facts, numeric, {**task, "kept": kept}), evidence


def _refusal(trained: Trained, form: str, precision: Precision, error: ExportError) -> Refusal:
    task = error.task if isinstance(error, Refused) else None
    name = model_id(trained.artifact.model, form, trained.spec)
    return Refusal(name, precision.name, form, str(error), task, trained.artifact.digest)


def variant(trained: Trained, form: str, precision: Precision) -> Candidate:
    """A form's candidate in a precision.

    Raises:
        ExportError: what was made of the graph is no valid one.
    """
    candidate, key = trained.candidate(form), (form, precision.name)
    if precision is FP32 or key in trained.variants:
        return trained.variants.get(key, candidate)
    make = {FP16.name: half, INT8_WEIGHTS.name: weights_only, INT8.name: dynamic}
    if precision.name in make:
        graph = make[precision.name](candidate.graph)
    else:
        graph = static(candidate.graph, trained.calibration(form))
    check_graph(graph, candidate.signature, candidate.name)
    made = replace(candidate, graph=graph, precision=precision, expected=None)
    trained.variants[key] = made
    return made


def _by_row(trained: Trained, candidate: Candidate) -> Candidate | None:
    """The form that answers row by row, which one that ranks is held against."""
    if not candidate.ranks:
        return None
    forms = trained.forms
    form = next((f for f in forms if forms[f].signature(trained.config).max_batch), None)
    return None if form is None else variant(trained, form, candidate.precision)


def _check_forms_agree(trained: Trained, forms: Sequence[str], precision: Precision) -> None:
    """All forms that answer row by row, with the same outputs, must give the same answers."""
    alike: dict[tuple[str, ...], dict[str, Candidate]] = {}
    for form in forms:
        candidate = variant(trained, form, precision)
        if candidate.signature.max_batch:
            outputs = tuple(spec.name for spec in candidate.signature.outputs)
            alike.setdefault(outputs, {})[form] = candidate
    for several in alike.values():
        if len(several) > 1:
            _check_alike(trained.artifact.model, several)


def _check_alike(name: str, candidates: dict[str, Candidate]) -> None:
    answers, unit, precision = {}, None, FP32
    for form, candidate in candidates.items():
        rows = candidate.rows(some_ids(candidate.n_rows, SAME_ROWS))
        session, batch = open_session(candidate.graph), candidate.signature.max_batch
        answers[form] = answer_in(session, rows, batch, candidate.name)
        unit, precision = candidate.unit_of(rows), candidate.precision
    check_same(name, answers, unit, precision)
