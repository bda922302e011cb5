"""Results of ``leanzoo bench`` made of formulas: complete ones, and one as older versions wrote."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.histograms import encode
from benchmarks.intervals import Interval
from benchmarks.measurement import Measurement, latencies

MACHINE = {
    **{"cpu": "a processor", "cores": 2, "memory_gib": 23.5, "load_average": 0.7},
    **{"threads": 1, "steal": 0.0},
}
VERSIONS = {"onnxruntime": "1.32.0", "python": "3.11.7", "triton": "2.44.0"}
CONDITIONS = {
    **{"machine": MACHINE, "versions": VERSIONS, "git_sha": "4e1f8bb9c0de"},
    **{"server": "Triton 2.70.0", "date": "2026-11-25"},
}
SAMPLES = 6000
MODEL_MS = {"student": 0.03, "teacher": 0.5, "identity": 0.008}
PATH_MS = {"grpc": 0.55, "http": 0.9, "gateway": 1.5}
ROLES = ("student", "teacher", "identity")
BATCHES = (1, 10, 100, 1000)
RATES = (50.0, 200.0, 400.0, 800.0)
LATE = "the generator was late: lag p99 0.4 ms is over 5 % of the latency's p50"
FEW = "312 samples; p99 needs 500"
Kind = tuple[str, str]  # task, protocol
KINDS: dict[str, Kind] = {
    "mlp-cora": ("node-classification", "A"),
    "finalmlp-ml100k": ("click-prediction", "K"),
    "quantile_mlp-etth1": ("forecasting", "F"),
}
TEACHERS = {
    **{"mlp-cora": "gcn-cora", "finalmlp-ml100k": "ctr_ensemble-ml100k"},
    **{"quantile_mlp-etth1": "gpd-etth1"},
}
ACCURACY: dict[str, dict[str, Any]] = {
    "mlp-cora": {"metric": "accuracy", "lower": False, "teacher": 0.821, "student": 0.835},
    "finalmlp-ml100k": {"metric": "auc", "lower": False, "teacher": 0.714, "student": 0.711},
    "quantile_mlp-etth1": {"metric": "mse", "lower": True, "teacher": 0.380, "student": 0.354},
}


def model_ms(role: str, batch: int) -> float:
    """What a model takes for a batch."""
    slope = {"student": 0.002, "teacher": 0.06, "identity": 0.0001}[role]
    return MODEL_MS[role] + slope * batch


def drawn(median_ms: float, spread: float, seed: int, samples: int = SAMPLES) -> np.ndarray:
    """Latencies with a tail."""
    rng = np.random.default_rng(seed)
    return np.asarray(median_ms * rng.lognormal(0, spread, samples))


def measured(
    recipe: str, role: str, rung: str, batch: int, samples_ms: np.ndarray, **more: Any
) -> Measurement:
    """A measurement of these samples."""
    name = {"student": recipe, "teacher": TEACHERS[recipe], "identity": f"{recipe}-identity"}[role]
    precision = "int8" if rung == "ort-int8" else "fp32"
    return Measurement(
        name,
        role,
        "rows",
        KINDS[recipe][1],
        batch,
        precision=precision,
        rung=rung,
        histogram=encode(samples_ms) if len(samples_ms) else "",
        machine=MACHINE,
        versions=VERSIONS,
        git_sha="4e1f8bb9c0de",
        **{**latencies(samples_ms, batch), **more},
    )


def rungs(recipe: str) -> list[Measurement]:
    """The ladder; HTTP of the teacher has too few samples."""
    found = []
    for batch in BATCHES:
        for place, role in enumerate(ROLES):
            ms = model_ms(role, batch)
            if role != "identity":
                floor = {"p50_ms": Interval(*[ms * 0.3] * 3), "samples": 0}
                found.append(measured(recipe, role, "floor", batch, np.empty(0), **floor))
                for rung, factor in (("torch", 6.0), ("ort", 1.0), ("ort-int8", 0.8)):
                    samples = drawn(ms * factor, 0.1, place)
                    found.append(measured(recipe, role, rung, batch, samples))
            compute = {"p50_ms": Interval(*[ms * 1.1] * 3), "samples": 0}
            found.append(measured(recipe, role, "compute", batch, np.empty(0), **compute))
            for rung, path_ms in PATH_MS.items():
                few = (rung, role, batch) == ("http", "teacher", 1)
                samples = drawn(path_ms + ms + 0.001 * batch, 0.15, place, 312 if few else SAMPLES)
                more: dict[str, Any] = {"reasons": (FEW,) if few else (), "restarts": 5}
                if (rung, role) != ("gateway", "teacher"):
                    found.append(measured(recipe, role, rung, batch, samples, **more))
    return found


def curves(recipe: str) -> list[Measurement]:
    """Open loops; at the highest rate the server cannot keep up."""
    found = []
    for rung in ("grpc", "gateway"):
        for place, role in enumerate(("student", "teacher")):
            for rate in RATES:
                full = rate / (900.0 if role == "student" else 700.0)
                ms = (PATH_MS[rung] + model_ms(role, 1)) / max(1 - full, 0.05)
                samples = drawn(ms, 0.2 + 0.5 * full**3, place)
                more = {"reasons": (LATE,) if full > 1 else (), "lag_p99_ms": 0.02}
                answered = {"achieved_per_s": min(rate, 700.0), "offered_per_s": rate}
                point = measured(recipe, role, rung, 1, samples, load="open", **answered, **more)
                found.append(point)
    return found


def stall(recipe: str) -> dict[str, Any]:
    """A pause of 2 s in 20 s at 500 queries a second."""
    fast = drawn(0.6, 0.1, 1, 9_000)
    waiting = np.concatenate([fast, np.linspace(2000, 1, 1000)])
    closed = np.concatenate([fast, [2000.0]])
    return {
        **{"stall_s": 2.0, "rate_per_s": 500.0, "seconds": 20.0},
        "open": measured(recipe, "student", "grpc", 1, waiting, load="open").to_json(),
        "closed": measured(recipe, "student", "grpc", 1, closed).to_json(),
    }


def headlines(recipe: str) -> list[dict[str, Any]]:
    """Speed-ups by rung; one that does not count, and the gateway's against gRPC."""
    protocol, found = KINDS[recipe][1], []
    for rung, path_ms in {"ort": 0.0, **PATH_MS}.items():
        for batch in BATCHES:
            ratio = (path_ms + model_ms("teacher", batch)) / (path_ms + model_ms("student", batch))
            found.append(
                {
                    **{"rung": rung, "protocol": protocol, "batch": batch, "ratio": ratio},
                    **{"low": 0.96 * ratio, "high": 1.05 * ratio, "restarts": 5},
                    "against": "grpc" if rung == "gateway" else rung,
                    "reasons": [FEW] if (rung, batch) == ("http", 1) else [],
                }
            )
    return found


def floors(recipe: str) -> list[dict[str, Any]]:
    """The least time of each graph."""
    return [
        {
            **{"model": name, "role": role, "form": "rows", "batch": batch, "flops": 1.4e6 * batch},
            **{"bytes": 5.7e6, "floor_ms": 0.3 * model_ms(role, batch), "bound": "memory"},
            **{"p50_ms": model_ms(role, batch), "over_floor": 3.33, "identity_ms": 0.008},
        }
        for role, name in (("student", recipe), ("teacher", TEACHERS[recipe]))
        for batch in BATCHES
    ]


def costs(recipe: str) -> list[dict[str, Any]]:
    """Requests per core-second, over gRPC."""
    return [
        {
            **{"model": name, "role": role, "rung": "grpc", "batch": batch},
            **{"queries_per_s": 1e3 / model_ms(role, batch), "model_mb": size},
            "core_s_per_query": 1e-3 * (0.4 + model_ms(role, batch)),
            "rows_per_core_s": batch / (1e-3 * (0.4 + model_ms(role, batch))),
        }
        for role, name, size in (("student", recipe, 2.9), ("teacher", TEACHERS[recipe], 11.4))
        for batch in (1, 100)
    ]


def complete(recipe: str = "mlp-cora", equal: bool = True) -> dict[str, Any]:
    """All that ``leanzoo bench`` writes of a recipe.

    Args:
        recipe: one of ``KINDS``.
        equal: whether the student is as accurate as its teacher.
    """
    accuracy = ACCURACY[recipe]
    metric = accuracy["metric"]
    change = accuracy["student"] - accuracy["teacher"]
    change = -change / accuracy["teacher"] if accuracy["lower"] else change
    ladder = [found.to_json() for found in rungs(recipe)]
    ort = [found for found in ladder if found["rung"] == "ort"]
    qualities = {"teacher": accuracy["teacher"], "student": accuracy["student"]}
    qualities |= {"vanilla": 0.563, "trivial": 0.51}
    return {
        **{"recipe": recipe, "task": KINDS[recipe][0], "quick": False, "threads": 1},
        **{"seconds": 840.0, "measurements": ort, "ratios": {}, "rungs": ladder},
        **{"headlines": headlines(recipe), "floors": floors(recipe), "costs": costs(recipe)},
        "curves": [found.to_json() for found in curves(recipe)],
        "accuracy": {
            **accuracy,
            **{"rows": 1000, "change": change, "low": change - 0.015, "high": change + 0.016},
            **{"epsilon": 0.005, "equal": equal, "through": "grpc", "reasons": []},
        },
        "quality": {role: {metric: value} for role, value in qualities.items()},
        "rates": {"gemm_gflops": 58.0, "memory_gb_s": 11.0, "l2_gb_s": 92.0, "call_ms": 0.0041},
        "stall": stall(recipe),
        "conditions": CONDITIONS,
    }


def older(recipe: str = "mlp-cora") -> dict[str, Any]:
    """What was written before anything but ONNX Runtime in process was measured."""
    found = [
        measured(recipe, role, "ort", 1, drawn(model_ms(role, 1), 0.1, place)).to_json()
        for place, role in enumerate(("teacher", "student"))
    ]
    new = ("rung", "load", "offered_per_s", "achieved_per_s", "lag_p99_ms", "restarts", "p999_ms")
    new += ("server_ms", "core_s_per_query", "histogram")
    for raw in found:
        for name in new:
            del raw[name]
    name = f"{KINDS[recipe][1]}_b1"
    return {
        **{"recipe": recipe, "measurements": found},
        "ratios": {name: {"ratio": 16.66, "low": 15.24, "high": 19.15}},
    }
