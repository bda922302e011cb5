"""The page's pictures: what they draw and say of results made of formulas."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.intervals import Interval
from benchmarks.measurement import Measurement
from benchmarks.report.curve import curve_figure, knee
from benchmarks.report.distribution import distribution_figure, nines, percentiles
from benchmarks.report.drawing import ticks, time_tick
from benchmarks.report.ladder_picture import floors_of, ladder_figure
from benchmarks.report.pareto import Point, dataset_of, front, lowest, pareto_figure
from benchmarks.report.results import Result, parse
from benchmarks.report.stall import drawn_closed, drawn_open, measured_figure, stall_table
from tests.benchmarks.report_results import KINDS, complete, drawn, measured, older

DASH = "\N{MINUS SIGN}"


@pytest.fixture(scope="module")
def whole() -> Result:
    return parse(complete())


def at_rate(rate: float, p99_ms: float, *reasons: str) -> Measurement:
    found = measured("mlp-cora", "student", "grpc", 1, drawn(1.0, 0.1, 0), load="open")
    tail = Interval(p99_ms, p99_ms, p99_ms)
    return replace(
        found, offered_per_s=rate, achieved_per_s=rate, p99_ms=tail, reasons=tuple(reasons)
    )


def test_knee_is_the_last_rate_with_the_tail_of_an_idle_server() -> None:
    points = [at_rate(200, 2.9), at_rate(50, 1.0), at_rate(400, 3.1), at_rate(300, 1.0, "late")]
    found = knee(points)
    assert found is not None and found.offered_per_s == 200
    assert knee([at_rate(50, 1.0, "late"), at_rate(60, 1.0)]) is None  # of which one counts
    assert knee([]) is None


def point(p99_ms: float, value: float, valid: bool = True) -> Point:
    return Point("m", "student", p99_ms, value, 50.0, valid, "gRPC")


def test_front_leaves_out_what_is_beaten_or_does_not_count() -> None:
    fast, slow, beaten = point(1, 0.7), point(9, 0.9), point(5, 0.65)
    hollow = point(0.5, 0.99, False)
    assert front([beaten, slow, hollow, fast], lower=False) == [fast, slow]
    assert front([beaten, slow, hollow, fast], lower=True) == [fast, beaten]


def test_pareto_takes_open_loops_at_the_lowest_rate_alone(whole: Result) -> None:
    found = lowest(whole.curves, "grpc", "student")
    assert found is not None and (found.load, found.offered_per_s) == ("open", 50.0)
    assert lowest(whole.rungs, "grpc", "student") is None
    assert pareto_figure([replace(whole, curves=())]) is None


def test_models_of_different_data_are_not_compared() -> None:
    assert (dataset_of("mlp-amazon-photo-gat"), dataset_of("mlp-my")) == ("amazon-photo", "my")
    found = pareto_figure([parse(complete(recipe)) for recipe in KINDS])
    assert found is not None and len(found.panels) == len(KINDS)
    assert "50 /s" in found.panels[0] and "gcn-cora" in found.panels[0]


def test_invalid_points_are_hollow(whole: Result) -> None:
    figure = curve_figure(whole)
    assert figure is not None
    hollow = [len(re.findall(r"<use [^>]*fill: var\(--paper\)", svg)) for svg in figure.panels]
    assert hollow == [2, 2]  # the teacher's p50 and p99 at the highest rate


def test_distribution_ends_where_samples_do() -> None:
    assert nines(np.array([0.0, 0.9, 0.999])) == pytest.approx([0, 1, 3])
    found = measured("mlp-cora", "student", "ort", 1, drawn(1.0, 0.2, 0, 600))
    parts, ms = percentiles(found)
    assert 0.98 < parts[-1] <= 1 - 5 / 600
    assert (np.diff(parts) > 0).all() and (np.diff(ms) >= 0).all()
    assert ms[-1] == pytest.approx(np.quantile(drawn(1.0, 0.2, 0, 600), parts[-1]), rel=0.01)


def test_few_samples_are_no_distribution(whole: Result) -> None:
    few = [replace(it, samples=9) if it.rung == "gateway" else it for it in whole.curves]
    figure = distribution_figure(replace(whole, curves=tuple(few)))
    assert figure is not None and len(figure.panels) == 2
    assert distribution_figure(replace(whole, curves=(), rungs=())) is None


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.008, 200, [0.01, 1, 100]),
        (0.02, 30, [0.1, 1, 10]),
        (0.8, 40, [1, 3, 10, 30]),
        (0.9, 6, [1, 2, 5]),
        (0.6, 3.1, [1, 2]),
        (2.6, 7.5, [3, 4, 5, 7]),
    ],
)
def test_axes_have_few_round_ticks(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_ticks_have_no_digits_that_say_nothing() -> None:
    assert [time_tick(ms) for ms in (0.1, 1.0, 1.5, 10, 2000)] == [
        *("100 µs", "1 ms", "1.5 ms", "10 ms", "2 s")
    ]


def test_ladder_says_in_words_what_it_draws(whole: Result) -> None:
    figure = ladder_figure(whole)
    assert figure is not None and len(figure.panels) == 4
    assert "Triton compute, student: 35.2 µs;" in figure.panels[0]
    assert re.search(r"HTTP, teacher: 1.4\d ms \(INVALID\)", figure.panels[0])
    assert "INVALID)" not in figure.panels[1]
    assert ladder_figure(parse(older())) is None


def test_same_pause_is_one_late_query_or_many() -> None:
    closed, opened = drawn_closed(2.0), drawn_open(2.0)
    assert sum(it.late for it in closed) == 1
    assert sum(it.late for it in opened) == 8  # four a second for two seconds
    assert max(it.answered_s - it.due_s for it in opened) == pytest.approx(
        max(it.answered_s - it.due_s for it in closed)
    )


def test_stall_shows_in_the_open_loop_alone(whole: Result) -> None:
    (closed, opened) = stall_table([whole]).body
    assert closed[1:2] + closed[4:] == ["closed loop", "759 µs", "835 µs"]
    assert opened[1] == "open loop" and opened[4].endswith(" s")


def test_stall_s_caption_says_what_was_measured(whole: Result) -> None:
    assert whole.stall is not None
    figure = measured_figure(whole, whole.stall)
    assert figure is not None
    assert figure.caption.startswith("Measured, a pause of 2 s within 20 s: the p99 is 1.80 s in")
    bare = replace(whole.stall, open=replace(whole.stall.open, histogram=""))
    assert measured_figure(whole, bare) is None


def test_floor_is_a_rung_of_the_models_that_were_measured(whole: Result) -> None:
    bare = replace(whole, rungs=tuple(it for it in whole.rungs if it.rung != "floor"))
    found = floors_of(bare)
    kinds = {(it.role, it.batch) for it in found}
    assert kinds == {(role, n) for role in ("student", "teacher") for n in (1, 10, 100, 1000)}
    (one,) = [it for it in found if (it.role, it.batch) == ("student", 1)]
    assert one.p50_ms is not None and one.p50_ms.value == pytest.approx(0.3 * 0.032)
    assert floors_of(whole) == []
    figure = ladder_figure(bare)
    assert figure is not None and "floor, student: 9.60 µs" in figure.panels[0]
