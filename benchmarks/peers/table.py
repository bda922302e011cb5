"""What the gateway costs, as tables for documents.

results/gateway_peers.json      of benchmarks.peers: JSON to probabilities beside other services
results/gateway_latency.json    of benchmarks.added_latency: over Triton itself
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.markdown import table

SERVICES = {  # name in the results → heading
    "gateway": "gateway, Triton",
    "gateway_in_process": "gateway, in process",
    "bentoml": "BentoML",
    "bentoml_tuned": "BentoML, tuned",
    "fastapi": "FastAPI by hand",
}


def peers_table(found: Mapping[str, Any]) -> str:
    """p50 of every service, a row per kind of request, and under which conditions."""
    versions, machine = found["versions"], found["machine"]
    head = ["rows", "features", "JSON, kB", *SERVICES.values()]
    body = [
        [
            str(cell["rows"]),
            cell["values"],
            f"{cell['request_bytes'] / 1e3:.0f}",
            *(interval(cell["p50_ms"][name]) for name in SERVICES),
        ]
        for cell in found["cells"]
    ]
    return (
        f"{table(head, body, texts=2)}\n\n"
        f"JSON to the probabilities of all classes, p50 in ms with 95 % intervals, of one client "
        f"that asks in turns: {found['model']} in one worker with {found['threads']} thread of "
        f"ONNX Runtime {versions['onnxruntime']}; {found['server']}, BentoML "
        f"{versions['bentoml']} as documented, and as a coroutine that logs no requests, FastAPI "
        f"{versions['fastapi']} ({machine['cpu']}, load "
        f"{machine['load_average']:.1f} on {machine['cores']} cores)."
    )


def added_table(found: Mapping[str, Any]) -> str:
    """p50 with and without the gateway, and under which conditions."""
    machine = found["machine"]
    head = ["request", "Triton, arrays", "Triton, `serving.client`", "gateway", "added to arrays"]
    body = [
        [
            cell["case"],
            *(interval(cell["p50_ms"][way]) for way in ("arrays", "client", "gateway")),
            interval(cell["added_ms"]["arrays"]),
        ]
        for cell in found["cells"]
    ]
    return (
        f"{table(head, body, texts=1)}\n\n"
        f"p50 in ms with 95 % intervals of one client that asks in turns, {found['graph']} and "
        f"{found['ranker']}, {found['requests']:,} requests each way: over gRPC with arrays made "
        f"beforehand, over gRPC through `serving.client`, and through the gateway ("
        f"{found['server']}, {machine['cpu']}, load {machine['load_average']:.1f} on "
        f"{machine['cores']} cores)."
    )


def interval(found: Mapping[str, float] | None) -> str:
    """A value in ms with its interval."""
    if found is None:
        return "–"
    return f"{found['value']:.2f} [{found['low']:.2f}, {found['high']:.2f}]"
