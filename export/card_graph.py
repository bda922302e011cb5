"""What a model card says of the exported graph: its precision, its size, and its gates."""

from __future__ import annotations

from typing import Any

from export.precision import PRECISIONS
from export.report import read_report
from zoo.artifact import Artifact
from zoo.contract import Signature
from zoo.registry import get_spec


def about_graph(artifact: Artifact, signature: Signature) -> str:
    """Paragraphs in Markdown.

    Args:
        artifact: the exported or published model, with its report.
        signature: its own.
    """
    report = read_report(artifact.path)
    task = report["task"]
    parts = [
        _graph(artifact, report["check"]),
        _numbers(artifact, signature, report["numeric"]),
        _worth(task) if task else "",
    ]
    return "\n\n".join(part for part in parts if part)


def _graph(artifact: Artifact, check: dict[str, Any]) -> str:
    """Precision, size and latency; an ensemble has no graph."""
    precision = PRECISIONS[artifact.metrics["precision"]]
    p50 = artifact.metrics.get("p50_batch1_us")
    timed = f"; one row takes {p50:.0f} µs (median, in process, one thread)" if p50 else ""
    if not check:
        return f"An ensemble: it holds no graph of its own{timed}."
    return (
        f"{precision.name} ({precision.doc}): {check['size_bytes'] / 1e6:.2f} MB, "
        f"{check['parameters']:,} numbers, opset {check['opset']}{timed}."
    )


def _numbers(artifact: Artifact, signature: Signature, numeric: dict[str, Any]) -> str:
    form = get_spec(artifact.recipe["model"]).exports.get(artifact.metrics["form"])
    of_what = " of a history's scale" if form and form.unit else ""
    raw = any(spec.dtype == "object" for spec in signature.inputs)
    with_what = "the ids of the same rows" if raw else "torch"
    batches = ", ".join(map(str, numeric["batches"]))
    text = (
        f"Compared with {with_what} on {numeric['rows']} real rows at batches {batches}: largest "
        f"difference {numeric['max_abs_diff']:.1e}{of_what}"
    )
    if numeric["atol"] is not None:
        text += f" (accepted: {numeric['atol']:.0e}, and {numeric['rtol']:.0e} of a value)"
    if numeric["top1_agreement"] is not None:
        text += f", same top class in {numeric['top1_agreement']:.4f} of them"
    return f"{text}."


def _worth(task: dict[str, Any]) -> str:
    lines = [
        f"On all {task['rows']:,} rows of the test set, in ONNX Runtime against torch:",
        "",
        "| metric | torch | this graph | change, 95 % interval | accepted loss |",
        "|---|---|---|---|---|",
    ]
    for name, one in task["metrics"].items():
        interval = f"{one['change']:+.1e} ({one['low']:+.1e} to {one['high']:+.1e})"
        row = (name, f"{one['torch']:.5f}", f"{one['graph']:.5f}", interval, f"{one['allowed']:g}")
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)
