"""Our closed loops beside perf_analyzer's, for documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.markdown import table

WAYS = {  # name in the results → heading
    "perf_analyzer": "perf_analyzer, gRPC",
    "client": "`serving.client`",
    "prepared": "message made beforehand",
    "perf_analyzer_http": "perf_analyzer, HTTP",
    "socket": "bare connection",
}


def perf_analyzer_table(found: Mapping[str, Any]) -> str:
    """p50 of every client, a row per model, where the difference is, and the conditions."""
    machine, version = found["machine"], found["versions"]["perf_analyzer"]
    within = round(100 * found["agree_within"])
    head = ["model", "rows", *WAYS.values()]
    body = [[f"`{case['model']}`", f"{case['rows']:,}", *_cells(case)] for case in found["cases"]]
    return (
        f"{table(head, body, texts=1)}\n\n"
        f"p50 in ms of one request in flight, all clients in turns against the same Triton "
        f"({found['server']}), {found['rounds']} turns of {found['seconds']:g} s each; in brackets "
        f"that over perf_analyzer's of the same protocol, with its 95 % interval; **bold**: within "
        f"{within} %. perf_analyzer {version} is C++, the clients beside it are Python "
        f"({machine['cpu']}, load {machine['load_average']:.1f} on {machine['cores']} cores).\n\n"
        f"{_where(found)}"
    )


def _cells(case: Mapping[str, Any]) -> list[str]:
    """p50 of every way, with its ratio where it has one."""
    cells = []
    for way in WAYS:
        cell = f"{case['p50_ms'][way]:.3f}"
        if ratio := case["ratios"].get(way):
            cell += f" ({ratio['value']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}])"
        cells.append(f"**{cell}**" if case["agree"].get(way) else cell)
    return cells


def _where(found: Mapping[str, Any]) -> str:
    """Where the time of each client goes: in the server, and in the client's own processor time."""
    head = ["in the server / by the client, ms", *WAYS.values()]
    body = [
        [
            f"`{case['model']}`, {case['rows']:,}",
            *(
                f"{case['server_ms'][way]['all']:.3f} / {case['client_core_ms'][way]:.3f}"
                for way in WAYS
            ),
        ]
        for case in found["cases"]
    ]
    return (
        f"{table(head, body, texts=1)}\n\n"
        "Means per request: what Triton says that it took, and the client's own processor time, "
        f"its start included. {_explained(found)}{_waited(found)}"
    )


def _explained(found: Mapping[str, Any]) -> str:
    """How much of the difference is the clients' own processor time."""
    parts = []
    for way in found["cases"][0]["ratios_less_client"]:
        values = [case["ratios_less_client"][way] for case in found["cases"]]
        low, high = f"{min(values):.2f}", f"{max(values):.2f}"
        parts.append(f"{WAYS[way]} {low}" + (f" to {high}" if high != low else ""))
    return (
        "Less the processor time that a client takes beyond perf_analyzer's, its p50 is so many "
        f"times perf_analyzer's: {', '.join(parts)}."
    )


def _waited(found: Mapping[str, Any]) -> str:
    """Which models let few requests wait so long that the mean says nothing of the others."""
    slow = [
        f"`{case['model']}`"
        for case in found["cases"]
        if any(case["server_ms"][way]["queue"] > case["p50_ms"][way] for way in WAYS)
    ]
    if not slow:
        return ""
    return (
        f" Of {', '.join(slow)} few requests wait so long in Triton's queue that the mean is above "
        "the median."
    )
