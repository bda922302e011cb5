"""What becomes of a graph that passed its gate: its artifact, and those of its vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from export.artifacts import (
    Draft,
    golden_file,
    golden_ids,
    graph_file,
    timed_ids,
    warmup_files,
    warmup_ids,
)
from export.candidate import Candidate, open_session, torch_answer
from export.parity import Parity
from export.raw import RawNet, check_raw
from export.speed import p50_us
from export.vocabulary import VOCABULARY_FILE, is_coded, read_vocabulary
from zoo.artifact import versions
from zoo.golden import Golden
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

    def about(self, name: str) -> dict[str, str]:
        """What a graph's file says of itself."""
        made = versions("torch", "onnx", "onnxscript")
        return {"model": name, "form": self.form, "recipe": self.recipe, **made}

    def metrics(self, parity: Parity, p50: float | None) -> dict[str, Any]:
        """What an artifact says of itself; the latency only of what is served."""
        timed = {} if p50 is None else {"p50_batch1_us": p50}
        said = {"form": self.form, "served": self.served, "data_licence": self.licence}
        return {**said, "parity": asdict(parity), **timed}


def drafts_of(source: Source, candidate: Candidate, parity: Parity) -> list[Draft]:
    """The artifact of a form; where it is asked with raw values too, three.

    Args:
        source: of the form.
        candidate: its graph.
        parity: what its gate measured.

    Raises:
        ExportError: strings and the ids of the same rows do not give the same.
    """
    coded = any(map(is_coded, candidate.signature.inputs))
    if candidate.raw is None or not coded or not source.served:
        return [graph_draft(source, candidate, parity)]
    content = source.attachments.get(VOCABULARY_FILE, b"")
    raw = RawNet(candidate, read_vocabulary(content, source.model))
    encode, whole = check_raw(raw)
    net = graph_draft(replace(source, attachments={}), candidate, parity)
    return [net, _vocabulary(source, raw, encode), _ensemble(source, raw, whole)]


def graph_draft(
    source: Source, net: Candidate, parity: Parity, golden: Golden | None = None
) -> Draft:
    """The artifact of one graph.

    Args:
        source: of the form.
        net: its graph.
        parity: what its gate measured.
        golden: its golden rows; by default the trained model's answers.
    """
    files = graph_file(net.graph, source.about(net.name)) | dict(source.attachments)
    p50 = None
    if source.served:
        session = open_session(net.graph)
        p50 = p50_us(lambda r: session.run(None, r), [net.rows(ids) for ids in timed_ids(net)])
        rows = net.rows(golden_ids(net))
        answers = torch_answer(net, rows)
        files |= golden_file(golden or Golden(rows, answers, unit=net.unit_of(rows)))
        if net.signature.max_batch or net.ranks:
            files |= warmup_files(net.rows(warmup_ids(net)), net.signature)
    return Draft(net.name, "onnx", net.signature, source.metrics(parity, p50), files)


def _vocabulary(source: Source, raw: RawNet, parity: Parity) -> Draft:
    """Strings to ids. What the data gave belongs here."""
    source = replace(source, form=f"{source.form}-encode")
    golden = golden_ids(raw.net)
    files = graph_file(raw.graph, source.about(raw.encode_name)) | dict(source.attachments)
    files |= golden_file(Golden(raw.texts(golden), raw.ids(golden)))
    files |= warmup_files(raw.texts(warmup_ids(raw.net)), raw.encode_signature)
    p50 = p50_us(raw.encode, [raw.texts(ids) for ids in timed_ids(raw.net)])
    metrics = source.metrics(parity, p50)
    return Draft(raw.encode_name, "onnx", raw.encode_signature, metrics, files)


def _ensemble(source: Source, raw: RawNet, parity: Parity) -> Draft:
    """Strings to answers; it holds no graph, and is warmed up by its steps."""
    source = replace(source, form=f"{source.form}-raw")
    golden = golden_ids(raw.net)
    answers = torch_answer(raw.net, raw.net.rows(golden))
    files = {STEPS_FILE: steps_text(raw.steps).encode()}
    files |= golden_file(Golden(raw.rows(golden), answers))
    p50 = p50_us(raw.answer, [raw.rows(ids) for ids in timed_ids(raw.net)])
    parents = {"encode": raw.encode_name, "net": raw.net.name}
    return Draft(raw.name, "ensemble", raw.signature, source.metrics(parity, p50), files, parents)
