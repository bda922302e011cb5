"""What scores of test rows are worth: their ranking and their likelihood."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.families.ctr.metrics import AUC
from zoo.metrics import Metric, mean
from zoo.spec import Arrays, Judge, Rows

CALIBRATION_ROWS = 1024


def _tested(data: Any) -> Rows:
    return data, np.arange(data.n_rows)


def _training(data: Any) -> Rows:
    """Some training rows, evenly spaced, in the place of the test part."""
    part = data.parts["train"]
    rows = np.linspace(0, len(part.y) - 1, min(len(part.y), CALIBRATION_ROWS)).astype(np.int64)
    return data.with_test(part), rows


def _targets(data: Any, ids: np.ndarray) -> Arrays:
    return {"y": np.asarray(data.parts["test"].y)[ids]}


def _quantities(outputs: Arrays, targets: Arrays) -> Arrays:
    """Shapes: logit (rows, 1) or (rows,), y (rows,) → logit, y and the rows' logloss."""
    logit, y = outputs["logit"].reshape(-1).astype(np.float64), targets["y"]
    return {"logit": logit, "y": y, "logloss": np.logaddexp(0, logit) - logit * y}


JUDGE = Judge(
    tested=_tested,
    training=_training,
    targets=_targets,
    quantities=_quantities,
    metrics={
        "auc": AUC,
        "logloss": Metric(mean("logloss"), "relative", lower=True),
    },
)
