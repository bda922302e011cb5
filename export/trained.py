"""A loaded checkpoint as what can be exported of it: its forms, each as a candidate."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from export.candidate import CANDIDATES, Arrays, Candidate
from export.drafts import Source
from export.graph import to_graph
from export.trial import Trial
from zoo import checkpoint
from zoo.contract import Signature
from zoo.registry import get_spec
from zoo.spec import Export, ModelSpec, forms_of

EXAMPLE_ROWS = 7
REQUEST = 32  # candidates of a request on which ranges are measured

ANSWERS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    **dict.fromkeys(("logits", "quantiles"), lambda answers: answers),
    "probabilities": lambda logits: torch.softmax(logits, dim=-1),
    "logit": lambda logits: logits.reshape(-1, 1),
    "score": lambda logits: torch.sigmoid(logits).reshape(-1, 1),
}


class Trained:
    """A checkpoint, its data, and what it answers to it.

    Args:
        run: folder of the checkpoint.
        data: the recipe's data, if at hand; read otherwise.

    Attributes:
        artifact, model, config: the checkpoint.
        spec: of its model.
        data: of its recipe.
        forms: in which it can be exported, the plain one first.
        variants: (form, precision) → candidate, of what was made of them.

    Raises:
        ArtifactError: no checkpoint at ``run``.
    """

    def __init__(self, run: Path, data: Any = None) -> None:
        self.artifact, self.model, self.config = checkpoint.load(run)
        self.spec: ModelSpec = get_spec(self.artifact.recipe["model"])
        recipe = checkpoint.recipe_of(self.artifact)
        self.data = self.spec.data(recipe) if data is None else data
        self.forms: dict[str, Export] = forms_of(self.spec, self.config)
        self.variants: dict[tuple[str, str], Candidate] = {}

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

    @functools.cache  # noqa: B019  lives as long as the checkpoint is at hand
    def candidate(self, form: str) -> Candidate:
        """One form's graph as it was trained, with what it is held against."""
        export, data, config = self.forms[form], self.data, self.config
        name = model_id(self.artifact.model, form, self.spec)
        signature, module = export.signature(config), export.wrap(self.model).eval()
        tested, raw = self._tested, export.raw

        def rows(ids: np.ndarray) -> Arrays:
            return export.rows(data, config, ids)

        graph = to_graph(module, signature, rows(np.arange(min(EXAMPLE_ROWS, data.n_rows))), name)
        return Candidate(
            name=name,
            graph=graph,
            module=module,
            signature=signature,
            rows=rows,
            n_rows=data.n_rows,
            tested=(lambda ids: export.rows(tested, config, ids)) if self.spec.judge else None,
            expected=self._expected(signature) if export.exact else None,
            raw=None if raw is None else lambda ids: raw(data, config, ids),
            unit=export.unit,
        )

    @functools.cached_property
    def trial(self) -> Trial | None:
        """Its test set; None where nothing of it is scored."""
        if self.spec.judge is None:
            return None
        return Trial(self.spec.judge, self.data, self.candidate(next(iter(self.forms))))

    def calibration(self, form: str) -> list[Arrays]:
        """Training rows as requests of a form, on which ranges of activations are measured."""
        assert self.spec.judge is not None
        data, ids = self.spec.judge.training(self.data)
        export = self.forms[form]
        most = export.signature(self.config).max_batch or REQUEST
        starts = range(0, len(ids), most)
        return [export.rows(data, self.config, ids[at : at + most]) for at in starts]

    @functools.cached_property
    def _tested(self) -> Any:
        """The data, as the judge numbers the rows of the test set."""
        return self.spec.judge.tested(self.data)[0] if self.spec.judge else self.data

    @functools.cached_property
    def _answers(self) -> torch.Tensor | None:
        """The model's own answers by row id, where its family gives them."""
        return self.spec.answers(self.model, self.data).cpu() if self.spec.answers else None

    def _expected(self, signature: Signature) -> Arrays | None:
        """Those answers by output; None where there are none, or no id stands for one answer.

        The latter is so where training did not see all of the data, and where candidates are
        ranked.
        """
        ranked = any(CANDIDATES in spec.shape for spec in signature.inputs)
        if self._answers is None or not self.data.complete or ranked:
            return None
        names = [spec.name for spec in signature.outputs if spec.name in ANSWERS]
        return {name: ANSWERS[name](self._answers).numpy() for name in names}


def model_id(name: str, form: str, spec: ModelSpec) -> str:
    """A model's name in the repository: its first form bears the recipe's, others add theirs."""
    return name if form == next(iter(spec.exports)) else f"{name}-{form}"
