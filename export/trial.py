"""The task gate: answers to the whole test set must be worth what the trained model's are.

Metric by metric the difference is resampled over the same rows of both (a paired bootstrap); a
graph is refused where the lower end of the interval is worse than its precision allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from scipy.special import ndtri, stdtrit

from export.candidate import Arrays, Candidate, ask, joined, open_session, torch_answer
from export.errors import ExportError
from export.precision import ROUNDING, Precision
from zoo.metrics import Metric, Quantities
from zoo.spec import Judge

RESAMPLES = 1000
CHUNK = 50  # resamples whose weights are in memory at once
CONFIDENCE = 0.95
ASKED = 256  # rows at a time


class Refused(ExportError):
    """A variant that would cost more than its precision may.

    Attributes:
        task: what was measured, as in a report.
    """

    def __init__(self, message: str, task: dict[str, Any]) -> None:
        super().__init__(message)
        self.task = task


class Trial:
    """A model's test set, and what the trained model's own answers to it are worth.

    Args:
        judge: of its family.
        data: of its recipe.
        trained: a form of it, whose module answers for the model.
    """

    def __init__(self, judge: Judge, data: Any, trained: Candidate) -> None:
        self.judge = judge
        self._data, self.ids = judge.tested(data)
        self._block = judge.block(self._data)
        self._reference = self._quantities(
            trained, lambda arrays: torch_answer(trained, arrays), ASKED
        )

    def targets(self, rows: np.ndarray) -> Arrays:
        """What is known of test rows, by position."""
        return self.judge.targets(self._data, self.ids[rows])

    def check(self, candidate: Candidate) -> dict[str, Any]:
        """Hold a graph's answers to all test rows against the trained model's.

        Returns:
            As ``measure``.

        Raises:
            ExportError: a row is not answered where the model answers it, or the reverse.
            Refused: a metric may have lost too much.
        """
        task = self.measure(candidate)
        for name, one in task["metrics"].items():
            if not acceptable(one, one["allowed"]):
                raise Refused(_refusal(candidate, name, one), task)
        return task

    def measure(self, candidate: Candidate) -> dict[str, Any]:
        """What a graph's answers are worth, and what they cost.

        A graph whose answers depend on the rows beside is asked for one at a time as well: what
        is said is the worse.

        Returns:
            ``rows``, ``block`` (rows that are drawn together), ``resamples``, and ``metrics``:
            name → ``torch``, ``graph``, ``change`` with the ends ``low`` and ``high`` of its
            interval, above 0 where the graph is better, and the ``allowed`` loss; for metrics that
            are lower where better, of the torch value.

        Raises:
            ExportError: a row is not answered where the model answers it, or the reverse.
        """
        batches = (ASKED, 1) if candidate.precision.by_batch else (ASKED,)
        each = [self._compared(candidate, batch) for batch in batches]
        worse = {name: min((one[name] for one in each), key=lambda m: m["low"]) for name in each[0]}
        counted = {"rows": len(self.ids), "block": self._block, "resamples": RESAMPLES}
        return {**counted, "metrics": worse}

    def _compared(self, candidate: Candidate, batch: int) -> dict[str, dict[str, float]]:
        session = open_session(candidate.graph)
        given = self._quantities(candidate, lambda rows: ask(session, rows, candidate.name), batch)
        if answered := self.judge.answered:
            wrong = np.flatnonzero(given[answered] != self._reference[answered])
            if len(wrong):
                raise ExportError(
                    f"{candidate.name} as {candidate.precision.name} answers other parts of test "
                    f"row {wrong[0]} than the trained model, NaN or numbers: expected the same in "
                    f"all {len(self.ids)} rows, measured {len(wrong)} that differ"
                )
        return {
            name: compared(metric, self._reference, given, self._block, candidate.precision)
            for name, metric in self.judge.metrics.items()
        }

    def _quantities(
        self, candidate: Candidate, answer: Callable[[Arrays], Arrays], batch: int
    ) -> Quantities:
        """Of all test rows; what ranks is asked about one candidate at a time."""
        assert candidate.tested is not None
        size = min(batch, candidate.signature.max_batch) or 1
        found = []
        for start in range(0, len(self.ids), size):
            rows = np.arange(start, min(start + size, len(self.ids)))
            answers = answer(candidate.tested(self.ids[rows]))
            found.append(self.judge.quantities(answers, self.targets(rows)))
        return joined([dict(one) for one in found])


def acceptable(found: Mapping[str, float], allowed: float) -> bool:
    """Whether a metric may have lost no more than is allowed."""
    return bool(found["low"] >= -allowed - ROUNDING)


def worth(judge: Judge, answers: Arrays, targets: Arrays) -> dict[str, float]:
    """Every metric of some rows' answers; of a form that ranks, of one candidate each."""
    quantities = judge.quantities(answers, targets)
    return {name: metric.value(quantities) for name, metric in judge.metrics.items()}


def compared(
    metric: Metric, before: Quantities, after: Quantities, block: int, precision: Precision
) -> dict[str, float]:
    """A metric of the same rows answered twice, and the interval of its change.

    Args:
        metric: to compare by.
        before, after: quantities of the rows.
        block: consecutive rows that are drawn together.
        precision: says what may be lost.
    """
    one, other = metric.value(before), metric.value(after)
    sign, size = (-1 if metric.lower else 1), (abs(one) if metric.kind == "relative" else 1)
    n_rows = len(next(iter(before.values())))
    changes = [
        sign * (metric.of(after, weights) - metric.of(before, weights)) / size
        for weights in _weights(n_rows, block)
    ]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(np.concatenate(changes), (tail, 1 - tail))
    change = sign * (other - one) / size
    wider = _few(max(1, n_rows // block - 1))
    return {
        "torch": one,
        "graph": other,
        "change": change,
        "low": change - wider * (change - float(low)),
        "high": change + wider * (float(high) - change),
        "allowed": precision.lost[metric.kind],
    }


def _few(freedom: int) -> float:
    """By how much an interval over few blocks is too narrow: Student's t over the normal one."""
    end = (1 + CONFIDENCE) / 2
    return float(stdtrit(freedom, end) / ndtri(end))


def _weights(n_rows: int, block: int) -> Iterator[np.ndarray]:
    """How often each row is drawn, for some resamples at a time. Shapes: (resamples, rows).

    Blocks of full length begin at any row, and go on at the first behind the last (a circular
    block bootstrap, Politis and Romano 1992).
    """
    random = np.random.default_rng(0)
    block = min(block, n_rows)
    blocks = -(-n_rows // block)
    for _ in range(RESAMPLES // CHUNK):
        begun = random.multinomial(blocks, np.full(n_rows, 1 / n_rows), size=CHUNK)
        if block > 1:  # a row is drawn with every block that begun up to so many rows before
            turned = np.concatenate([begun[:, n_rows - block :], begun], axis=1).cumsum(axis=1)
            begun = turned[:, block:] - turned[:, :-block]
        yield begun.astype(np.float64)


def _refusal(candidate: Candidate, name: str, found: dict[str, float]) -> str:
    return (
        f"{candidate.name} as {candidate.precision.name} would cost too much: {name} "
        f"{found['graph']:.5f} against {found['torch']:.5f} of the trained model, a change of "
        f"{found['change']:+.5f} [{found['low']:+.5f}, {found['high']:+.5f}]: expected no worse "
        f"than {-found['allowed']:g}; keep a more precise one"
    )
