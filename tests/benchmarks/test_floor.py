"""Floors: operations and bytes against graphs that are counted by hand, and what binds them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks.comparison import Plan, draw_queries
from benchmarks.floor import __main__ as command
from benchmarks.floor import rates as rates_module
from benchmarks.floor.__main__ import all_forms, as_table
from benchmarks.floor.costs import Cost, cost
from benchmarks.floor.profile import operators
from benchmarks.floor.rates import Rates, cache_bytes, measure_rates, product
from benchmarks.floor.roofline import ARITHMETIC, CACHE, MEMORY, Floor, floor_of, floors
from benchmarks.floor.sessions import nodes_run
from benchmarks.intervals import Interval
from benchmarks.ladder.sides import courses
from benchmarks.measurement import Measurement
from benchmarks.subjects import Pair

Inputs = Mapping[str, tuple[int, Sequence[str | int]]]  # type and axes, by name

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
RATES = Rates(
    threads=1,
    gemm_gflops=100,
    int8_gops=400,
    memory_gb_s=10,
    l3_gb_s=40,
    l2_gb_s=80,
    call_ms=0.001,
    node_ms=0.5,
    l2_bytes=1000,
    l3_bytes=10_000,
)
ROWS = 6
X = {"x": np.ones((ROWS, 4), np.float32)}
WHOLE = {"x": np.ones((ROWS, 4), np.uint8)}


def saved(
    folder: Path,
    nodes: list[onnx.NodeProto],
    inputs: Inputs,
    weights: Mapping[str, Any],
) -> Path:
    """A graph whose only output is ``y``."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, *about) for name, about in inputs.items()],
        [helper.make_tensor_value_info("y", FLOAT, None)],
        [numpy_helper.from_array(weight, name) for name, weight in weights.items()],
    )
    file = folder / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), file)
    return file


def test_a_layer_is_counted(tmp_path: Path) -> None:
    weights = {"w": np.ones((4, 8), np.float32), "b": np.ones(8, np.float32)}
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("ReduceSum", ["r"], ["y"], keepdims=0),
    ]
    file = saved(tmp_path, nodes, {"x": (FLOAT, ["batch", 4])}, weights)
    found = cost(file, X)
    assert found.flops == ROWS * 8 * (2 * 4 + 1) + ROWS * 8 + ROWS * 8
    assert found.weight_bytes == 4 * (32 + 8)
    assert (found.bytes_read, found.bytes_written) == (4 * (ROWS * 4 + 40), 4)
    assert found.by_op["Relu"].moved_bytes == 2 * 4 * ROWS * 8
    assert found.uncounted == ()


def test_only_gathered_rows_are_read(tmp_path: Path) -> None:
    table = np.ones((1000, 5), np.float32)
    nodes = [
        helper.make_node("Add", ["ids", "offset"], ["shifted"]),
        helper.make_node("Gather", ["table", "shifted"], ["rows"]),
        helper.make_node("ScatterND", ["sums", "at", "rows"], ["y"], reduction="add"),
    ]
    inputs: Inputs = {
        "ids": (INT64, ["rows"]),
        "at": (INT64, ["rows", 1]),
        "sums": (FLOAT, ["nodes", 5]),
    }
    file = saved(tmp_path, nodes, inputs, {"table": table, "offset": np.array(3)})
    sums = np.zeros((2, 5), np.float32)
    for ids, distinct in ((np.arange(ROWS), ROWS), (np.full(ROWS, 7), 1)):
        found = cost(file, {"ids": ids, "at": np.zeros((ROWS, 1), np.int64), "sums": sums})
        assert found.weight_bytes == 4 * distinct * 5 + 8
        assert found.by_op["ScatterND"].flops == ROWS * 5


def test_what_follows_from_weights_was_folded(tmp_path: Path) -> None:
    weights = {"half": np.ones((4, 8), np.float16), "scale": np.ones(8, np.float32)}
    nodes = [
        helper.make_node("Cast", ["half"], ["whole"], to=FLOAT),
        helper.make_node("Mul", ["whole", "scale"], ["w"]),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    file = saved(tmp_path, nodes, {"x": (FLOAT, ["batch", 4])}, weights)
    found = cost(file, X)
    assert found.flops == ROWS * 2 * 4 * 8
    assert found.weight_bytes == 4 * 4 * 8


def test_products_of_int8_are_told_apart(tmp_path: Path) -> None:
    weights = {
        "w8": np.ones((4, 8), np.int8),
        "s": np.array(0.5, np.float32),
        "z": np.array(0, np.int8),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["x8"]),
        helper.make_node("DequantizeLinear", ["x8", "s", "z"], ["xq"]),
        helper.make_node("DequantizeLinear", ["w8", "s", "z"], ["wq"]),
        helper.make_node("MatMul", ["xq", "wq"], ["y"]),
    ]
    found = cost(saved(tmp_path, nodes, {"x": (FLOAT, ["batch", 4])}, weights), X)
    assert found.int8_ops == ROWS * 2 * 4 * 8
    assert found.weight_bytes == 4 * 8 + 4 + 1
    onnx.save(product((ROWS, 4, 8), np.dtype(np.uint8)), tmp_path / "whole.onnx")
    assert cost(tmp_path / "whole.onnx", WHOLE).int8_ops == ROWS * 2 * 4 * 8


def test_nodes_that_the_runtime_merges_are_one(tmp_path: Path) -> None:
    weights = {"w": np.ones((4, 8), np.float32), "b": np.ones(8, np.float32)}
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("Softmax", ["r"], ["y"]),
    ]
    assert nodes_run(saved(tmp_path, nodes, {"x": (FLOAT, ["batch", 4])}, weights)) == 2


def test_unknown_operators_are_named(tmp_path: Path) -> None:
    nodes = [helper.make_node("Celu", ["x"], ["y"])]
    file = saved(tmp_path, nodes, {"x": (FLOAT, ["batch", 4])}, {})
    found = cost(file, X)
    assert (found.flops, found.uncounted) == (ROWS * 4, ("Celu",))


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        (Cost(10**6, 0, 100, 100, 0), Floor(0.01, ARITHMETIC)),
        (Cost(10**6, 10**6, 100, 100, 0), Floor(0.0025, ARITHMETIC)),
        (Cost(1, 0, 500, 300, 0), Floor(0.00001, CACHE)),
        (Cost(1, 0, 5000, 3000, 0), Floor(0.0002, CACHE)),
        (Cost(1, 0, 50_000, 50_000, 0), Floor(0.01, MEMORY)),
    ],
)
def test_the_larger_time_is_the_floor(work: Cost, expected: Floor) -> None:
    found = floor_of(work, RATES)
    assert found.ms == pytest.approx(expected.ms)
    assert found.bound == expected.bound


def test_rates_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates_module, "REPEATED_S", 0.001)
    monkeypatch.setattr(rates_module, "CALLS", 20)
    rates = measure_rates(threads=1)
    assert min(rates.gemm_gflops, rates.int8_gops, rates.memory_gb_s, rates.l3_gb_s) > 0
    assert min(rates.l2_gb_s, rates.call_ms) > 0
    assert (rates.l2_bytes, rates.l3_bytes) == (cache_bytes(2), cache_bytes(3))


def test_rows_of_the_ladder(pair: Pair) -> None:
    """Of teacher and student, per batch; no time where the floor itself is too long."""
    lot = [(course, None) for course in courses(pair)]
    rows = floors(lot, [1, 3], RATES)
    assert [(row["role"], row["batch"]) for row in rows] == [
        ("teacher", 1),
        ("student", 1),
        ("teacher", 3),
        ("student", 3),
    ]
    (course, _), row = lot[0], rows[1]
    student = course.student.subject
    ids = draw_queries(course.n_rows, 1, Plan(0, 0, 1))[0]
    known = cost(student.file, student.rows(ids))
    assert (row["model"], row["form"], row["flops"]) == (student.model, student.form, known.flops)
    assert row["bytes"] == known.bytes_read + known.bytes_written
    assert row["over_floor"] == pytest.approx(row["p50_ms"] / row["floor_ms"])
    overhead_ms = row["identity_ms"] + 0.5 * row["nodes"]
    assert row["explained_ms"] == pytest.approx(row["floor_ms"] + overhead_ms)
    assert len(as_table(rows).splitlines()) == 2 + len(rows)


def test_the_command_prints_and_writes(
    pair: Pair,
    runs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "floors.json"
    monkeypatch.setattr(command, "measure_rates", lambda threads: RATES)
    said = ["floor", "mlp-toy", "--batches", "2", "--runs", str(runs), "--operators", "1"]
    monkeypatch.setattr("sys.argv", [*said, "--out", str(out)])
    command.main()
    printed = capsys.readouterr().out
    found = json.loads(out.read_text())
    assert {row["model"] for row in found["floors"]} == {
        "gcn-toy-blocks",
        "mlp-toy",
        "mlp-toy-sparse",
    }
    assert all(f"| {row['model']} |" in printed for row in found["floors"])
    assert "mlp-toy-sparse, 2 rows: " in printed
    assert found["rates"]["gemm_gflops"] == RATES.gemm_gflops
    assert "cpu" in found["conditions"]["machine"]


def test_operators_are_those_that_the_runtime_calls(pair: Pair) -> None:
    student = pair.students["dense"]
    found = operators(student.file, student.rows(np.arange(3)), threads=1)
    assert len(found) == nodes_run(student.file)
    assert "Softmax" in {one.op for one in found}
    times = [one.p50_ms for one in found]
    assert times == sorted(times, reverse=True)


def test_what_is_too_slow_to_be_timed_has_the_ladders_time(pair: Pair) -> None:
    slow = replace(RATES, gemm_gflops=1e-9)
    course = replace(courses(pair)[0], gathers=False)
    model = course.student.subject.model
    known = Measurement(model, "student", "", course.protocol, 3, p50_ms=Interval(7.0, 6.0, 8.0))
    teacher, student = floors([(course, None)], [3], slow, [known])
    assert (teacher["p50_ms"], teacher["over_floor"], teacher["identity_ms"]) == (None, None, None)
    assert (student["p50_ms"], student["over_floor"]) == (7, 7 / student["floor_ms"])
    gathering = replace(course, gathers=True)
    assert floors([(gathering, None)], [3], slow, [known])[1]["p50_ms"] is None


def test_every_form_of_a_student_is_asked(pair: Pair) -> None:
    forms = {course.student.subject.form for course in all_forms(pair)}
    assert forms == set(pair.students)
