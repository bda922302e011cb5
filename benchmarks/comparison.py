"""Times models on the same queries in turns, and judges the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.conditions import Watch, git_sha, software
from benchmarks.intervals import Interval, median_ratio
from benchmarks.measurement import Measurement, latencies
from benchmarks.subjects import Subject
from benchmarks.timing import BLOCK, Ask, affordable, interleave

# samples; of 6 the median has an interval
REQUIRED = {"A": 50, "B": 50, "C": 6, "R": 50, "K": 50, "F": 6}
ALL_AT_ONCE = "C"  # the protocol in which one query is all there is
DISTINCT = 100  # queries whose inputs are made beforehand; repeated where more are timed
PROFILED = 50  # queries whose preparation is timed alone


@dataclass(frozen=True)
class Plan:
    """How long to measure.

    Attributes:
        budget_s: seconds for all models of one protocol.
        least: samples taken even if they cost more.
        most: samples at most.
        seed: draws the queries.
    """

    budget_s: float
    least: int
    most: int
    seed: int = 0


@dataclass(frozen=True)
class Outcome:
    """What was measured in one protocol.

    Attributes:
        measurements: of the teacher, of what else the student is compared with, of the student.
        ratios: of each but the student: its median over the student's; None where it was not
            timed.
    """

    measurements: tuple[Measurement, ...]
    ratios: tuple[Interval | None, ...]

    @property
    def teacher(self) -> Measurement:
        """The first measurement."""
        return self.measurements[0]

    @property
    def student(self) -> Measurement:
        """The last measurement."""
        return self.measurements[-1]

    @property
    def ratio(self) -> Interval | None:
        """The teacher's median over the student's."""
        return self.ratios[0]


def compare(
    protocol: str,
    subjects: Sequence[Subject],
    queries: Sequence[np.ndarray],
    plan: Plan,
    found: Sequence[Mapping[str, Any]],
) -> Outcome:
    """Measure models against the last of them, the student.

    Args:
        protocol: a key of ``REQUIRED``.
        subjects: the teacher first, the student last; opened with equal threads.
        queries: row ids; as many are used as the plan affords.
        plan: how long to measure.
        found: of each subject, fields of its measurement; with ``reasons`` it is not timed.
    """
    watch, block = Watch(subjects[-1].threads), block_of(protocol)
    timed = [subject for subject, known in zip(subjects, found, strict=True) if not _out(known)]
    asks = [ask_of(subject, queries[0]) for subject in timed]
    n = affordable(asks, queries[:3], plan.budget_s)
    queries = queries[: min(max(n, plan.least), plan.most)]
    took_ms = iter(interleave(asks, queries, block))
    samples = [np.array([]) if _out(known) else next(took_ms) for known in found]
    done = {"protocol": protocol, "versions": software(), "git_sha": git_sha()}
    done["machine"] = watch.machine()
    measurements = []
    for subject, known, took in zip(subjects, found, samples, strict=True):
        fields = {**done, **known, **_profile(protocol, subject, queries, len(took))}
        measurements.append(_measured(subject, len(queries[0]), took, fields))
    return Outcome(tuple(measurements), tuple(_ratio(took, samples[-1]) for took in samples[:-1]))


def draw_queries(n_rows: int, batch: int, plan: Plan) -> list[np.ndarray]:
    """Random rows per query, distinct where there are enough, for as many queries as a plan takes.

    Args:
        n_rows: rows to draw from.
        batch: rows per query.
        plan: how many queries, and the seed.
    """
    random = np.random.default_rng(plan.seed)
    return [random.choice(n_rows, batch, replace=batch > n_rows) for _ in range(plan.most)]


def few_queries(n_rows: int, batch: int, plan: Plan) -> list[np.ndarray]:
    """As ``draw_queries``, but no more than can be kept with their inputs."""
    return draw_queries(n_rows, batch, replace(plan, most=min(plan.most, DISTINCT)))


def repeated(few: Sequence[np.ndarray], plan: Plan) -> list[np.ndarray]:
    """As many queries as a plan may take."""
    return [few[k % len(few)] for k in range(plan.most)]


def block_of(protocol: str) -> int:
    """Queries per turn."""
    return 1 if protocol == ALL_AT_ONCE else BLOCK


def ask_of(subject: Subject, query: np.ndarray) -> Ask:
    """Asks in one call where the query fits into one."""
    fits = len(query) <= (subject.max_batch or len(query))
    return subject.ask if fits else subject.ask_all


def _ratio(slow_ms: np.ndarray, fast_ms: np.ndarray) -> Interval | None:
    return median_ratio(slow_ms, fast_ms) if len(slow_ms) and len(fast_ms) else None


def _out(known: Mapping[str, Any]) -> bool:
    """Whether a model is left out of the timing."""
    return bool(known.get("reasons"))


def _profile(
    protocol: str, subject: Subject, queries: Sequence[np.ndarray], timed: int
) -> dict[str, Any]:
    """What is fetched for a query, and how long that takes alone; nothing of what was not timed,
    or had its inputs at hand."""
    of_all = protocol == ALL_AT_ONCE and subject.role == "student"
    if not timed or of_all or subject.prepared:
        return {}
    queries = queries[:PROFILED]
    fetched = [len(next(iter(subject.rows(ids).values()))) for ids in queries]
    p50_ms = float(np.median(interleave([subject.rows], queries)))
    return {"nodes_fetched": float(np.mean(fetched)), "rows_p50_ms": p50_ms}


def _measured(
    subject: Subject, batch: int, samples_ms: np.ndarray, fields: Mapping[str, Any]
) -> Measurement:
    """A measurement with its verdict."""
    measurement = Measurement(
        model=subject.model,
        role=subject.role,
        form=subject.form,
        batch=batch,
        model_sha256=subject.sha256,
        **{**fields, **latencies(samples_ms, batch)},
    )
    required = REQUIRED[measurement.protocol]
    if measurement.reasons or measurement.samples >= required:
        return measurement
    return replace(measurement, reasons=(f"{measurement.samples} samples: at least {required}",))
