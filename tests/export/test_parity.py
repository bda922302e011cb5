"""The gate passes a true export, and each of its checks can fail by name."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from export.candidate import Candidate
from export.errors import ExportError
from export.parity import BATCHES, check, check_same
from export.report import read_report
from export.to_onnx import export_checkpoint
from zoo import checkpoint
from zoo.artifact import Artifact
from zoo.registry import get_spec
from zoo.spec import forms_of


@pytest.fixture(scope="session")
def candidates(student: Path, data: Any, exported: dict[str, Artifact]) -> dict[str, Candidate]:
    """The student's two forms, as the gate sees them."""
    _, model, config = checkpoint.load(student)
    spec = get_spec("mlp")
    found = {}
    for (form, export), (name, artifact) in zip(
        forms_of(spec, config).items(), exported.items(), strict=True
    ):
        found[form] = Candidate(
            name=name,
            graph=onnx.load(artifact.path / "model.onnx"),
            module=export.wrap(model).eval(),
            signature=export.signature(config),
            rows=lambda ids, export=export: export.rows(data, config, ids),
            n_rows=len(data.full.y),
        )
    return found


def after(graph: onnx.ModelProto, *nodes: onnx.NodeProto, **weights: np.ndarray) -> None:
    """Append nodes that turn ``before`` into the output ``probabilities``."""
    graph.graph.node[-1].output[0] = "before"
    graph.graph.node.extend(nodes)
    graph.graph.initializer.extend(numpy_helper.from_array(w, k) for k, w in weights.items())


def transpose_output(graph: onnx.ModelProto) -> None:
    after(graph, helper.make_node("Transpose", ["before"], ["probabilities"], perm=[1, 0]))


def swap_classes(graph: onnx.ModelProto) -> None:
    order = np.array([1, 0, 2, 3])
    after(graph, helper.make_node("Gather", ["before", "o"], ["probabilities"], axis=1), o=order)


def nan_weight(graph: onnx.ModelProto) -> None:
    weight = max(graph.graph.initializer, key=lambda w: len(w.raw_data))
    array = numpy_helper.to_array(weight).copy()
    array[len(array) // 2] = np.nan
    weight.CopyFrom(numpy_helper.from_array(array, weight.name))


def wrong_at_batch_7(graph: onnx.ModelProto) -> None:
    after(
        graph,
        helper.make_node("Shape", ["before"], ["n"], start=0, end=1),
        helper.make_node("Equal", ["n", "seven"], ["is_seven"]),
        helper.make_node("Cast", ["is_seven"], ["much"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Mul", ["much", "little"], ["off"]),
        helper.make_node("Add", ["before", "off"], ["probabilities"]),
        seven=np.array([7]),
        little=np.array([1e-3], np.float32),
    )


def leak_between_rows(graph: onnx.ModelProto) -> None:
    after(
        graph,
        helper.make_node("Shape", ["before"], ["n"], start=0, end=1),
        helper.make_node("Cast", ["n"], ["rows"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Mul", ["rows", "little"], ["off"]),
        helper.make_node("Add", ["before", "off"], ["probabilities"]),
        little=np.array([8e-9], np.float32),
    )


def no_clip(graph: onnx.ModelProto) -> None:
    clip = next(node for node in graph.graph.node if node.op_type == "Clip")
    reader = next(node for node in graph.graph.node if clip.output[0] in node.input)
    add = next(node for node in graph.graph.node if clip.input[0] in node.output)
    reader.input[1] = add.output[0]


def nan_of_empty_rows(graph: onnx.ModelProto) -> None:
    where = next(node for node in graph.graph.node if node.op_type == "Where")
    divide = next(node for node in graph.graph.node if node.op_type == "Div")
    divide.input[1] = where.input[2]


FAILURES: list[tuple[str, Callable[[onnx.ModelProto], None], str]] = [
    ("dense", transpose_output, r"batch 1: expected probabilities of shape"),
    (
        "dense",
        swap_classes,
        r"batch 1: expected probabilities to differ by at most 1e-05 and .*, measured 0\.",
    ),
    ("dense", nan_weight, r"measured NaN or infinity in row"),
    ("dense", wrong_at_batch_7, r"batch 7: expected .* measured 0\.001"),
    ("dense", leak_between_rows, r"rows alone and in a batch of 1024: expected"),
    ("dense", nan_of_empty_rows, r"an empty row: expected finite probabilities"),
]


@pytest.mark.parametrize("form", ["dense", "sparse"])
def test_true_export_passes(candidates: dict[str, Candidate], form: str) -> None:
    parity = check(candidates[form])
    assert parity.rows == 600
    assert parity.batches[:4] == BATCHES
    assert parity.max_abs_diff < 1e-6
    assert parity.top1_agreement == 1.0


@pytest.mark.parametrize(("form", "damage", "message"), FAILURES)
def test_damaged_graph_fails_by_name(
    candidates: dict[str, Candidate],
    form: str,
    damage: Callable[[onnx.ModelProto], None],
    message: str,
) -> None:
    candidate = candidates[form]
    graph = copy.deepcopy(candidate.graph)
    damage(graph)
    with pytest.raises(ExportError, match=message) as caught:
        check(replace(candidate, graph=graph))
    assert str(caught.value).startswith(candidate.name)


def test_graph_that_does_not_clip_ids_fails(candidates: dict[str, Candidate]) -> None:
    graph = copy.deepcopy(candidates["sparse"].graph)
    no_clip(graph)
    with pytest.raises(
        ExportError, match=r"feature_ids = size \+ 4 and the last id: expected an answer"
    ):
        check(replace(candidates["sparse"], graph=graph))


def test_module_in_training_mode_is_refused(candidates: dict[str, Candidate]) -> None:
    module = copy.deepcopy(candidates["dense"].module).train()
    with pytest.raises(ExportError, match="is in training mode"):
        check(replace(candidates["dense"], module=module))


def test_wrapper_that_is_not_the_model_fails(candidates: dict[str, Candidate]) -> None:
    expected = {"probabilities": np.zeros((600, 4), np.float32)}
    with pytest.raises(ExportError, match="torch and the model"):
        check(replace(candidates["dense"], expected=expected))


def test_forms_must_agree() -> None:
    answers = {"dense": np.zeros((2, 2)), "sparse": np.full((2, 2), 1e-4)}
    named = {form: {"probabilities": answer} for form, answer in answers.items()}
    with pytest.raises(ExportError, match="forms 'dense' and 'sparse': expected"):
        check_same("mlp-toy", named)


def test_nothing_is_written_when_a_gate_fails(
    student: Path, data: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ExportError("gate")

    monkeypatch.setattr("export.to_onnx.check", fail)
    with pytest.raises(ExportError, match="gate"):
        export_checkpoint(student, ["dense"], tmp_path / "out", data)
    assert not (tmp_path / "out").exists()


def test_unknown_form_is_refused(student: Path, data: Any, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="unknown form 'spares': did you mean sparse"):
        export_checkpoint(student, ["spares"], tmp_path, data)


def test_teacher_passes(runs: Path, result: dict[str, Any], data: Any, tmp_path: Path) -> None:
    assert "teacher" in result["metrics"]
    (run,) = runs.glob("gcn-toy-*")
    whole, blocks = export_checkpoint(run, ["whole", "blocks"], tmp_path, data).artifacts
    assert (whole.model, blocks.model) == ("gcn-toy", "gcn-toy-blocks")
    gates = [read_report(artifact.path) for artifact in (whole, blocks)]
    assert [one["numeric"]["batches"] for one in gates] == [[600], [1, 2, 3, 7, 64]]
    assert all(one["task"] is None for one in gates)  # only what is served is judged
    assert "p50_batch1_us" not in whole.metrics
