"""Precisions in which a form is exported, and what each may cost.

A variant's answers must be near the trained model's (the numeric gate) and as good on the whole
test set (the task gate). The numbers of int8 move too far for the first: there the second decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from export.errors import ExportError
from zoo.contract import near

ALL = "all"
ROUNDING = 1e-6  # of a metric: sums in another order; of this much fp32 may be worse


@dataclass(frozen=True)
class Precision:
    """One precision.

    Attributes:
        name: as asked for, and of the folder.
        atol, rtol: by which an answer may differ, and by which share of itself.
        top1: least fraction of rows whose largest value is the trained model's.
        lost: kind of metric → what a test set may lose of it, see ``zoo.metrics.Metric``.
        golden: by how much an answer to golden rows may differ on another processor.
        by_batch: a row's answer depends on the rows beside it.
        doc: one line.
    """

    name: str
    atol: float
    rtol: float
    top1: float
    lost: Mapping[str, float]
    golden: float
    doc: str
    by_batch: bool = False

    @property
    def near(self) -> bool:
        """Whether its numbers are held to the trained model's."""
        return self.atol < float("inf")


FP32 = Precision(
    name="fp32",
    atol=1e-5,
    rtol=1e-4,
    top1=1,
    lost={"accuracy": 0, "auc": 0, "relative": 0},
    golden=1e-4,
    doc="as trained",
)
FP16 = Precision(
    name="fp16",
    atol=2e-3,
    rtol=1e-2,
    top1=0.999,
    lost={"accuracy": 5e-4, "auc": 5e-5, "relative": 1.25e-3},  # a quarter of what int8 may
    golden=1e-2,
    doc="float16 weights and products between them; half the size",
)
INT8_WEIGHTS = Precision(
    name="int8-weights",
    atol=float("inf"),
    rtol=0,
    top1=0,
    lost={"accuracy": 2e-3, "auc": 2e-4, "relative": 5e-3},
    golden=1e-2,
    doc="int8 weights, float32 products; a quarter to a third of the size",
)
INT8 = replace(
    INT8_WEIGHTS,
    name="int8",
    by_batch=True,
    doc="int8 weights, and int8 products with activations that are quantised as they come: a "
    "row's answer depends a little on the rows beside it",
)
INT8_QDQ = replace(
    INT8_WEIGHTS,
    name="int8-qdq",
    doc="int8 weights, and int8 products with activations whose ranges training rows gave",
)
PRECISIONS = {  # the most precise first
    one.name: one for one in (FP32, FP16, INT8_WEIGHTS, INT8, INT8_QDQ)
}


def parse_precision(name: str) -> Precision:
    """The precision of a name.

    Raises:
        ExportError: an unknown one.
    """
    if name not in PRECISIONS:
        raise ExportError(f"unknown precision '{name}': {near(name, PRECISIONS)}")
    return PRECISIONS[name]


def parse_precisions(text: str) -> list[Precision]:
    """Precisions named in a list with commas, the most precise first; ``all`` names every one.

    Raises:
        ExportError: an unknown one, or none.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if ALL in names:
        return [*PRECISIONS.values()]
    wanted = [parse_precision(name) for name in names]
    if not names:
        raise ExportError(f"no precision is named: expected some of {', '.join(PRECISIONS)}")
    return [one for one in PRECISIONS.values() if one in wanted]
