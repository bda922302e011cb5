"""ONNX files: those of this project are read, all others refused in one line naming the fault."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.errors import ExportError
from export.graph import IR_VERSION, OPSET
from export.onnx_file import load_graph, read_graph
from export.vocabulary import encode_graph, encode_signature
from zoo import intake
from zoo.artifact import Artifact
from zoo.contract import Signature, TensorSpec

WEIGHTS = np.ones((3, 2), np.float32)


def tiny() -> onnx.ModelProto:
    """x @ w, then Relu."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Relu", ["h"], ["y"])],
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(WEIGHTS, "w")],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def outside(location: str) -> Callable[[onnx.ModelProto], None]:
    """The weights moved to another file."""

    def change(model: onnx.ModelProto) -> None:
        weight = model.graph.initializer[0]
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        weight.external_data.add(key="location", value=location)

    return change


def weights(array: np.ndarray) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        model.graph.initializer[0].CopyFrom(numpy_helper.from_array(array, "w"))

    return change


def constant(array: np.ndarray) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        value = numpy_helper.from_array(array)
        model.graph.node.insert(0, helper.make_node("Constant", [], ["c"], value=value))

    return change


def cut(model: onnx.ModelProto) -> None:
    weight = model.graph.initializer[0]
    weight.raw_data = weight.raw_data[:-4]


def imports(domain: str, version: int) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        kept = [one for one in model.opset_import if one.domain != domain]
        del model.opset_import[:]
        model.opset_import.extend([*kept, helper.make_opsetid(domain, version)])

    return change


def node(kind: str, domain: str = "") -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node.append(helper.make_node(kind, ["y"], ["z"], domain=domain))

    return change


def branch(
    change_inner: Callable[[onnx.ModelProto], None],
) -> Callable[[onnx.ModelProto], None]:
    """The fault inside a branch of a branch."""

    def change(model: onnx.ModelProto) -> None:
        inner = tiny()
        change_inner(inner)
        for _ in range(2):
            condition = helper.make_node("If", ["c"], ["z"], then_branch=inner.graph)
            inner = tiny()
            inner.graph.node.append(condition)
        model.CopyFrom(inner)

    return change


def identities(model: onnx.ModelProto) -> None:
    for name in ("a", "b"):
        model.graph.node.append(helper.make_node("Identity", ["y" if name == "a" else "a"], [name]))


def hiding(model: onnx.ModelProto) -> None:
    """A function that takes the place of ONNX's Relu."""
    body = [helper.make_node("Neg", ["x"], ["y"])]
    ids = [helper.make_opsetid("", OPSET)]
    model.functions.append(helper.make_function("", "Relu", ["x"], ["y"], body, ids))


NAN = np.where(np.arange(6).reshape(3, 2) == 4, np.nan, WEIGHTS)
FAULTS: dict[str, tuple[Callable[[onnx.ModelProto], object], str]] = {
    "external": (outside("w.bin"), "weight 'w' lies in another file, 'w.bin': expected it inline"),
    "external above": (outside("../w.bin"), r"in another file, '\.\./w.bin': expected it inline"),
    "external absolute": (outside("/w.bin"), "in another file, '/w.bin': expected it inline"),
    "external in a branch": (branch(outside("../w")), r"in another file, '\.\./w': expected"),
    "NaN": (weights(NAN.astype("f4")), "weight 'w' holds NaN or infinity: expected finite"),
    "NaN in half": (weights(NAN.astype("f2")), "weight 'w' holds NaN or infinity"),
    "infinity": (weights(np.full((3, 2), np.inf)), "weight 'w' holds NaN or infinity"),
    "NaN in a constant": (constant(NAN), "weight 'c' holds NaN or infinity"),
    "NaN in a branch": (branch(weights(NAN)), "weight 'w' holds NaN or infinity"),
    "cut weight": (cut, "weight 'w' is not of its own shape: it was cut short"),
    "older opset": (imports("", 17), "opset 17: expected 18"),
    "newer opset": (imports("", 21), "opset 21: expected 18"),
    "no opset": (lambda model: model.ClearField("opset_import"), "opset unknown: expected 18"),
    "other opset of ml": (imports("ai.onnx.ml", 5), "opset of 'ai.onnx.ml' 5: expected 4"),
    "foreign opset": (imports("com.microsoft", 1), "operators of 'com.microsoft': expected those"),
    "newer IR": (lambda m: setattr(m, "ir_version", 13), "IR version 13: expected at most 10"),
    "foreign operator": (node("Gelu", "com.microsoft"), r"operator com.microsoft.Gelu: expected"),
    "foreign in a branch": (branch(node("Evil", "a.b")), r"operator a.b.Evil: expected ONNX's own"),
    "batch norm": (node("BatchNormalization"), "operator BatchNormalization: expected it folded"),
    "identities": (identities, "a chain of Identity behind 'a': expected none"),
    "function": (hiding, "functions or training graphs of its own: expected operators alone"),
    "empty": (lambda model: model.Clear(), "the file holds no graph: it is empty"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named(tmp_path: Path, fault: str) -> None:
    change, message = FAULTS[fault]
    model = tiny()
    change(model)
    path = saved(model, tmp_path)
    with pytest.raises(ExportError, match=message) as caught:
        read_graph(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).endswith("; export the model again")
    assert "\n" not in str(caught.value)


def test_what_masks_may_be_infinite(tmp_path: Path) -> None:
    model = tiny()
    constant(np.array(-np.inf, np.float32))(model)
    assert read_graph(saved(model, tmp_path)) == model


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_cut_file_is_named(tmp_path: Path, kept: float) -> None:
    path = saved(tiny(), tmp_path)
    os.truncate(path, int(kept * path.stat().st_size))
    with pytest.raises(ExportError, match=r"no ONNX file, or was cut short: export .* again"):
        read_graph(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"m.onnx cannot be read \(No such file .*\): export"):
        read_graph(tmp_path / "m.onnx")


def test_a_large_file_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tiny(), tmp_path)
    monkeypatch.setattr(intake, "MAX_FILE_BYTES", 20)
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} was read"))
    with pytest.raises(ExportError, match=r"bytes: expected at most 20; make the model smaller"):
        read_graph(path)


def test_names_are_text(tmp_path: Path) -> None:
    path = saved(tiny(), tmp_path)
    path.write_bytes(path.read_bytes().replace(b"MatMul", b"Mat\xfful"))
    with pytest.raises(ExportError, match="holds names that are no text: export the model again"):
        read_graph(path)


def test_what_crashes_the_checker_is_refused_before(tmp_path: Path) -> None:
    """A Split that cannot be leaves the LabelEncoders behind it without a type."""
    ids = TensorSpec("ids", "int64", (2,), "test", high=(3, 4), columns=("a", "b"))
    net = Signature((ids,), (ids,), 8)
    graph = encode_graph(net, {"a": ["x"], "b": ["y", "z"]}, "encode")
    graph.graph.initializer[0].int64_data[:] = [37, 1]
    saved(graph, tmp_path)
    with pytest.raises(ExportError, match=r"model.onnx cannot be loaded \(.*Split.*\): export"):
        load_graph(Artifact(tmp_path, "onnx", "encode", encode_signature(net)))


def test_a_graph_without_signature_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="has no signature: export the model again"):
        load_graph(Artifact(tmp_path, "onnx", "m", None))


def test_exported_graphs_are_read_whole(exported: dict[str, Artifact]) -> None:
    for artifact in exported.values():
        assert load_graph(artifact) == onnx.load(artifact.path / "model.onnx")
