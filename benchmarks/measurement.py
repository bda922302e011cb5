"""What was measured, under which conditions, and whether it counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from benchmarks.intervals import Interval, percentile

VALID, INVALID = "VALID", "INVALID"
PERCENTILES = {"p50_ms": 0.50, "p95_ms": 0.95, "p99_ms": 0.99, "p999_ms": 0.999}
RUNGS = {  # of the ladder, from the arithmetic to the caller
    "floor": "the work itself: arithmetic or bytes, at this machine's rates",
    "torch": "PyTorch, eager, in process",
    "ort": "ONNX Runtime, fp32, in process",
    "ort-int8": "ONNX Runtime, int8, in process",
    "compute": "Triton, what the server says that the model took",
    "grpc": "Triton over gRPC",
    "http": "Triton over HTTP",
    "gateway": "the gateway, JSON over HTTP",
}


@dataclass(frozen=True)
class Measurement:
    """The latency of one model in one protocol.

    Attributes:
        model: id of the measured graph.
        role: ``teacher``, ``student``, or ``identity``, which has the student's inputs and outputs
            and computes nothing.
        form: the exported form that was asked.
        protocol: ``A``, ``B`` or ``C``, see ``node_protocols``; ``R`` or ``K``, see
            ``click_protocols``; ``F``, see ``forecast_protocols``.
        batch: nodes, rows, candidates or windows per query.
        target: runtime and device.
        precision: of weights and activations.
        rung: of the ladder, a key of ``RUNGS``: how far from the caller the model is.
        load: ``closed``, one query after the other, or ``open``, at scheduled times.
        concurrency: queries in flight.
        offered_per_s: queries that were scheduled, in an open loop.
        achieved_per_s: queries that were answered.
        lag_p99_ms: by how much the generator was late, in an open loop.
        restarts: of the servers, over which the samples are spread.
        samples: timed queries.
        p50_ms: from node ids, or from the inputs, to the answer, with the order-statistic interval.
        p95_ms: the same; None where there are too few samples.
        p99_ms: the same; None below 500 samples.
        p999_ms: the same; None below 5,000.
        rows_p50_ms: the part of it that expands neighbourhoods and gathers features.
        rows_per_s: answered nodes, rows or candidates per second.
        errors: failed queries.
        nodes_fetched: nodes whose features were gathered, mean per query.
        max_abs_diff: largest difference of logits, from the trained model's or the row-wise form's.
        server_ms: means of what the server says it spent: ``queue``, ``input``, ``infer``,
            ``output``.
        core_s_per_query: processor time of all processes that serve.
        histogram: of the latencies, see ``histograms``.
        accuracy: fraction of test nodes, through this path.
        exact_accuracy: fraction of test nodes, computed exactly.
        forms_p50_ms: form → p50 in the pilot; the fastest form was measured.
        machine: processor, cores, threads, load average, steal.
        versions: package → version.
        model_sha256: of the graph's file.
        git_sha: of this repository.
        reasons: why it does not count; empty where it does.
    """

    model: str
    role: str
    form: str
    protocol: str
    batch: int
    target: str = "onnxruntime-cpu"
    precision: str = "fp32"
    rung: str = "ort"
    load: str = "closed"
    concurrency: int = 1
    offered_per_s: float | None = None
    achieved_per_s: float | None = None
    lag_p99_ms: float | None = None
    restarts: int = 0
    samples: int = 0
    p50_ms: Interval | None = None
    p95_ms: Interval | None = None
    p99_ms: Interval | None = None
    p999_ms: Interval | None = None
    rows_p50_ms: float | None = None
    rows_per_s: float | None = None
    errors: int = 0
    nodes_fetched: float | None = None
    max_abs_diff: float | None = None
    server_ms: dict[str, float] = field(default_factory=dict)
    core_s_per_query: float | None = None
    histogram: str = ""
    accuracy: float | None = None
    exact_accuracy: float | None = None
    forms_p50_ms: dict[str, float] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    model_sha256: str = ""
    git_sha: str = ""
    reasons: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """Whether it counts."""
        return INVALID if self.reasons else VALID

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, the verdict included."""
        return {**asdict(self), "reasons": list(self.reasons), "verdict": self.verdict}

    @staticmethod
    def from_json(raw: Mapping[str, Any]) -> Measurement:
        """The inverse of ``to_json``; what was not measured yet is as if it had not been."""
        values = {known.name: raw[known.name] for known in fields(Measurement) if known.name in raw}
        for name in PERCENTILES:
            values[name] = Interval(**values[name]) if values.get(name) else None
        return Measurement(**{**values, "reasons": tuple(values.get("reasons", ()))})


def latencies(samples_ms: np.ndarray, batch: int) -> dict[str, Any]:
    """The fields of a Measurement that follow from its samples.

    Args:
        samples_ms: one latency per query.
        batch: rows per query.
    """
    if len(samples_ms) == 0:
        return {}
    return {
        "samples": len(samples_ms),
        "rows_per_s": batch * 1000 / float(samples_ms.mean()),
        **{name: percentile(samples_ms, quantile) for name, quantile in PERCENTILES.items()},
    }
