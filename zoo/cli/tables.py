"""What came out, as tables for people: metrics by role, datasets by family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

PER_CENT = "accuracy"
UNSHOWN = ("licence", "step_s")  # one is long, the other shown as "step"
DIGITS = {
    **{PER_CENT: 1, "auc": 4, "logloss": 4, "calibration": 3, "ece": 4},
    **{"mse": 4, "mae": 4, "crps": 4, "coverage80": 3},
}


def metrics_table(result: dict[str, Any], metric: str) -> Table:
    """Metrics per role; several seeds with their deviation.

    Args:
        result: of training.
        metric: by which the model's kind is compared: shown of validation too, others of test.
    """
    from rich.table import Table

    roles = result["metrics"]
    names = dict.fromkeys(name for metrics in roles.values() for name in metrics)
    shown = sorted((name for name in names if _is_shown(name, metric)), key=_place)
    unit = f": {metric}, %" if metric == PER_CENT else ""
    table = Table("", title=f"{result['recipe']}{unit} ({len(result['seeds'])} seed(s))")
    for name in shown:
        table.add_column(name.removesuffix(f"_{PER_CENT}").replace("_", " "), justify="right")
    for role, metrics in roles.items():
        table.add_row(role, *(cell(metrics, name) for name in shown))
    return table


def _is_shown(name: str, metric: str) -> bool:
    kind = name.rpartition("_")[2]
    return kind in DIGITS and (kind == metric or "test_" in name)


def _place(name: str) -> tuple[int, int, bool]:
    """Sorts plain metrics before those of other settings, and validation before test."""
    words = name.split("_")
    return len(words), [*DIGITS].index(words[-1]), words[-2] != "val"


def with_unit(metrics: dict[str, Any], name: str) -> str:
    """As ``cell``, with the sign of a per cent."""
    text = cell(metrics, name)
    return f"{text} %" if name.endswith(PER_CENT) and name in metrics else text


def cell(metrics: dict[str, Any], name: str) -> str:
    """A metric with its deviation, accuracies in per cent; a dash where it was not measured."""
    if name not in metrics:
        return "–"
    std = metrics.get(f"{name}_std")
    return number(name, metrics[name]) + (f" ± {number(name, std)}" if std is not None else "")


def number(name: str, value: float) -> str:
    """A metric's value with the digits that tell models apart."""
    kind = name.rpartition("_")[2]
    return f"{100 * value if kind == PER_CENT else value:.{DIGITS[kind]}f}"


def dataset_tables(found: list[dict[str, Any]]) -> list[Table]:
    """What is in each dataset, those of a kind in one table; licences, which are long, left out."""
    from rich.table import Table

    tables: dict[tuple[str, ...], Table] = {}
    for row in found:
        columns = tuple(key for key in row if key not in UNSHOWN)
        if columns not in tables:
            tables[columns] = Table(*columns)
        tables[columns].add_row(*(_plain(row[key]) for key in columns))
    return list(tables.values())


def _plain(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
