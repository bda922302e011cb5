"""Numbers as people read them: three significant digits, and always a unit."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.intervals import Interval
from benchmarks.measurement import Measurement

RUNG_NAMES = {
    "floor": "floor",
    "torch": "PyTorch",
    "ort": "ORT",
    "ort-int8": "ORT int8",
    "compute": "Triton compute",
    "grpc": "gRPC",
    "http": "HTTP",
    "gateway": "gateway",
}
IN_WORDS = {
    "ort": "in process",
    "ort-int8": "in process, int8",
    "torch": "in process, PyTorch",
    "grpc": "over gRPC",
    "http": "over HTTP",
    "gateway": "through the gateway",
    "compute": "inside Triton",
}
UNITS = {"R": "row", "K": "candidate", "F": "window"}
ROLES = ("student", "teacher", "identity")
PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def digits(value: float) -> str:
    """Three significant digits, thousands apart."""
    rounded = float(f"{value:.3g}")
    if abs(rounded) >= 100:
        return f"{rounded:,.0f}"
    return f"{rounded:#.3g}".rstrip(".").replace("-", "−") if rounded else "0"


def time(ms: float | None) -> str:
    """A duration in the unit that suits it; a dash where there is none."""
    if ms is None:
        return "–"
    value = float(f"{ms:.3g}")
    if value < 1:
        return f"{digits(value * 1e3)} µs" if value >= 1e-3 else f"{digits(value * 1e6)} ns"
    return f"{digits(value)} ms" if value < 1e3 else f"{digits(value / 1e3)} s"


def time_of(found: Interval | None) -> str:
    """A percentile; a dash where there were too few samples."""
    return time(found.value if found else None)


def times(ratio: float) -> str:
    """How many times as long or as fast."""
    return f"{digits(ratio)}×"


def span(low: float, high: float) -> str:
    """The ends of an interval of ratios."""
    return f"{digits(low)} to {digits(high)}"


def range_of(found: Sequence[float]) -> str:
    """The least and the most of several numbers."""
    low, high = digits(min(found)), digits(max(found))
    return low if low == high else f"{low} to {high}"


def per_s(rate: float | None) -> str:
    """How often in a second; a rate that was set has no digits behind the point."""
    if rate is None:
        return "–"
    return f"{rate:,.0f} /s" if rate == round(rate) else f"{digits(rate)} /s"


def amount(value: float | None, unit: str) -> str:
    """A large number with its prefix: 1.44 MFLOP."""
    if value is None:
        return "–"
    for size, prefix in PREFIXES:
        if abs(value) >= size:
            return f"{digits(value / size)} {prefix}{unit}"
    return f"{digits(value)} {unit}"


def quality(metric: str, value: float | None) -> str:
    """A metric of the task: accuracies in per cent, others with the digits that tell them apart."""
    if value is None:
        return "–"
    return f"{100 * value:.1f} %" if metric.endswith("accuracy") else f"{value:.4f}"


def change(metric: str, value: float, lower: bool = False) -> str:
    """A signed difference of a metric.

    Args:
        metric: its name.
        value: of errors, a fraction of the teacher's.
        lower: it is an error, the least being best.
    """
    if metric.endswith("accuracy"):
        text = f"{100 * value:+.2f} points"
    else:
        text = f"{100 * value:+.2f} %" if lower else f"{value:+.4f}"
    return text.replace("-", "−")


def metric_name(metric: str) -> str:
    """A metric as it is written in text."""
    short = {"auc": "AUC", "mse": "MSE", "mae": "MAE", "crps": "CRPS", "ece": "ECE"}
    words = metric.removeprefix("test_").split("_")
    return " ".join(short.get(word, word) for word in words)


def asked(protocol: str, batch: int) -> str:
    """What one query asks: ``A · 10 nodes``."""
    if protocol == "C":
        return "C · all nodes"
    unit = UNITS.get(protocol, "node")
    return f"{protocol} · {batch:,} {unit}{'s' * (batch != 1)}"


def where(found: Measurement) -> str:
    """Where in the ladder, and how, something was measured."""
    rate = f", {per_s(found.offered_per_s)} offered" if found.offered_per_s is not None else ""
    return f"{RUNG_NAMES[found.rung]}, {asked(found.protocol, found.batch)}, {found.load}{rate}"


def listed(words: Sequence[str]) -> str:
    """Several words in a sentence."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def begun(text: str) -> str:
    """As a sentence begins."""
    return text if text.startswith("gRPC") else text[:1].upper() + text[1:]
