"""Click prediction: FinalMLP (Mao et al., AAAI 2023), what it is distilled from, and baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from zoo.families.ctr import data, forms, problem
from zoo.families.ctr.data import DATASETS, OWN_OPTIONS, describe, own_settings
from zoo.families.ctr.draft import draft
from zoo.families.ctr.ensemble import KINDS, CTREnsemble, EnsembleConfig
from zoo.families.ctr.judge import JUDGE
from zoo.families.ctr.losses import DistillConfig
from zoo.spec import Export, ModelSpec

TASK = "click-prediction"

DOCS = {
    "finalmlp": "FinalMLP, two gated MLP streams and their bilinear fusion (Mao et al. 2023).",
    "dualmlp": "DualMLP, two MLPs whose logits are summed (Mao et al. 2023).",
    "dcnv2": "DCNv2, cross layers beside an MLP (Wang et al. 2021).",
    "xdeepfm": "xDeepFM, compressed interaction network beside an MLP (Lian et al. 2018).",
    "autoint": "AutoInt+, self-attention between fields beside an MLP (Song et al. 2019).",
    "logreg": "Logistic regression, a weight per value.",
}


def _spec(
    name: str,
    doc: str,
    config: type,
    build: Callable[[Any], nn.Module],
    exports: Mapping[str, Export],
) -> ModelSpec:
    return ModelSpec(
        name=name,
        doc=doc,
        task=TASK,
        config=config,
        data_config=data.DataConfig,
        distill_config=DistillConfig,
        data=data.read,
        build=build,
        objective=problem.objective,
        outputs=problem.outputs,
        answers=problem.answers,
        evaluate=problem.evaluate,
        metric="auc",
        exports=exports,
        judge=JUDGE,
    )


MODELS = [
    _spec(name, DOCS[name], config, build, forms.FINALMLP if name == "finalmlp" else forms.SINGLE)
    for name, (config, build) in KINDS.items()
]
MODELS.append(
    _spec(
        "ctr_ensemble",
        "Several click models as one: the mean of their logits.",
        EnsembleConfig,
        CTREnsemble,
        forms.TEACHER,
    )
)

__all__ = ["DATASETS", "MODELS", "OWN_OPTIONS", "describe", "draft", "own_settings"]
