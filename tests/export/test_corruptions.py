"""Corruptions of an exported artifact: each is refused in one line that says what it is.

Those that change what is written are sealed anew, so that no hash betrays them.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.engines import ENGINES_FILE, KIND
from export.errors import ExportError
from export.graph import facts_of
from export.repository import publish
from export.verify import verify
from zoo.artifact import ARTIFACT_FILE, Artifact, ArtifactError
from zoo.intake import MAX_FILE_BYTES

MODEL = "mlp-toy"
Corruption = Callable[[Path], object]


def seal(folder: Path) -> None:
    """A manifest that fits what is in the folder."""
    Artifact.load(folder, verify=False).write(folder)


@pytest.fixture
def folder(exported: dict[str, Artifact], tmp_path: Path) -> Path:
    """A private copy of the student's artifact."""
    folder = tmp_path / "onnx" / MODEL
    shutil.copytree(exported[MODEL].path, folder)
    return folder


def graph(change: Callable[[onnx.ModelProto], object], told: bool = True) -> Corruption:
    """A corruption of the graph, of which the report is told."""

    def corrupt(folder: Path) -> None:
        model = onnx.load(folder / "model.onnx")
        change(model)
        (folder / "model.onnx").write_bytes(model.SerializeToString())
        if told:
            report = json.loads((folder / "report.json").read_text())
            report["check"] = facts_of(model)
            (folder / "report.json").write_text(json.dumps(report))
        seal(folder)

    return corrupt


def content(name: str, change: Callable[[bytes], bytes], sealed: bool = True) -> Corruption:
    """A corruption of the bytes of a file, which may be new."""

    def corrupt(folder: Path) -> None:
        file = folder / name
        file.write_bytes(change(file.read_bytes() if file.exists() else b""))
        if sealed:
            seal(folder)

    return corrupt


def freeze(model: onnx.ModelProto) -> None:
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 3


def freeze_within(model: onnx.ModelProto) -> None:
    """The answers to as many rows as golden ones; the axes are named as ever."""
    model.graph.node[-1].output[0] = "before"
    sizes = helper.make_tensor("sizes", TensorProto.INT64, [2], [3, -1])
    model.graph.initializer.append(sizes)
    model.graph.node.append(helper.make_node("Reshape", ["before", "sizes"], ["probabilities"]))


def transpose(model: onnx.ModelProto) -> None:
    """The last matrix's columns in the order of its rows."""
    model.graph.node[-1].output[0] = "before"
    node = helper.make_node("Transpose", ["before"], ["probabilities"], perm=[1, 0])
    model.graph.node.append(node)


def weight(change: Callable[[np.ndarray], object]) -> Callable[[onnx.ModelProto], None]:
    """Another value for the largest weight."""

    def corrupt(model: onnx.ModelProto) -> None:
        largest = max(model.graph.initializer, key=lambda one: one.ByteSize())
        array = numpy_helper.to_array(largest).copy()
        change(array)
        largest.CopyFrom(numpy_helper.from_array(array, largest.name))

    return corrupt


def foreign(model: onnx.ModelProto) -> None:
    relu = next(node for node in model.graph.node if node.op_type == "Relu")
    relu.op_type, relu.domain = "QuickGelu", "com.microsoft"


def opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 17


def outside(model: onnx.ModelProto) -> None:
    largest = max(model.graph.initializer, key=lambda one: one.ByteSize())
    largest.ClearField("raw_data")
    largest.data_location = TensorProto.EXTERNAL
    largest.external_data.add(key="location", value="../weights.bin")


def stale_engine(folder: Path) -> None:
    """An engine of another graph."""
    (folder / "sm89.rtx.engine").write_bytes(b"ftrt")
    said: dict[str, object] = {"flavour": "rtx", "version": "1.0", "onnx": "00", "profile": {}}
    said["engines"] = [{"sm": 89, "file": "sm89.rtx.engine", "size_bytes": 4, "build_s": 1.0}]
    (folder / ENGINES_FILE).write_text(json.dumps(said))
    replace(Artifact.load(folder, verify=False), kind=KIND).write(folder)


def swap(labels: bytes) -> bytes:
    names = labels.split(b"\n")
    return b"\n".join([names[1], names[0], *names[2:]])


def flip(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def link(folder: Path) -> None:
    (folder / "model.onnx").rename(folder.parent / "elsewhere")
    (folder / "model.onnx").symlink_to(folder.parent / "elsewhere")


def link_folder(folder: Path) -> None:
    (folder / "warmup").rename(folder.parent / "elsewhere")
    (folder / "warmup").symlink_to(folder.parent / "elsewhere", target_is_directory=True)


def listed(name: str) -> Corruption:
    """A manifest that lists a file elsewhere."""

    def corrupt(folder: Path) -> None:
        raw = json.loads((folder / ARTIFACT_FILE).read_text())
        raw["files"][name] = "00"
        (folder / ARTIFACT_FILE).write_text(json.dumps(raw))

    return corrupt


PICKLE = pickle.dumps({"weights": [1.0, 2.0]})
CORRUPTIONS: dict[str, tuple[Corruption, str]] = {
    "frozen axis": (graph(freeze), "axis 'batch' of x came out constant as 3"),
    "frozen axis within": (graph(freeze_within), "expected an answer, the graph failed .*Reshape"),
    "transposed output": (graph(transpose), "expected probabilities of shape"),
    "no rows": (lambda f: ((f / "rows.safetensors").unlink(), seal(f)), "rows.safetensors cannot"),
    "half a report": (
        content("report.json", lambda d: d.replace(b'"kept"', b'"lost"')),
        "its report or its kept rows lack 'kept': export it again",
    ),
    "loss not allowed": (
        content("report.json", lambda d: d.replace(b'"low": 0.0', b'"low": -0.9')),
        "is not known to lose at most 0 of accuracy on its test set",
    ),
    "other operators": (graph(transpose, told=False), "other operators than its report says"),
    "NaN weight": (
        graph(weight(lambda w: np.put(w, 5, np.nan))),
        "holds NaN or infinity: expected finite",
    ),
    "other weight": (
        graph(weight(lambda w: w.fill(0.1))),
        "kept rows: expected probabilities to differ by at most 1e-05",
    ),
    "wrong opset": (graph(opset), "opset 17: expected 18; export"),
    "foreign operator": (graph(foreign), "operator com.microsoft.QuickGelu: expected ONNX's own"),
    "weights outside": (graph(outside), r"lies in another file, '\.\./weights.bin': .* inline"),
    "truncated": (content("model.onnx", lambda d: d[:-100]), "no ONNX file, or was cut short"),
    "stale engine": (stale_engine, "were built from another model.onnx: build them again"),
    "swapped labels": (content("labels.txt", swap), "labels.txt has '.*' where '.*' was"),
    "pickle": (content("weights.pkl", lambda _: PICKLE), r"weights.pkl may hold a pickle"),
    "hidden pickle": (content("notes.txt", lambda _: PICKLE), "notes.txt holds a pickle"),
    "changed byte": (content("model.onnx", flip, sealed=False), "model.onnx was changed"),
    "added file": (content("a.txt", lambda _: b"", sealed=False), "a.txt is not in the manifest"),
    "hard link": (lambda f: os.link(f / "model.onnx", f.parent / "m"), "model.onnx is a link"),
    "symbolic link": (link, "model.onnx is a link: artifacts hold plain files"),
    "linked folder": (link_folder, "warmup is a link: artifacts hold plain files"),
    "absolute name": (listed("/etc/hostname"), "'/etc/hostname', which leads out of the artifact"),
    "name above": (listed("../labels.txt"), r"'\.\./labels.txt', which leads out of the artifact"),
    "huge": (
        lambda f: os.truncate(f / "model.onnx", MAX_FILE_BYTES + 1),
        "model.onnx has 1073741825 bytes: expected at most 1073741824",
    ),
}


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_corruptions_are_refused_by_name(folder: Path, tmp_path: Path, corruption: str) -> None:
    corrupt, message = CORRUPTIONS[corruption]
    corrupt(folder)
    with pytest.raises((ArtifactError, ExportError), match=message) as caught:
        verify(folder)
    assert MODEL in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises((ArtifactError, ExportError)):
        publish(folder, tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_without_corruption_it_is_taken(folder: Path, tmp_path: Path) -> None:
    assert set(verify(folder).checks) == {"files", "graph", "numeric", "task", "golden"}
    assert publish(folder, tmp_path / "models").changed
