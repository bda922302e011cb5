"""What was measured on the rungs, as measurements and headlines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.histograms import encode
from benchmarks.intervals import Interval, ratio_of_rounds
from benchmarks.ladder.cells import Cell
from benchmarks.ladder.in_process import ORT, ORT_INT8
from benchmarks.ladder.rungs import Cells, Lot
from benchmarks.ladder.servers import GATEWAY, GRPC, HTTP
from benchmarks.ladder.sides import BATCHES, STUDENT, TEACHER, Course, Side
from benchmarks.measurement import Measurement, latencies
from benchmarks.verdicts import unequal

ROUNDS = 5  # of a headline
LEAST = 6  # samples of which the median has an interval
COMPUTE = "compute"
HEADLINES = (ORT, GRPC, HTTP, GATEWAY)
RUNTIMES = {"torch": "pytorch-cpu"}


def measurements(lot: Lot, cells: Cells, common: Mapping[str, Any]) -> list[Measurement]:
    """Every cell by role, and what the server says that the model itself took.

    Args:
        lot: what was measured.
        cells: by protocol, batch and rung.
        common: fields that all have.
    """
    found = []
    for course, identity in lot:
        for (protocol, batch, rung), cell in cells.items():
            if protocol != course.protocol:
                continue
            for side in (*course.sides, identity):
                if side.role in cell.reasons or len(cell.samples(side.role)):
                    found.append(_measured(side, cell, (protocol, batch, rung), common))
                if cell.spent.get(side.role):
                    found.append(_computed(side, cell, (protocol, batch), common))
    return found


def _measured(
    side: Side, cell: Cell, at: tuple[str, int, str], common: Mapping[str, Any]
) -> Measurement:
    protocol, batch, rung = at
    samples, reason = cell.samples(side.role), cell.reasons.get(side.role, "")
    reasons = [*common.get("reasons", ()), *([reason] if reason else [])]
    if not reason and len(samples) < LEAST:
        reasons.append(f"{len(samples)} samples: at least {LEAST}")
    spent = cell.spent.get(side.role, [])
    return Measurement(
        **{**common, **side.about(protocol, batch, rung), "reasons": tuple(reasons)},
        target=RUNTIMES.get(rung, "onnxruntime-cpu"),
        precision="int8" if rung == ORT_INT8 else "fp32",
        restarts=len(cell.paired.get(side.role, [])),
        server_ms={part: float(np.mean([one[part] for one in spent])) for part in spent[0]}
        if spent
        else {},
        histogram=encode(samples) if len(samples) else "",
        **latencies(samples, batch),
    )


def _computed(
    side: Side, cell: Cell, at: tuple[str, int], common: Mapping[str, Any]
) -> Measurement:
    """What the server says: a mean, with the least and the most of the rounds."""
    took = [one["infer"] for one in cell.spent[side.role]]
    p50_ms = Interval(float(np.mean(took)), min(took), max(took))
    about = {**common, **side.about(*at, COMPUTE)}
    return Measurement(**about, restarts=len(took), p50_ms=p50_ms)


def headlines(lot: Lot, cells: Cells, accuracy: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Teacher over student, by rung and batch: what is faster in process, and what remains.

    Args:
        lot: what was measured.
        cells: by protocol, batch and rung.
        accuracy: as ``quality.marked`` gives it; what does not count makes no headline count.
    """
    found = []
    for course, _ in lot:
        for rung in HEADLINES:
            for batch in BATCHES:
                one = _headline(course, rung, batch, cells)
                if one is not None:
                    one["reasons"] += unequal(accuracy)
                    found.append(one)
    return found


def _headline(course: Course, rung: str, batch: int, cells: Cells) -> dict[str, Any] | None:
    """One ratio; None where nobody was asked.

    A teacher that the gateway has no endpoint for stands there as Triton alone answers for it.
    """
    fast = cells.get((course.protocol, batch, rung))
    if fast is None or STUDENT not in fast.paired:
        return None
    has_teacher = TEACHER in fast.paired or rung != GATEWAY
    against = rung if has_teacher else GRPC
    slow = cells[course.protocol, batch, against]
    one: dict[str, Any] = {"rung": rung, "protocol": course.protocol, "batch": batch}
    rounds = [slow.paired.get(TEACHER, []), fast.paired[STUDENT]]
    one |= {"restarts": len(rounds[1]), "against": against, "reasons": _doubts(slow, fast)}
    if not rounds[0]:
        return {**one, "ratio": None, "low": None, "high": None}
    ratio = ratio_of_rounds(*_alike(*rounds))
    return {**one, "ratio": ratio.value, "low": ratio.low, "high": ratio.high}


def _doubts(slow: Cell, fast: Cell) -> list[str]:
    """Why a ratio does not count."""
    sides = ((slow, TEACHER), (fast, STUDENT))
    reasons = [f"{role}: {cell.reasons[role]}" for cell, role in sides if role in cell.reasons]
    for cell, role in sides:
        samples = len(cell.samples(role))
        if role not in cell.reasons and samples < LEAST:
            reasons.append(f"{role}: {samples} samples: at least {LEAST}")
    rounds = len(fast.paired[STUDENT])
    if rounds < ROUNDS:
        reasons.append(f"{rounds} start(s) of the server or the sessions: at least {ROUNDS}")
    return reasons


def _alike(
    slow: Sequence[np.ndarray], fast: Sequence[np.ndarray]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """As many samples of both in each round."""
    pairs = [(a[: len(b)], b[: len(a)]) for a, b in zip(slow, fast, strict=False)]
    return [a for a, _ in pairs], [b for _, b in pairs]
