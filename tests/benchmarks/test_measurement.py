"""A measurement: JSON and back, verdict, conditions."""

import json

import numpy as np

from benchmarks.conditions import Watch, available_bytes, git_sha, machine, software
from benchmarks.measurement import INVALID, VALID, Measurement, latencies


def some_measurement(n: int, **fields: object) -> Measurement:
    samples = np.random.default_rng(0).lognormal(size=n)
    values = {**latencies(samples, 10), **fields}
    return Measurement("mlp-toy", "student", "dense", "A", 10, **values)  # type: ignore[arg-type]


def test_json_round_trip() -> None:
    for n in (0, 20, 600):
        found = some_measurement(n, machine=machine(), versions=software(), reasons=("slow",))
        raw = json.loads(json.dumps(found.to_json(), allow_nan=False))
        assert Measurement.from_json(raw) == found
        assert raw["verdict"] == INVALID


def test_percentiles_need_samples() -> None:
    few, many = some_measurement(20), some_measurement(600)
    assert few.p50_ms is not None
    assert few.p95_ms is None
    assert few.p99_ms is None
    assert many.p99_ms is not None
    assert many.verdict == VALID


def test_rows_per_second() -> None:
    assert latencies(np.full(50, 2.0), 10)["rows_per_s"] == 5000


def test_conditions() -> None:
    found = Watch(threads=1).machine()
    assert found["threads"] == 1
    assert 0 <= found["steal"] <= 1
    assert {"cpu", "cores", "memory_gib", "load_average"} <= set(found)
    assert available_bytes() > 0
    assert git_sha()
