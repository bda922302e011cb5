"""Tables of the page: floors, cost, quality, conditions, and what does not count."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.report.results import Result, Row
from benchmarks.report.words import (
    RUNG_NAMES,
    amount,
    digits,
    metric_name,
    per_s,
    quality,
    time,
    times,
    where,
)

SHOWN = ("accuracy", "auc", "logloss", "mse", "mae", "crps")


@dataclass(frozen=True)
class Table:
    """Cells of text.

    Attributes:
        ident: anchor on the page.
        head: headings.
        body: rows.
        texts: how many columns, from the left, hold text; the others are flush right.
    """

    ident: str
    head: Sequence[str]
    body: Sequence[Sequence[str]]
    texts: int

    @property
    def groups(self) -> list[list[Sequence[str]]]:
        """Rows that follow each other and begin alike."""
        return [[*rows] for _, rows in itertools.groupby(self.body, key=lambda row: row[0])]


def floor_table(results: Sequence[Result]) -> Table:
    """The work of each graph, the least time it takes here, and the time it took."""
    body = []
    for result in results:
        for row in _by_model(result.floors):
            over = "–" if row["over_floor"] is None else times(row["over_floor"])
            body.append(
                [
                    *(str(row["model"]), str(row["role"]), f"{row['batch']:,}"),
                    *(amount(row["flops"], "FLOP"), amount(row["bytes"], "B")),
                    *(time(row["floor_ms"]), str(row["bound"]), time(_value(row["p50_ms"])), over),
                    time(row.get("identity_ms")),
                ]
            )
    head = ["model", "role", "batch", "work", "bytes", "floor", "bound", "ORT p50", "over floor"]
    return Table("floors", [*head, "call alone"], body, 2)


def _by_model(rows: Sequence[Row]) -> list[Row]:
    """Rows of a model together, in the order in which models come."""
    models = [*dict.fromkeys((row["role"], row["model"]) for row in rows)]
    return sorted(rows, key=lambda row: models.index((row["role"], row["model"])))


RATES = {
    "gemm_gflops": ("matrix product", "FLOP/s"),
    "memory_gb_s": ("memory", "B/s"),
    "l3_gb_s": ("L3 cache", "B/s"),
    "l2_gb_s": ("L2 cache", "B/s"),
}


def rates_table(results: Sequence[Result]) -> Table:
    """What this machine can do, as measured beside each recipe."""
    measured = [result for result in results if result.rates]
    names = [name for name in RATES if any(name in result.rates for result in measured)]
    body = []
    for result in measured:
        speeds = [_giga(result.rates.get(name), RATES[name][1]) for name in names]
        body.append([result.recipe, *speeds, time(result.rates.get("call_ms"))])
    head = ["recipe", *(RATES[name][0] for name in names), "empty call of ORT"]
    return Table("rates", head, body, 1)


def _giga(value: float | None, unit: str) -> str:
    return amount(None if value is None else value * 1e9, unit)


def _value(found: Any) -> float | None:
    """A median, given as a number or with its interval."""
    return found["value"] if isinstance(found, Mapping) else found


def cost_table(results: Sequence[Result]) -> Table:
    """What a core answers in a second, and what a model weighs."""
    body = []
    for result in results:
        for row in _by_model(result.costs):
            spent = row["core_s_per_query"]
            body.append(
                [
                    *(str(row["model"]), str(row["role"]), RUNG_NAMES[row["rung"]]),
                    *(f"{row['batch']:,}", digits(1 / spent) if spent else "–"),
                    _digits(row["rows_per_core_s"]),
                    *(per_s(row["queries_per_s"]), _megabytes(row["model_mb"])),
                ]
            )
    head = [
        *("model", "role", "path", "batch", "requests per core-second", "rows per core-second"),
        *("capacity", "size"),
    ]
    return Table("costs", head, body, 3)


def _digits(value: float | None) -> str:
    return "–" if value is None else digits(value)


def _megabytes(value: float | None) -> str:
    return "–" if value is None else f"{digits(value)} MB"


def quality_table(results: Sequence[Result]) -> Table:
    """Test metrics of every role of training, trivial baselines among them; of one task."""
    roles = [
        (result.recipe, role, {name.removeprefix("test_"): metrics[name] for name in metrics})
        for result in results
        for role, metrics in result.quality.items()
    ]
    names = [name for name in SHOWN if any(name in metrics for _, _, metrics in roles)]
    body = [
        [recipe, role.replace("_", " "), *(_metric(metrics, name) for name in names)]
        for recipe, role, metrics in roles
    ]
    task = results[0].task if results else "none"
    return Table(f"quality-{task}", ["recipe", "model", *map(metric_name, names)], body, 2)


def _metric(metrics: Mapping[str, Any], name: str) -> str:
    deviation = metrics.get(f"{name}_std")
    spread = f" ± {quality(name, deviation)}" if deviation is not None else ""
    return quality(name, metrics.get(name)) + spread


def conditions_table(results: Sequence[Result]) -> Table:
    """Where and when each recipe was measured."""
    head = ["recipe", "date", "server", "commit", "processor", "threads", "memory", "load", "steal"]
    return Table("machines", head, [*map(_conditions, results)], 5)


def machine_of(result: Result) -> Mapping[str, Any]:
    """The machine, as the result says, else as its measurements do; the highest load of them."""
    given = result.conditions.get("machine")
    if given:
        return dict(given)
    machines = [found.machine for found in result.measurements if found.machine]
    loads = [it["load_average"] for it in machines if "load_average" in it]
    return {**machines[0], **({"load_average": max(loads)} if loads else {})} if machines else {}


def _conditions(result: Result) -> list[str]:
    machine, given = machine_of(result), result.conditions
    sha = str(given.get("git_sha") or result.measurements[0].git_sha)
    changed = " + changes" if sha.endswith("-dirty") else ""
    memory, steal = machine.get("memory_gib"), machine.get("steal")
    return [
        *(result.recipe, str(given.get("date") or "–"), str(given.get("server") or "none")),
        *(sha[:10] + changed if sha else "–", str(machine.get("cpu", "–"))),
        f"{machine.get('threads', '–')} of {machine.get('cores', '–')}",
        *(
            "–" if memory is None else f"{digits(memory)} GiB",
            f"{machine.get('load_average', '–')}",
        ),
        "–" if steal is None else f"{100 * steal:.2g} %",
    ]


def versions_table(results: Sequence[Result]) -> Table:
    """Versions of the software; recipes with equal ones share a row."""
    groups: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for result in results:
        versions = result.conditions.get("versions") or result.measurements[0].versions
        key = tuple(sorted((str(name), str(version)) for name, version in versions.items()))
        groups.setdefault(key, []).append(result.recipe)
    body = [
        [", ".join(recipes), ", ".join(f"{name} {version}" for name, version in key)]
        for key, recipes in groups.items()
    ]
    return Table("versions", ["recipes", "versions"], body, 2)


def invalid_table(results: Sequence[Result]) -> Table:
    """Every measurement that does not count, with its reasons; those alike in a row."""
    places: dict[tuple[str, ...], list[str]] = {}
    for result in results:
        for part, found in result.all:
            if found.reasons:
                model = f"{found.model} ({found.role})"
                key = (result.recipe, part, model, "; ".join(found.reasons))
                places.setdefault(key, []).append(where(found))
    body = [[*key[:3], "; ".join(those), key[3]] for key, those in places.items()]
    return Table("invalid-measurements", ["recipe", "part", "model", "where", "why"], body, 5)
