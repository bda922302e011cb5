"""Forecasting: ``POST /v1/forecast/{model}``.

{"history": [[1.0, null, 2.0, …], …], "horizon": 48}     one list per channel, the oldest first
{"history": [[[…], …], …]}                               a batch of such histories
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from serving.forecasts import Forecast
from serving.gateway.body import MAX_VALUES, few, numbers, required, whole
from serving.gateway.catalogue import Served
from serving.gateway.problems import Problem

FIELDS = ("history", "horizon")
FORM = "series"
MAX_CHANNELS = 10_000


def history_of(body: dict[str, Any], served: Served) -> tuple[Any, int | None]:
    """The history and the horizon that a body asks for, bounded before anything is made of them.

    Returns:
        Arrays (time,) of one history's channels, or an array (batch, channels, time); steps.

    Raises:
        Problem: naming what is wrong.
    """
    given = required(body, "history", list, "a list of series, each a list of numbers or null")
    few(given, MAX_CHANNELS, "history", "series")
    horizon = whole(body, "horizon", None)
    batched = isinstance(given[0], list) and bool(given[0]) and isinstance(given[0][0], list)
    if batched:
        batch = numbers(given, "history", 3, missing=True)
        _check_size(served, batch.shape[0] * batch.shape[1], horizon)
        return batch, horizon
    _check_size(served, len(given), horizon)
    return [numbers(one, f"history[{k}]", 1, missing=True) for k, one in enumerate(given)], horizon


def answer(made: Forecast) -> Mapping[str, Any]:
    """A forecast as JSON has it; where nothing is known the numbers are null."""
    return {
        "levels": made.levels,
        "quantiles": np.ascontiguousarray(made.quantiles),
        "median": np.ascontiguousarray(made.median),
        "mean": np.ascontiguousarray(made.mean),
        "status": np.ascontiguousarray(made.status),
        "passes": made.passes,
        "note": made.note,
    }


def _check_size(served: Served, series: int, horizon: int | None) -> None:
    """Refuse windows and answers of more than MAX_VALUES numbers."""
    quantiles = next(spec for spec in served.signature.outputs if spec.columns)
    reach, levels = int(quantiles.shape[-2]), int(quantiles.shape[-1])
    lookback = int(served.signature.inputs[0].shape[-1])
    steps = max(reach, horizon or reach)
    if series * max(lookback, steps * levels) > MAX_VALUES:
        raise Problem(
            422,
            f"{series} series of {lookback} values, {steps} steps ahead: expected windows and "
            f"answers of up to {MAX_VALUES:,} numbers; split them",
        )
