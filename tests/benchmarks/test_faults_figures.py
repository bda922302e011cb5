"""Faults: when a figure is missed, and how outcomes are kept."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from benchmarks.conditions import Watch
from benchmarks.faults import kill, overload, poison, rollouts, sigterm, soak
from benchmarks.faults.connection import Asked
from benchmarks.faults.outcome import Figure, Outcome, outcome_dict, write_outcome
from benchmarks.faults.rollouts import Step
from benchmarks.faults.sigterm import Stop
from benchmarks.faults.table import faults as table_of
from tests.benchmarks.test_faults import ONE
from tests.serving.tiny_models import MLP
from zoo.rollout import Rollout


def done(number: int, at: float, status: int = 200, took: float = 0.1, **more: Any) -> Asked:
    return Asked(number, 0, at, at, at + took, status, **more)


def missed(figures: tuple[Figure, ...]) -> list[str]:
    return [figure.name for figure in figures if not figure.met]


def test_figures_of_a_kill() -> None:
    asked = [done(0, 1), done(1, 2, 503, fault="503: gone")]
    assert missed(kill.figures([4.0], asked)) == []
    assert missed(kill.figures([4.0, 10.5], asked)) == ["ready again, s"]
    assert missed(kill.figures([float("inf")], asked)) == ["ready again, s"]
    late = [*asked, done(2, 3, 504, 2.9, fault="504: late")]
    assert missed(kill.figures([4.0], late)) == ["neither right nor 503", "slowest answer, s"]
    wrong = [*asked, done(2, 3, fault="wrong: 7 tolerances from version 1")]
    assert missed(kill.figures([4.0], wrong)) == ["wrong answers", "neither right nor 503"]


def test_figures_of_an_overload() -> None:
    mib = [{"gateway": 100.0}] * 30
    asked = [done(n, n / 100) for n in range(900)] + [done(900, 9, 503, fault="503: busy")]
    assert missed(overload.figures(asked, 10, 100, mib)) == []
    assert missed(overload.figures(asked, 10, 120, mib)) == ["goodput over capacity"]
    late = [done(n, n / 100, took=2.5) for n in range(900)]
    assert missed(overload.figures(late, 10, 100, mib)) == [
        "goodput over capacity",
        "accepted p99, s",
    ]
    growing = [{"gateway": 100.0 + n} for n in range(30)]
    assert missed(overload.figures(asked, 10, 100, growing)) == ["growth of gateway"]
    lost = [*asked, done(901, 9, 0, fault="lost: the connection closed")]
    assert missed(overload.figures(lost, 10, 100, mib)) == ["lost or hanging"]


def test_figures_of_a_soak() -> None:
    asked = [done(n, n / 50) for n in range(500)]
    flat = [{"gateway": 100.0, "triton": 50.0}] * 40
    assert missed(soak.figures(asked, flat, 10)) == []
    growing = [{"gateway": 100.0, "triton": 50.0 + n / 20} for n in range(40)]
    assert missed(soak.figures(asked, growing, 10)) == ["growth of triton"]
    failed = [*asked[1:], done(500, 1, 500, fault="500: oh")]
    assert missed(soak.figures(failed, flat, 10)) == ["errors"]
    assert missed(soak.figures(asked[:100], flat, 10)) == ["right answers"]


def test_figures_of_a_stop() -> None:
    def stop(*more: Asked, unready: float = 5.1, code: int = 0) -> list[Stop]:
        asked = [done(0, 4), done(1, 5.05), done(2, 5.5, closing=True), *more]
        return [Stop(asked, 5.0, unready, 6.0, 7.0, code)]

    assert missed(sigterm.figures(stop())) == []
    lost = done(3, 5.9, 0, fault="lost: the connection closed")
    assert missed(sigterm.figures(stop(lost))) == ["taken requests lost"]
    late = done(3, 6.1, 0, fault="lost: the connection closed")
    assert missed(sigterm.figures(stop(late))) == []
    failed = done(3, 4.99, 503, fault="503: draining")
    assert missed(sigterm.figures(stop(failed))) == ["requests in flight not answered rightly"]
    alive = done(3, 5.5)
    assert missed(sigterm.figures(stop(alive))) == [
        "answers after readiness failed that keep alive"
    ]
    assert missed(sigterm.figures(stop(code=1))) == ["other exit codes than 0"]
    assert missed(sigterm.figures(stop(unready=float("inf")))) == [
        "stops at which readiness did not fail first"
    ]


def test_a_rollout_in_effect_says_which_version_answers() -> None:
    rollout = Rollout(1, 2, 0.2)
    step = Step("canary", "clicks", rollout, 0.1, 1.0, 2.0)
    expected = [2 if rollout.is_canary(f"key-{n}") else 1 for n in range(50)]
    assert set(expected) == {1, 2}
    asked = [done(n, 1.5, version=expected[n]) for n in range(50)]
    assert missed(rollouts.figures(asked, [step], [ONE])) == []
    other = [*asked[:-1], done(49, 1.5, version=3 - expected[49])]
    assert missed(rollouts.figures(other, [step], [ONE])) == [
        "answers of another version than the rollout's"
    ]
    outside = [*asked, done(50, 1.95, version=3)]  # answered when the next step had begun
    assert missed(rollouts.figures(outside, [step], [ONE])) == []
    never = Step("publish", "clicks", Rollout(3), float("inf"), 3.0, 4.0)
    assert missed(rollouts.figures(asked, [step, never], [ONE])) == [
        "slowest step to take effect, s"
    ]
    nothing_held = [done(n, 5.0, version=1) for n in range(50)]
    assert missed(rollouts.figures(nothing_held, [step], [ONE])) == [
        "answers held against a rollout"
    ]


def test_the_pill_is_forced_as_if_published(repository_with_batching: Path) -> None:
    folder = repository_with_batching / "mlp-tiny"
    poison.force(folder)
    text = (folder / "config.pbtxt").read_text()
    config = text_format.Parse(text, model_config_pb2.ModelConfig())
    batching = config.dynamic_batching
    assert 0 < batching.default_queue_policy.default_timeout_microseconds < 500_000
    assert batching.max_queue_delay_microseconds > 0
    from serving.local import Local

    with Local(repository_with_batching) as local:  # which holds the file against the manifest
        assert local.signature("mlp-tiny") == MLP.signature


@pytest.fixture
def repository_with_batching(tmp_path: Path) -> Path:
    """One model whose manifest knows the files beside its version."""
    from zoo.artifact import Artifact, sha256_file

    artifact = Artifact.load(MLP.publish(tmp_path))
    config = tmp_path / "mlp-tiny" / "config.pbtxt"
    shared = {"shared": {"config.pbtxt": sha256_file(config)}}
    replace(artifact, metrics=shared).write(artifact.path)
    return tmp_path


def test_outcomes_are_kept_beside_each_other(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    for name, value in (("soak", 1.0), ("kill", math.inf), ("soak", 3.0)):
        outcome = Outcome((Figure("ready again, s", value, most=10),), {"rate_per_s": 50})
        write_outcome(file, name, outcome_dict(outcome, Watch(threads=1)))
    found = json.loads(file.read_text())
    assert {name: one["figures"][0]["value"] for name, one in found.items()} == {
        "kill": None,
        "soak": 3.0,
    }
    assert not found["kill"]["figures"][0]["met"] and found["soak"]["git_sha"]
    assert table_of(found).splitlines()[2:] == [
        "| kill −9 of Triton | ready again, s | – | ≤ 10 | **no** |",
        "| soak | ready again, s | 3 | ≤ 10 | yes |",
    ]
    assert table_of({}) == ""


def test_what_is_no_number_meets_nothing() -> None:
    assert not Figure("p99, s", float("nan"), most=2).met
    assert not Figure("p99, s", float("nan"), least=2).met
