"""A checkpoint as ONNX artifacts, written only if every form of its model passes its gate.

A form is one artifact; one that is also asked with raw values is three: ``<model>`` takes ids,
``<model>-encode`` turns strings into them, and the ensemble ``<model>-raw`` does both. What they
hold: ``export.artifacts``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from export.artifacts import MODEL_FILE, Draft, write_all
from export.candidate import CANDIDATES, Arrays, Candidate, answer_in, open_session, some_ids
from export.drafts import Source, drafts_of
from export.errors import ExportError
from export.graph import to_graph
from export.parity import check, check_same
from zoo import checkpoint
from zoo.artifact import Artifact
from zoo.contract import Signature, near
from zoo.registry import get_spec
from zoo.spec import Export, ModelSpec, forms_of

__all__ = ["MODEL_FILE", "export_checkpoint", "model_id"]

EXAMPLE_ROWS = 7
SAME_ROWS = 256


@dataclass(frozen=True)
class Trained:
    """A loaded checkpoint with its data; its answers to it, where its family gives them."""

    artifact: Artifact
    spec: ModelSpec
    model: nn.Module
    config: Any
    data: Any
    logits: np.ndarray | None

    @property
    def forms(self) -> dict[str, Export]:
        """In which it can be exported."""
        return forms_of(self.spec, self.config)

    def source(self, form: str) -> Source:
        """What the artifacts of a form say of where they come from."""
        return Source(
            model=self.artifact.model,
            form=form,
            served=self.forms[form].served,
            recipe=checkpoint.recipe_of(self.artifact).id,
            licence=getattr(self.data, "licence", ""),
            attachments=checkpoint.attachments_of(self.artifact),
        )


def export_checkpoint(
    run: Path, forms: Sequence[str] | None, out: Path, data: Any = None
) -> list[Artifact]:
    """Export a checkpoint; nothing is written unless every form passes.

    Args:
        run: folder of a checkpoint.
        forms: of its model; None for all that suit it.
        out: folder that receives the artifacts, each named after its model.
        data: the recipe's data, if at hand; read otherwise.

    Raises:
        ArtifactError: no checkpoint at ``run``, or ``out`` cannot be written.
        ExportError: an unknown form, an operator that ONNX lacks, or a failed gate.
    """
    trained = load_trained(run, data)
    chosen = _choose(trained.forms, forms)
    candidates = {form: candidate_of(trained, form) for form in chosen}
    by_row = _by_row(trained, candidates)
    drafts: list[Draft] = []
    for form, candidate in candidates.items():
        parity = check(candidate, by_row)
        drafts += drafts_of(trained.source(form), candidate, parity)
    _check_forms_agree(trained.artifact.model, candidates)
    return write_all(drafts, out, trained.artifact)


def model_id(name: str, form: str, spec: ModelSpec) -> str:
    """A model's name in the repository: its first form bears the recipe's, others add theirs."""
    return name if form == next(iter(spec.exports)) else f"{name}-{form}"


def load_trained(run: Path, data: Any = None) -> Trained:
    """A checkpoint, its data, read where it is not at hand, and what it answers to it."""
    artifact, model, config = checkpoint.load(run)
    spec = get_spec(artifact.recipe["model"])
    data = spec.data(checkpoint.recipe_of(artifact)) if data is None else data
    logits = spec.answers(model, data).cpu().numpy() if spec.answers else None
    return Trained(artifact, spec, model, config, data, logits)


def candidate_of(trained: Trained, form: str) -> Candidate:
    """One form's graph, with what it is held against."""
    export, data, config = trained.forms[form], trained.data, trained.config
    name = model_id(trained.artifact.model, form, trained.spec)
    signature, module = export.signature(config), export.wrap(trained.model).eval()
    n_rows, raw = data.n_rows, export.raw

    def rows(ids: np.ndarray) -> Arrays:
        return export.rows(data, config, ids)

    graph = to_graph(module, signature, rows(np.arange(min(EXAMPLE_ROWS, n_rows))), name)
    return Candidate(
        name=name,
        graph=graph,
        module=module,
        signature=signature,
        rows=rows,
        n_rows=n_rows,
        expected=_expected(trained, signature) if export.exact else None,
        raw=None if raw is None else lambda ids: raw(data, config, ids),
        unit=export.unit,
    )


def _choose(known: dict[str, Export], forms: Sequence[str] | None) -> list[str]:
    """The forms asked for.

    Raises:
        ExportError: one that this model does not have.
    """
    for form in forms or ():
        if form not in known:
            raise ExportError(f"unknown form '{form}': {near(form, known)}")
    return [form for form in known if forms is None or form in forms]


def _by_row(trained: Trained, candidates: dict[str, Candidate]) -> Candidate | None:
    """The form that answers row by row, which one that ranks is held against."""
    if not any(candidate.ranks for candidate in candidates.values()):
        return None
    forms = trained.forms
    form = next((f for f in forms if forms[f].signature(trained.config).max_batch), None)
    return None if form is None else candidates.get(form) or candidate_of(trained, form)


ANSWERS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    **dict.fromkeys(("logits", "quantiles"), lambda answers: answers),
    "probabilities": lambda logits: torch.softmax(logits, dim=-1),
    "logit": lambda logits: logits.reshape(-1, 1),
    "score": lambda logits: torch.sigmoid(logits).reshape(-1, 1),
}


def _expected(trained: Trained, signature: Signature) -> Arrays | None:
    """The model's own answers by id; None where it gives none, or no id stands for one answer.

    The latter is so where training did not see all of the data, and where candidates are ranked.
    """
    ranked = any(CANDIDATES in spec.shape for spec in signature.inputs)
    if trained.logits is None or not trained.data.complete or ranked:
        return None
    logits = torch.from_numpy(trained.logits)
    names = [spec.name for spec in signature.outputs if spec.name in ANSWERS]
    return {name: ANSWERS[name](logits).numpy() for name in names}


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
    answers, unit = {}, None
    for form, candidate in candidates.items():
        rows = candidate.rows(some_ids(candidate.n_rows, SAME_ROWS))
        session, batch = open_session(candidate.graph), candidate.signature.max_batch
        answers[form] = answer_in(session, rows, batch, candidate.name)
        unit = candidate.unit_of(rows)
    check_same(name, answers, unit)
