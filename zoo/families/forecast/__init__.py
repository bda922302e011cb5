"""Forecasting: one-pass quantile students, and what they are distilled from or compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from torch import nn

from zoo.families.forecast import (
    data,
    forms,
    gpd,
    gpd_forms,
    gpd_problem,
    judge,
    linear,
    patchtst,
    paths,
    problem,
    quantile_mlp,
    tsmixer,
)
from zoo.families.forecast.baselines import baselines
from zoo.families.forecast.data import describe
from zoo.families.forecast.datasets import DATASETS
from zoo.families.forecast.losses import DistillConfig, Untaught
from zoo.families.forecast.own import (
    OWN_OPTIONS,
    SEVERAL_FILES,
    describe_series,
    own_settings,
    read_series,
)
from zoo.spec import Export, ModelSpec

TASK = "forecasting"


def _spec(
    config: type,
    build: Callable[[Any], nn.Module],
    doc: str,
    exports: Mapping[str, Export] = forms.SERIES,
) -> ModelSpec:
    return ModelSpec(
        name=build.__name__,
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
        metric="mse",
        lower=True,
        exports=exports,
        judge=judge.JUDGE,
        finish=problem.finish,
        baselines=baselines,
    )


MODELS = [
    _spec(
        quantile_mlp.QuantileMLPConfig,
        quantile_mlp.quantile_mlp,
        "Closed-form ridge, corrected by a small MLP; nine quantiles in one pass.",
        forms.STUDENT,
    ),
    _spec(linear.LinearConfig, linear.rlinear, "RLinear, one linear map (Li et al. 2023)."),
    _spec(
        linear.DLinearConfig,
        linear.dlinear,
        "DLinear, linear maps of trend and rest (Zeng et al. 2023).",
    ),
    _spec(
        linear.SparseTSFConfig,
        linear.sparse_tsf,
        "SparseTSF, one small map for all phases of a season (Lin et al. 2024).",
    ),
    _spec(
        tsmixer.TSMixerConfig,
        tsmixer.tsmixer,
        "TSMixer, MLPs over time and over channels (Chen et al. 2023).",
        forms.TOGETHER,
    ),
    _spec(
        patchtst.PatchTSTConfig,
        patchtst.patchtst,
        "PatchTST, a transformer over patches of a series (Nie et al. 2023).",
    ),
    replace(
        _spec(
            gpd.GPDConfig,
            gpd.GPD,
            "GPD, a diffusion model of windows that continues any history (Yang et al. 2024).",
            gpd_forms.FORMS,
        ),
        name="gpd",
        distill_config=Untaught,
        objective=gpd_problem.objective,
        outputs=gpd_problem.outputs,
        answers=None,
        evaluate=gpd_problem.evaluate,
        judge=judge.PATHS_JUDGE,
        finish=gpd_problem.finish,
        baselines=gpd_problem.baselines,
        forecast=paths.forecast_paths,
    ),
]

__all__ = [
    "DATASETS",
    "MODELS",
    "OWN_OPTIONS",
    "SEVERAL_FILES",
    "describe",
    "describe_series",
    "own_settings",
    "read_series",
]
