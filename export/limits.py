"""What a published model cannot do, as its card says it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zoo.contract import Signature


def limits(metric: str, found: dict[str, Any], signature: Signature) -> str:
    """A list in Markdown.

    Args:
        metric: by which such models are compared.
        found: the model's metrics.
        signature: of the form that is published.
    """
    return "\n".join(f"- {limit}" for limit in LIMITS[metric](found, signature))


def _of_classes(student: dict[str, Any], signature: Signature) -> list[str]:
    found = [
        "It knows only the classes in `labels.txt` and always names one of them: a row without "
        "any known feature gets the answer to an empty row, not a refusal."
    ]
    if any(spec.high is not None for spec in signature.inputs):
        found.append("Feature ids it was not trained with are read as absent.")
    if "inductive_test_accuracy" not in student:
        return [*found, "Its accuracy on rows that training did not see was not measured."]
    value, spread = (student.get(f"inductive_test_accuracy{s}") for s in ("", "_std"))
    text = f"{value:.3f}" + (f" ± {spread:.3f}" if spread is not None else "")
    return [*found, f"On rows that training did not see, expect the cold-start number, {text}."]


def _of_clicks(student: dict[str, Any], signature: Signature) -> list[str]:
    raw = any(spec.dtype == "object" for spec in signature.inputs)
    what = "Values" if raw else "Ids"
    found = [
        f"{what} that training did not see are read as one unknown value per field: a new user or "
        "item gets an average answer, not a refusal.",
        "A missing number is read as the average one." if _numeric(signature) else "",
        "Its scores are click rates of logs like the one it learned from, and not of a log whose "
        "rows without clicks were sampled otherwise: there, use them to rank only. On test rows "
        f"its predicted clicks were {student['test_calibration']:.3f} times the actual ones.",
    ]
    return [text for text in found if text]


def _of_forecasts(found: dict[str, Any], signature: Signature) -> list[str]:
    (history,) = signature.inputs
    channels, lookback = history.shape
    other = (
        "Every series is forecast by itself, whatever the others do."
        if isinstance(channels, str)
        else f"It takes the {channels} series it was trained on, in their order."
    )
    return [
        f"It sees the last {lookback} values of a series and nothing else: no calendar, nothing "
        "that is known ahead. The time between values must be that of its training, see "
        "`series.json`.",
        other,
        f"Of {100 * found['test_coverage80']:.0f} % of test values it was right that they lie "
        "between the quantiles 0.1 and 0.9; where a series no longer does as it did, expect fewer.",
        "Missing values are left out of account. A series of which no value is known is answered "
        "with NaN and the status 1, not refused.",
    ]


def _numeric(signature: Signature) -> bool:
    return any(spec.missing and spec.dtype == "float32" for spec in signature.inputs)


LIMITS: dict[str, Callable[[dict[str, Any], Signature], list[str]]] = {
    "accuracy": _of_classes,
    "auc": _of_clicks,
    "mse": _of_forecasts,
}
