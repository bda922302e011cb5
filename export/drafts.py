"""What becomes of a graph that passed its gate: its artifact, and those of its vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from export.artifacts import (
    LABELS_FILE,
    Draft,
    golden_file,
    golden_ids,
    graph_file,
    timed_ids,
    warmup_files,
    warmup_ids,
)
from export.candidate import Arrays, Candidate, ask, open_session, torch_answer
from export.evidence import ROWS_FILE, Evidence
from export.graph import facts_of
from export.precision import FP32
from export.raw import RawNet, check_raw
from export.report import REPORT_FILE, Report
from export.speed import p50_us
from export.vocabulary import ENCODE, RAW, VOCABULARY_FILE, is_coded, read_vocabulary
from zoo.artifact import versions
from zoo.golden import Golden, ranked
from zoo.steps import STEPS_FILE, steps_text


@dataclass(frozen=True)
class Source:
    """Where a form comes from.

    Attributes:
        model: name of the checkpoint's recipe.
        form: of the model.
        served: published for requests.
        recipe: its id.
        licence: of the data.
        attachments: file name → content, what the data gave.
    """

    model: str
    form: str
    served: bool
    recipe: str
    licence: str
    attachments: Mapping[str, bytes]

    def about(self, net: Candidate) -> dict[str, str]:
        """What a graph's file says of itself."""
        made = versions("torch", "onnx", "onnxscript")
        said = {"model": net.name, "form": self.form, "precision": net.precision.name}
        return {**said, "recipe": self.recipe, **made}

    def metrics(self, net: Candidate, p50: float | None = None) -> dict[str, Any]:
        """What an artifact says of itself; the latency only of what is served."""
        timed = {} if p50 is None else {"p50_batch1_us": p50}
        said = {"form": self.form, "served": self.served, "data_licence": self.licence}
        return {**said, "precision": net.precision.name, **timed}


def drafts_of(
    source: Source, candidate: Candidate, report: Report, evidence: Evidence | None
) -> list[Draft]:
    """The artifact of a form; where it is asked with raw values too, three.

    Args:
        source: of the form.
        candidate: its graph.
        report: what its gates measured.
        evidence: rows that are kept with it; None where nothing is scored.

    Raises:
        ExportError: strings and the ids of the same rows do not give the same.
    """
    coded = any(map(is_coded, candidate.signature.inputs))
    if candidate.raw is None or not coded or not source.served:
        return [_net(source, candidate, report, evidence)]
    content = source.attachments.get(VOCABULARY_FILE, b"")
    raw = RawNet(candidate, read_vocabulary(content, source.model))
    encode, whole = check_raw(raw)
    facts = facts_of(raw.graph)
    return [
        _net(replace(source, attachments={}), candidate, report, evidence),
        _vocabulary(source, raw, Report(facts, encode)),
        _ensemble(source, raw, Report({}, whole)),
    ]


def _net(source: Source, net: Candidate, report: Report, evidence: Evidence | None) -> Draft:
    """The artifact of one graph, with rows of the test set where it has one."""
    files = graph_file(net.graph, source.about(net)) | dict(source.attachments)
    files[REPORT_FILE] = report.to_text().encode()
    p50 = None
    if source.served:
        session = open_session(net.graph)
        p50 = p50_us(lambda r: session.run(None, r), [net.rows(ids) for ids in timed_ids(net)])
        rows = net.rows(golden_ids(net))
        files |= golden_file(_named(_golden(net, rows, rows), source))
        if net.signature.max_batch or net.ranks:
            files |= warmup_files(net.rows(warmup_ids(net)), net.signature)
    if evidence is not None:
        files[ROWS_FILE] = evidence.to_bytes()
    return Draft(net.name, "onnx", net.signature, source.metrics(net, p50), files)


def _golden(net: Candidate, rows: Arrays, said: Arrays) -> Golden:
    """Rows, the trained model's answers, or of a graph that is not near it the graph's own.

    Args:
        net: the graph.
        rows: that it takes.
        said: the same rows as they are asked: strings instead of ids where there are such.
    """
    if net.precision is FP32:
        answers = torch_answer(net, rows)
    else:
        answers = ask(open_session(net.graph), rows, net.name)
    return Golden(said, answers, net.precision.golden, net.unit_of(rows))


def _named(golden: Golden, source: Source) -> Golden:
    """Golden rows with the names of their classes, where the model has such."""
    if LABELS_FILE not in source.attachments:
        return golden
    names = source.attachments[LABELS_FILE].decode().splitlines()
    return replace(golden, labels=ranked(golden.outputs, names))


def _vocabulary(source: Source, raw: RawNet, report: Report) -> Draft:
    """Strings to ids. What the data gave belongs here."""
    source = replace(source, form=f"{source.form}{ENCODE}")
    golden = golden_ids(raw.net)
    about = source.about(raw.net) | {"model": raw.encode_name}
    del about["precision"]  # it is the same behind every net
    files = graph_file(raw.graph, about) | dict(source.attachments)
    files[REPORT_FILE] = report.to_text().encode()
    files |= golden_file(Golden(raw.texts(golden), raw.ids(golden)))
    files |= warmup_files(raw.texts(warmup_ids(raw.net)), raw.encode_signature)
    p50 = p50_us(raw.encode, [raw.texts(ids) for ids in timed_ids(raw.net)])
    metrics = source.metrics(raw.net, p50)
    return Draft(raw.encode_name, "onnx", raw.encode_signature, metrics, files)


def _ensemble(source: Source, raw: RawNet, report: Report) -> Draft:
    """Strings to answers; it holds no graph, and is warmed up by its steps."""
    source = replace(source, form=f"{source.form}{RAW}")
    golden = golden_ids(raw.net)
    files = {STEPS_FILE: steps_text(raw.steps).encode(), REPORT_FILE: report.to_text().encode()}
    files |= golden_file(_golden(raw.net, raw.net.rows(golden), raw.rows(golden)))
    p50 = p50_us(raw.answer, [raw.rows(ids) for ids in timed_ids(raw.net)])
    parents = {"encode": raw.encode_name, "net": raw.net.name}
    metrics = source.metrics(raw.net, p50)
    return Draft(raw.name, "ensemble", raw.signature, metrics, files, parents)
