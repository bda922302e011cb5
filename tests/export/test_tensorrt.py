"""TensorRT-RTX engines of every model, built without a GPU, and what cannot be built."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from export.artifacts import MODEL_FILE
from export.candidate import open_session
from export.dequantise import dequantised
from export.engines import check_engines, export_engines, load_engine, parse_sms
from export.errors import ExportError
from export.quantize import dynamic, static, weights_only
from export.to_fp16 import half
from export.to_tensorrt import (
    Engine,
    _config,
    _logger,
    build_engine,
    load_tensorrt,
    profile_of,
)
from tests.export.graphs import graph_of, list_graphs
from zoo.artifact import Artifact, ArtifactError
from zoo.contract import Signature, TensorSpec

UNBUILT = {  # model and form → the operator that TensorRT has not
    **{(gnn, form): "Scatter" for gnn in ("gcn", "sage", "gat") for form in ("whole", "blocks")},
}


def test_profile_of_rows_and_of_candidates() -> None:
    ids = TensorSpec("ids", "int64", (4,), "ids")
    out = (TensorSpec("score", "float32", (1,), "score"),)
    assert profile_of(Signature((ids,), out, 256)) == {"ids": ([1, 4], [32, 4], [256, 4])}
    items = replace(ids, name="items", shape=("candidates", 2))
    assert profile_of(Signature((ids, items), out, 0)) == {
        "ids": ([4], [4], [4]),
        "items": ([1, 2], [32, 2], [1024, 2]),
    }
    history = TensorSpec("history", "float32", ("channels", 48), "history")
    shapes = profile_of(Signature((history,), out, 8))["history"]
    assert shapes == ([1, 1, 48], [8, 32, 48], [8, 1024, 48])


def test_architectures_are_named_or_refused() -> None:
    assert parse_sms("80, sm89,80") == [80, 89]
    with pytest.raises(ExportError, match=r"^unknown GPU architecture '90': did you mean"):
        parse_sms("80,90")
    with pytest.raises(ExportError, match="no GPU architecture is named: expected some of 75"):
        parse_sms(",")


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    with pytest.raises(
        ExportError, match=r"tensorrt_rtx cannot be imported .*'\.\[tensorrt-rtx\]'"
    ):
        load_tensorrt("rtx")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ExportError, match="no NVIDIA GPU is seen here, and TensorRT builds a plan"):
        load_tensorrt("plan")


class Standing:
    """In place of TensorRT, to test what surrounds it."""

    __version__ = "1.0"


@pytest.fixture
def engines(
    exported: dict[str, Artifact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Artifact:
    """Engines of the toy student that a stand-in built."""

    def build(module: Any, graph: Any, profile: Any, sm: int | None, *_: Any) -> Engine:
        return Engine(sm or 89, b"ftrt" + bytes([sm or 89]), 0.5)

    monkeypatch.setattr("export.engines.load_tensorrt", lambda flavour: Standing)
    monkeypatch.setattr("export.engines.build_engine", build)
    return export_engines(exported["mlp-toy"], tmp_path, "rtx", [80, 89])


def test_engines_lie_beside_their_graph_and_say_what_they_are(
    engines: Artifact, exported: dict[str, Artifact]
) -> None:
    said = check_engines(engines.path)
    assert (said["flavour"], said["version"]) == ("rtx", "1.0")
    assert said["onnx"] == exported["mlp-toy"].files[MODEL_FILE]
    assert [one["file"] for one in said["engines"]] == ["sm80.rtx.engine", "sm89.rtx.engine"]
    assert set(said["profile"]) == {"x"}
    assert engines.parents == {"onnx": exported["mlp-toy"].digest}
    assert load_engine(engines.path, "rtx", 89, "1.0") == b"ftrtY"


def test_plans_are_picked_by_the_gpu_s_architecture(
    engines: Artifact, exported: dict[str, Artifact], tmp_path: Path
) -> None:
    """The fixture keeps TensorRT's place."""
    made = export_engines(exported["mlp-toy"], tmp_path / "plans", "plan", [])
    assert {"sm89.plan", "config.pbtxt", "model.onnx"} <= set(made.files)
    text = (made.path / "config.pbtxt").read_text()
    config = text_format.Parse(text, model_config_pb2.ModelConfig())
    assert (config.backend, dict(config.cc_model_filenames)) == ("tensorrt", {"8.9": "sm89.plan"})
    assert config.optimization.cuda.graphs and config.default_model_filename == "sm89.plan"
    assert [*config.parameters] == ["signature"] and config.max_batch_size == 1024
    assert config.dynamic_batching.max_queue_delay_microseconds == 0


@pytest.mark.parametrize(
    ("flavour", "sm", "version", "message"),
    [
        ("rtx", 89, "1.1", "were built by version 1.0, the runtime is 1.1: expected the same"),
        ("plan", 89, "1.0", "holds engines of 'rtx': expected 'plan'"),
        ("rtx", 120, "1.0", "has no engine for SM 120: it has 80, 89; build it with --sm"),
    ],
)
def test_an_engine_of_another_kind_is_refused(
    engines: Artifact, flavour: str, sm: int, version: str, message: str
) -> None:
    with pytest.raises(ExportError, match=message):
        load_engine(engines.path, flavour, sm, version)


def other_graph(folder: Path) -> None:
    graph = onnx.load(folder / MODEL_FILE)
    graph.doc_string = "another"
    (folder / MODEL_FILE).write_bytes(graph.SerializeToString())


def lost_engine(folder: Path) -> None:
    (folder / "sm89.rtx.engine").unlink()


def half_manifest(folder: Path) -> None:
    (folder / "engines.json").write_text(json.dumps({"flavour": "rtx"}))


def no_architecture(folder: Path) -> None:
    said = json.loads((folder / "engines.json").read_text())
    del said["engines"][0]["sm"]
    (folder / "engines.json").write_text(json.dumps(said))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (other_graph, "were built from another model.onnx: build them again"),
        (lost_engine, "has no sm89.rtx.engine: build the engines again"),
        (half_manifest, "engines.json cannot be read .*: build the engines again"),
        (no_architecture, "engines.json cannot be read .*'sm'.*: build the engines again"),
    ],
)
def test_stale_engines_are_refused(
    engines: Artifact, damage: Callable[[Path], None], message: str
) -> None:
    damage(engines.path)
    Artifact.load(engines.path, verify=False).write(engines.path)  # no hash betrays it
    with pytest.raises((ExportError, ArtifactError), match=message):
        check_engines(engines.path)


def build(graph: onnx.ModelProto, signature: Signature, sm: int = 89) -> int:
    """The size of an engine."""
    engine = build_engine(load_tensorrt("rtx"), graph, profile_of(signature), sm, "graph")
    assert engine.build_s < 60
    return len(engine.content)


@pytest.mark.tensorrt
@pytest.mark.parametrize("make", [None, half], ids=["fp32", "fp16"])
@pytest.mark.parametrize(("model", "form"), list_graphs())
def test_every_model_is_built_or_says_what_is_not(model: str, form: str, make: Any) -> None:
    graph, signature = graph_of(model, form)
    graph = make(graph) if make else graph
    if (model, form) not in UNBUILT:
        assert build(graph, signature) > 1000
        return
    operator = UNBUILT[model, form]
    message = rf"^TensorRT cannot build graph: node '.*' \({operator}.*\): .+; keep it in ONNX R"
    with pytest.raises(ExportError, match=message):
        build(graph, signature)


@pytest.mark.tensorrt
@pytest.mark.parametrize("sm", [75, 80, 86, 89, 120, 121])
def test_every_architecture_is_built_for(sm: int) -> None:
    graph, signature = graph_of("mlp", "dense")
    assert build(half(graph), signature, sm) > 1000
    if sm == 75:  # Turing
        with pytest.raises(ExportError, match="FP32 GEMM is not supported"):
            build(graph, signature, sm)
    else:
        assert build(graph, signature, sm) > 1000


@pytest.mark.tensorrt
def test_int8_is_built_unless_it_is_dynamic() -> None:
    graph, signature = graph_of("mlp", "sparse")
    whole = build(graph, signature)
    assert build(weights_only(graph), signature) > 1000
    assert build(static(graph, [signature.sample(8)]), signature) > 1000
    assert whole > 1000
    with pytest.raises(ExportError, match=r"node '.*' \(DynamicQuantizeLinear\): not one that it"):
        build(dynamic(graph), signature)


@pytest.mark.tensorrt
def test_strings_stay_in_onnx_runtime(
    exported_clicks: dict[str, Artifact], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    message = r"^TensorRT cannot build toy-clicks-encode: node '\w+' \(\w+\): input '\w+' holds str"
    with pytest.raises(ExportError, match=message):
        export_engines(exported_clicks["toy-clicks-encode"], tmp_path, "rtx", [89])
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


@pytest.mark.tensorrt
def test_float32_is_whole_and_nan_stays() -> None:
    tensorrt = load_tensorrt("rtx")
    builder, flags = tensorrt.Builder(_logger(tensorrt)), tensorrt.BuilderFlag
    config = _config(tensorrt, builder, {}, 89)
    assert (config.get_flag(flags.TF32), config.get_flag(flags.STRICT_NANS)) == (False, True)


@pytest.mark.tensorrt
def test_a_node_that_the_parser_does_not_name_is_one_of_its_operator() -> None:
    message = r"node 'node_scatter_reduce' or 'node_scatter_reduce_1' \(ScatterElements\): Unsupp"
    with pytest.raises(ExportError, match=message):
        build(*graph_of("gat", "whole"))


@pytest.mark.tensorrt
def test_real_engines_of_an_export(exported: dict[str, Artifact], tmp_path: Path) -> None:
    made = export_engines(exported["mlp-toy-sparse"], tmp_path, "rtx", [80, 89])
    said = check_engines(made.path)
    assert said["version"] == load_tensorrt("rtx").__version__
    sizes = [len(load_engine(made.path, "rtx", sm, said["version"])) for sm in (80, 89)]
    assert sizes == [one["size_bytes"] for one in said["engines"]]


def test_dequantise_linear_is_the_same_product() -> None:
    graph, signature = graph_of("mlp", "dense")
    small = weights_only(graph)
    rows = signature.sample(8)
    (before,) = open_session(small).run(None, rows)
    made = dequantised(small)
    (after,) = open_session(made).run(None, rows)
    np.testing.assert_allclose(after, before, atol=1e-6)
    assert {"DequantizeLinear"} <= {node.op_type for node in made.graph.node}
    assert "Cast" not in {node.op_type for node in made.graph.node}
