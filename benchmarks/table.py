"""What was measured as a table: for the terminal, and as Markdown for documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table

from benchmarks import markdown
from benchmarks.measurement import PERCENTILES, Measurement
from benchmarks.served_table import brief_table, served_markdown, served_terminal

PROTOCOLS = {
    "A": "A: online, exact",
    "B": "B: online, sampled",
    "C": "C: all nodes",
    "R": "R: rows",
    "K": "K: candidates",
    "F": "F: windows",
}
UNITS = {"A": "nodes", "B": "nodes", "C": "nodes", "R": "rows", "K": "rows", "F": "windows"}
TEXT_COLUMNS = 3  # from the left
HEADLINES = {  # ratio → heading, by the protocol that opens a result
    "A": {
        "A_b1": "A: 1 node",
        "A_b10": "A: 10",
        "B_b1": "B: 1 node",
        "B_b10": "B: 10",
        "C": "C: all nodes",
    },
    "R": {
        "R_b1": "R: 1 row",
        "R_b100": "R: 100",
        "R_b1000": "R: 1,000",
        "K_b1": "K: 1 candidate",
        "K_b100": "K: 100",
        "K_b1000": "K: 1,000",
        "K_b1000_rows": "own rows / rank, 1,000",
    },
    "F": {"F_b1": "F: 1 window", "F_b16": "F: 16", "F_b64": "F: 64"},
}

OPENED_BY = {"B": "A", "C": "A", "K": "R"}  # protocol → the one that opens its task's results

Result = Mapping[str, Any]


def terminal_table(result: Result) -> Group:
    """A result of ``bench`` for the terminal."""
    table = Table(title=f"{result['recipe']}: {conditions(result)}", title_justify="left")
    columns = _columns(result)
    columns["model"] = [raw["role"] for raw in result["measurements"]]  # ids would not fit
    for index, heading in enumerate(columns):
        table.add_column(heading, justify="left" if index < TEXT_COLUMNS else "right")
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    for line in _reasons(result):
        table.add_section()
        table.add_row(line)
    return Group(table, *served_terminal(result))


def markdown_table(results: Iterable[Result]) -> str:
    """Results of ``bench`` as Markdown, one table per recipe with its conditions beneath."""
    parts = []
    for result in results:
        columns = _columns(result)
        table = markdown.table([*columns], [*zip(*columns.values(), strict=True)], TEXT_COLUMNS)
        notes = "\n\n".join([f"{conditions(result)}.", *_reasons(result)])
        said = "\n\n".join(filter(None, [table, notes, served_markdown(result)]))
        parts.append(f"**{result['recipe']}**\n\n{said}\n")
    return "\n".join(parts)


def headline_table(results: Iterable[Result]) -> str:
    """Per recipe the student's median and the teacher's over it, as Markdown; one table a task.

    Then one table of all: quality, and what remains of the ratio behind a server.
    """
    results = [*results]
    by_task: dict[str, list[Result]] = {}
    for result in results:
        first = result["measurements"][0]["protocol"]
        by_task.setdefault(OPENED_BY.get(first, first), []).append(result)
    tables = [_headlines(first, found) for first, found in by_task.items()]
    return "\n\n".join(filter(None, [*tables, brief_table(results)]))


def _headlines(first: str, results: Sequence[Result]) -> str:
    names = HEADLINES[first]
    body = []
    for result in results:
        found = map(Measurement.from_json, result["measurements"])
        p50_ms = next(m.p50_ms for m in found if m.role == "student")
        ratios = [result["ratios"].get(name) for name in names]
        cells = [_short(ratio["ratio"]) if ratio else "–" for ratio in ratios]
        body.append([f"`{result['recipe']}`", _short(p50_ms.value) if p50_ms else "–", *cells])
    return markdown.table(["recipe", "student, ms", *names.values()], body, texts=1)


def conditions(result: Result) -> str:
    """In one line, where and with what it was measured."""
    first = result["measurements"][0]
    machine, versions = first["machine"], first["versions"]
    busiest = max(m["machine"]["load_average"] for m in result["measurements"])
    return (
        f"{machine['cpu']}, {machine['threads']} of {machine['cores']} cores, load average up to "
        f"{busiest:g}, ONNX Runtime {versions['onnxruntime']} {first['precision']}, "
        f"commit {first['git_sha'][:12]}"
    )


def _columns(result: Result) -> dict[str, list[str]]:
    """Cells by heading; a column that no measurement fills is left out."""
    rows = [_cells(Measurement.from_json(raw), result) for raw in result["measurements"]]
    columns = {heading: [row[heading] for row in rows] for heading in rows[0]}
    return {heading: cells for heading, cells in columns.items() if any(cells)}


def _cells(found: Measurement, result: Result) -> dict[str, str]:
    accuracy = "" if found.accuracy is None else f"{found.accuracy:.3f}"
    if found.exact_accuracy is not None:
        accuracy += f" (exact {found.exact_accuracy:.3f})"
    percentiles = {name: getattr(found, name) for name in PERCENTILES}
    return {
        "protocol": PROTOCOLS[found.protocol],
        "model": found.model,
        "form": found.form + (f" {found.verdict}" if found.reasons else ""),
        UNITS[found.protocol]: f"{found.batch:,}",
        "fetched": "" if found.nodes_fetched is None else f"{found.nodes_fetched:,.0f}",
        **{
            name.replace("p999", "p99.9").replace("_", " "): ""
            if at is None
            else f"{_short(at.value)} [{_short(at.low)}, {_short(at.high)}]"
            for name, at in percentiles.items()
        },
        "rows/s": "" if found.rows_per_s is None else f"{found.rows_per_s:,.0f}",
        "accuracy": accuracy,
        "p50 / student's": _ratio(found, result["ratios"]),
    }


def _name_of(found: Measurement) -> str:
    """Under which name ``bench`` files what is compared with the student in the protocol."""
    name = found.protocol if found.protocol == "C" else f"{found.protocol}_b{found.batch}"
    return name if found.role == "teacher" else f"{name}_{found.form}"


def _ratio(found: Measurement, ratios: Mapping[str, Mapping[str, float] | None]) -> str:
    ratio = ratios.get(_name_of(found))
    if ratio is None:
        return ""
    return f"{_short(ratio['ratio'])} [{_short(ratio['low'])}, {_short(ratio['high'])}]"


def _short(value: float) -> str:
    """Three digits, or whole thousands."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _reasons(result: Result) -> list[str]:
    """Why measurements do not count, one line each."""
    return [
        f"{PROTOCOLS[found.protocol]}, {found.batch:,}, {found.model}: {found.verdict}, {reason}"
        for found in map(Measurement.from_json, result["measurements"])
        for reason in found.reasons
    ]
