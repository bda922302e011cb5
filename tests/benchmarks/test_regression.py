"""Two runs of a recipe: what became slower, what did not, and what cannot be said."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks.intervals import Interval
from benchmarks.regression import (
    Comparison,
    Line,
    compare_places,
    compare_runs,
    exit_code,
    judge,
    terminal,
)
from benchmarks.regression_pairs import Pair
from tests.benchmarks.report_results import complete, older
from zoo.artifact import ArtifactError

Raw = dict[str, Any]
STUDENT = "rung grpc, A · 1 node, student rows, p50"
MS = Pair("a time", None, None)
RATIO = Pair("a ratio", None, None, lower_is_better=False)
ACCURACY = Pair("accuracy", None, None, lower_is_better=False, epsilon=0.01)


@pytest.fixture(scope="module")
def whole() -> Raw:
    return complete()


@pytest.fixture
def changed(whole: Raw) -> Callable[[Callable[[Raw], None]], Comparison]:
    """Compares the whole result with itself, changed."""

    def run(change: Callable[[Raw], None]) -> Comparison:
        later = deepcopy(whole)
        change(later)
        return compare_runs(whole, later)

    return run


def find(comparison: Comparison, what: str) -> Line:
    (line,) = (one for one in comparison.lines if one.what == what)
    return line


def rung(raw: Raw, name: str, role: str, batch: int = 1) -> Raw:
    found: Raw = next(
        one
        for one in raw["rungs"]
        if (one["rung"], one["role"], one["batch"]) == (name, role, batch)
    )
    return found


def scale(interval: Raw, by: float) -> None:
    interval |= {name: value * by for name, value in interval.items()}


@pytest.mark.parametrize(
    ("pair", "after", "verdict"),
    [
        (MS, (1.05, 0.97, 1.13), "same"),  # the intervals meet
        (MS, (1.04, 1.03, 1.05), "same"),  # they lie apart, by less than 5 %
        (MS, (0.96, 0.95, 0.97), "same"),
        (MS, (1.06, 1.05, 1.07), "slower"),
        (MS, (0.90, 0.89, 0.91), "faster"),
        (RATIO, (0.90, 0.89, 0.91), "slower"),
        (RATIO, (1.10, 1.09, 1.11), "faster"),
        (ACCURACY, (1.06, 1.05, 1.07), "better"),
        (ACCURACY, (0.985, 0.98, 0.989), "worse"),
        (ACCURACY, (0.991, 0.989, 0.9895), "same"),  # within epsilon
    ],
)
def test_verdicts(pair: Pair, after: tuple[float, float, float], verdict: str) -> None:
    before = Interval(1.0, 0.99, 1.01)
    assert judge(before, Interval(*after), 0.05, pair)[0] == verdict


def test_a_run_is_the_same_as_itself(whole: Raw) -> None:
    found = compare_runs(whole, whole)
    assert not found.regressed and exit_code([found]) == 0
    assert set(found.verdicts) == {"same", "not comparable"}
    unsaid = {one.why for one in found.lines if one.verdict == "not comparable"}
    assert all("INVALID in A" in why for why in unsaid)  # what does not count
    assert found.compared == found.verdicts["same"] > 100


def test_a_slower_student_is_a_regression(changed: Any) -> None:
    found = changed(lambda raw: scale(rung(raw, "grpc", "student")["p50_ms"], 1.3))
    line = find(found, STUDENT)
    assert line.verdict == "slower" and line.a and line.b
    assert line.b.value == pytest.approx(1.3 * line.a.value)
    assert found.regressed and exit_code([found]) == 1
    assert found.verdicts["slower"] == 1


def test_a_slower_path_is_one_and_a_slower_teacher_is_not(changed: Any) -> None:
    assert changed(lambda raw: scale(rung(raw, "http", "identity")["p50_ms"], 1.3)).regressed
    found = changed(lambda raw: scale(rung(raw, "grpc", "teacher")["p50_ms"], 1.3))
    assert found.verdicts["slower"] == 1 and not found.regressed


def test_a_lower_headline_is_one(changed: Any) -> None:
    def fewer(raw: Raw) -> None:
        for name in ("ratio", "low", "high"):
            raw["headlines"][0][name] *= 0.5

    found = changed(fewer)
    assert find(found, "headline ort, A · 1 node").verdict == "slower" and found.regressed


def test_worse_accuracy_is_one(changed: Any) -> None:
    def worse(raw: Raw) -> None:
        for name in ("change", "low", "high"):
            raw["accuracy"][name] -= 0.1

    found = changed(worse)
    assert find(found, "accuracy, student less teacher").verdict == "worse" and found.regressed


def test_what_does_not_count_is_not_compared(changed: Any) -> None:
    def invalid(raw: Raw) -> None:
        one = rung(raw, "grpc", "student")
        scale(one["p50_ms"], 9)
        one["reasons"] = ["errors: 3"]

    line = find(changed(invalid), STUDENT)
    assert (line.verdict, line.why) == ("not comparable", "INVALID in B: errors: 3")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda one: one["machine"].update(cpu="another"), "cpu: a processor in A, another in B"),
        (lambda one: one["machine"].update(threads=2), "threads: 1 in A, 2 in B"),
        (
            lambda one: one["versions"].update(onnxruntime="2.0"),
            "onnxruntime: 1.32.0 in A, 2.0 in B",
        ),
        (lambda one: one.update(precision="int8"), "precision: fp32 in A, int8 in B"),
        (lambda one: one.update(p50_ms=None), "too few samples for an interval"),
    ],
)
def test_other_conditions_are_named(changed: Any, change: Callable[[Raw], None], why: str) -> None:
    def other(raw: Raw) -> None:
        change(rung(raw, "grpc", "student"))

    line = find(changed(other), STUDENT)
    assert (line.verdict, line.why) == ("not comparable", why)


def test_another_server_hides_what_it_serves_only(changed: Any) -> None:
    found = changed(lambda raw: raw["conditions"].update(server="another"))
    assert find(found, STUDENT).why == "server: Triton 2.70.0 in A, another in B"
    assert find(found, "rung ort, A · 1 node, student rows, p50").verdict == "same"
    assert find(found, "headline grpc, A · 1 node").verdict == "not comparable"
    assert find(found, "headline ort, A · 1 node").verdict == "same"


def test_curves_are_paired_point_by_point(changed: Any) -> None:
    def faster(raw: Raw) -> None:
        for one in raw["curves"]:
            one["offered_per_s"] *= 1.04  # each run finds its own capacity

    assert changed(faster).verdicts == changed(lambda raw: None).verdicts
    found = changed(lambda raw: raw["curves"][0].update(offered_per_s=100.0))
    line = find(found, "curve grpc, A · 1 node, student rows, rate 1, p99")
    assert (line.verdict, line.why) == ("not comparable", "offered: 50/s in A, 100/s in B")


def test_older_results_are_compared_where_they_can(whole: Raw) -> None:
    found = compare_runs(older(), older())
    assert found.verdicts == {"same": 3}
    found = compare_runs(older(), whole)
    assert found.verdicts["missing in A"] > 50 and not found.regressed
    assert find(found, "ratio A_b1").verdict == "missing in B"


def test_a_ratio_that_does_not_count(whole: Raw) -> None:
    later = older()
    later["ratios"]["A_b1"] = None
    line = find(compare_runs(older(), later), "ratio A_b1")
    assert line.why == "INVALID in B: it does not count"


def write(folder: Path, name: str, raw: Raw) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(raw))
    return folder


def test_folders_are_compared_by_recipe(tmp_path: Path, whole: Raw) -> None:
    a = write(write(tmp_path / "a", "one.json", whole), "two.json", older("finalmlp-ml100k"))
    b = write(tmp_path / "b", "bench.json", whole)
    clicks, graph = compare_places(a, b)
    assert (clicks.recipe, graph.recipe) == ("finalmlp-ml100k", "mlp-cora")
    assert clicks.verdicts == {"missing in B": 1} and graph.compared > 100
    assert exit_code([clicks, graph]) == 0 and exit_code([clicks]) == 2
    with pytest.raises(ArtifactError, match="name two results of one recipe"):
        compare_places(a / "two.json", b)


def test_shown_and_written(changed: Any) -> None:
    def change(raw: Raw) -> None:
        scale(rung(raw, "grpc", "student")["p50_ms"], 1.3)
        rung(raw, "torch", "student")["versions"]["torch"] = "9"
        rung(raw, "torch", "student", 10)["versions"]["torch"] = "9"

    found = changed(change)
    console = Console(width=200, record=True)
    console.print(terminal(found))
    text = console.export_text()
    assert STUDENT in text and "1.30" in text and "slower" in text
    assert "rung torch, A · 1 node, student rows, p50 and 1 more" in text
    assert "not comparable: torch: None in A, 9 in B" in text
    assert "B is worse than A: of " in text and "rung ort, A" not in text
    assert "load average 0.7 in A, 0.7 in B" in " ".join(text.split())
    raw = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert raw["regressed"] and raw["compared"] == found.compared
    assert {"what", "a", "b", "verdict", "why", "counts"} == set(raw["lines"][0])
