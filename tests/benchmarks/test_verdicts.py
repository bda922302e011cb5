"""Verdicts: every condition under which a run does not count is provoked, and refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tritonclient.grpc import model_config_pb2

from benchmarks.histograms import decode
from benchmarks.load.outcome import Loaded, measured
from benchmarks.measurement import INVALID, VALID, Measurement
from benchmarks.verdicts import cached, cached_in, few, reasons, unequal
from export.triton_config import CONFIG_FILE, to_text
from zoo.artifact import ArtifactError

ABOUT: dict[str, Any] = {
    "model": "mlp-cora", "role": "student", "form": "rows", "protocol": "A", "batch": 10,
}  # fmt: skip
EQUAL = {"metric": "auc", "low": -0.0004, "epsilon": 0.001, "equal": True, "reasons": []}


def run(samples: int = 6000, lag_ms: float = 0.04) -> Loaded:
    """A run that counts: p50 of 1 ms, a lag of 4 % of it, all answered."""
    latencies_ms = np.linspace(0.5, 1.5, samples)
    lag = np.full(samples, lag_ms)
    return Loaded("loadgen Server", latencies_ms, lag, 100.0, 99.5, samples / 99.5, 0)


def test_a_good_run_counts() -> None:
    assert reasons(run()) == ()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"lag_ms": np.append(np.zeros(97), [0.06] * 3)},
            "the generator was late: lag p99 0.06 ms is 6.0% of the latency's p50 of 1 ms: "
            "at most 5%",
        ),
        (
            {"achieved_per_s": 98.0},
            "98 of 100 offered queries per second were answered, 98.0%: at least 99%",
        ),
        ({"errors": 3}, "3 of 6003 queries failed: none may"),
        (
            {"errors": 1, "failure": "lost: end of file"},
            "1 of 6001 queries failed, the first by lost: end of file: none may",
        ),
        ({"said": ("LoadGen: no",)}, "LoadGen: no"),
        ({"latencies_ms": np.ones(499)}, "499 samples: p99 needs at least 500"),
    ],
)
def test_a_bad_run_is_refused(change: dict[str, Any], reason: str) -> None:
    bad = replace(run(), **change)
    assert reasons(bad) == (reason,)
    refused = measured(bad, **ABOUT)
    assert refused.verdict == INVALID and refused.reasons == (reason,)


def test_a_closed_loop_has_no_lag_and_offers_no_rate() -> None:
    closed = replace(run(), lag_ms=np.array([]), offered_per_s=None, achieved_per_s=3.0)
    assert reasons(closed) == ()
    found = measured(closed, **ABOUT)
    assert (found.load, found.lag_p99_ms, found.offered_per_s) == ("closed", None, None)


def test_nothing_answered_is_refused_and_no_error() -> None:
    nothing = replace(run(), latencies_ms=np.array([]), achieved_per_s=0.0, errors=7)
    found = measured(nothing, **ABOUT)
    assert found.samples == 0 and found.p50_ms is None and found.histogram == ""
    assert "7 of 7 queries failed: none may" in found.reasons


@pytest.mark.parametrize(
    ("samples", "required", "missing"),
    [
        (499, ("p99_ms",), ["p99"]),
        (500, ("p99_ms",), []),
        (4999, ("p99_ms", "p999_ms"), ["p99.9"]),
        (5000, ("p99_ms", "p999_ms"), []),
        (1, ("p50_ms",), []),
        (0, ("p50_ms",), ["p50"]),
    ],
)
def test_a_percentile_needs_samples(
    samples: int, required: tuple[str, ...], missing: list[str]
) -> None:
    assert [line.split()[2] for line in few(samples, required)] == missing
    found = measured(replace(run(), latencies_ms=np.linspace(1, 2, samples)), required, **ABOUT)
    for name in ("p99_ms", "p999_ms"):
        assert (getattr(found, name) is None) == (samples < {"p99_ms": 500, "p999_ms": 5000}[name])


def test_a_measurement_has_what_the_run_found() -> None:
    found = measured(run(), **ABOUT, restarts=5, reasons=("another",))
    assert found.reasons == ("another",) and found.load == "open" and found.restarts == 5
    assert found.samples == 6000 and found.rows_per_s == 995.0
    assert found.p50_ms is not None and found.p50_ms.value == pytest.approx(1.0, abs=1e-3)
    assert found.p999_ms is not None and found.lag_p99_ms == pytest.approx(0.04)
    assert decode(found.histogram)[-1] == (pytest.approx(1.5, rel=1e-3), 1.0)
    assert Measurement.from_json(found.to_json()) == found
    assert measured(run(), **ABOUT).verdict == VALID


def test_a_cache_is_found_in_the_configuration(tmp_path: Path) -> None:
    config = model_config_pb2.ModelConfig(name="clicks", max_batch_size=8)
    for enable in (False, True):
        config.response_cache.enable = enable
        (tmp_path / "clicks").mkdir(exist_ok=True)
        (tmp_path / "clicks" / CONFIG_FILE).write_text(to_text(config))
        on = ("the response cache of clicks is on: it must be off",) if enable else ()
        assert cached(config) == on and cached_in(tmp_path, ["clicks"]) == on
    config.ClearField("response_cache")
    assert cached(config) == ()
    with pytest.raises(ArtifactError, match="cannot be read"):
        cached_in(tmp_path, ["other"])


def test_a_worse_student_fails_the_gate() -> None:
    assert unequal(EQUAL) == ()
    worse = {
        **EQUAL,
        "low": -0.0213,
        "equal": False,
        "reasons": ["accuracy gate: served otherwise"],
    }
    assert unequal(worse) == (
        "accuracy gate: served otherwise",
        "accuracy gate: student − teacher in auc may be as low as -0.0213: at least -0.001",
    )
