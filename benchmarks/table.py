"""What was measured as a table: for the terminal, and as Markdown for documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from benchmarks.measurement import PERCENTILES, Measurement

PROTOCOLS = {"A": "A: online, exact", "B": "B: online, sampled", "C": "C: all nodes"}
HEADINGS = (
    "protocol",
    "nodes",
    "model",
    "fetched",
    *("p50 ms", "p95 ms", "p99 ms"),
    "rows/s",
    "accuracy",
    "teacher/student",
)
TEXT_COLUMNS = {"protocol", "model"}


def terminal_table(result: Mapping[str, Any]) -> Table:
    """A result of ``bench`` for the terminal."""
    table = Table(title=f"{result['recipe']}: {conditions(result)}", title_justify="left")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading in TEXT_COLUMNS else "right")
    for row in _rows(result):
        table.add_row(*row)
    for line in _reasons(result):
        table.add_section()
        table.add_row(line)
    return table


def markdown_table(results: Sequence[Mapping[str, Any]]) -> str:
    """Results of ``bench`` as Markdown, one table per recipe with its conditions beneath."""
    parts = []
    for result in results:
        lines = [list(HEADINGS), [":--" if h in TEXT_COLUMNS else "--:" for h in HEADINGS]]
        lines += _rows(result)
        table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        notes = "\n\n".join([f"{conditions(result)}.", *_reasons(result)])
        parts.append(f"**{result['recipe']}**\n\n{table}\n\n{notes}\n")
    return "\n".join(parts)


def conditions(result: Mapping[str, Any]) -> str:
    """In one line, where and with what it was measured."""
    first = result["measurements"][0]
    machine, versions = first["machine"], first["versions"]
    busiest = max(m["machine"]["load_average"] for m in result["measurements"])
    return (
        f"{machine['cpu']}, {machine['threads']} of {machine['cores']} cores, load average up to "
        f"{busiest:g}, ONNX Runtime {versions['onnxruntime']} {first['precision']}, "
        f"commit {first['git_sha'][:12]}"
    )


def _rows(result: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    for raw in result["measurements"]:
        found = Measurement.from_json(raw)
        ratio = result["ratios"].get(_name_of(found)) if found.role == "teacher" else None
        rows.append([*_cells(found), _ratio(ratio)])
    return rows


def _name_of(found: Measurement) -> str:
    """Under which name ``bench`` files the protocol's ratio."""
    return found.protocol if found.protocol == "C" else f"{found.protocol}_b{found.batch}"


def _cells(found: Measurement) -> list[str]:
    percentiles = [getattr(found, name) for name in PERCENTILES]
    accuracy = "" if found.accuracy is None else f"{found.accuracy:.3f}"
    if found.exact_accuracy is not None:
        accuracy += f" (exact {found.exact_accuracy:.3f})"
    return [
        PROTOCOLS[found.protocol],
        f"{found.batch:,}",
        f"{found.model} {found.form}" + (f" {found.verdict}" if found.reasons else ""),
        "" if found.nodes_fetched is None else f"{found.nodes_fetched:,.0f}",
        *(
            "" if at is None else f"{_short(at.value)} [{_short(at.low)}, {_short(at.high)}]"
            for at in percentiles
        ),
        "" if found.rows_per_s is None else f"{found.rows_per_s:,.0f}",
        accuracy,
    ]


def _ratio(ratio: Mapping[str, float] | None) -> str:
    if ratio is None:
        return ""
    return f"{_short(ratio['ratio'])} [{_short(ratio['low'])}, {_short(ratio['high'])}]"


def _short(value: float) -> str:
    """Three digits, or whole thousands."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _reasons(result: Mapping[str, Any]) -> list[str]:
    """Why measurements do not count, one line each."""
    return [
        f"{_name_of(found)} {found.model}: {found.verdict}, {reason}"
        for found in map(Measurement.from_json, result["measurements"])
        for reason in found.reasons
    ]
