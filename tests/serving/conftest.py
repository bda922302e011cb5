"""Tiny published models, and one running server for the tests that need it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import onnx
import pytest
from google.protobuf import text_format
from onnx import TensorProto, helper, numpy_helper
from tritonclient.grpc import model_config_pb2
from tritonclient.utils import serialize_byte_tensor

from serving.triton import Triton
from zoo.artifact import Artifact, staging
from zoo.contract import Signature, TensorSpec

ONNX_TYPES = {
    "float32": TensorProto.FLOAT,
    "int64": TensorProto.INT64,
    "object": TensorProto.STRING,
}
TRITON_TYPES = {"float32": "TYPE_FP32", "int64": "TYPE_INT64", "object": "TYPE_STRING"}


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known where these tests are run by themselves."""
    config.addinivalue_line("markers", "triton: starts a tritonserver")


@dataclass(frozen=True)
class TinyModel:
    """A model small enough to be written down."""

    name: str
    signature: Signature
    nodes: list[onnx.NodeProto]
    weights: dict[str, np.ndarray] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    queue_delay_us: int = 0
    queue_size: int = 64

    def graph(self) -> bytes:
        """The ONNX file."""

        def values(specs: tuple[TensorSpec, ...]) -> list[onnx.ValueInfoProto]:
            lead = ("batch",) if self.signature.max_batch else ()
            return [
                helper.make_tensor_value_info(s.name, ONNX_TYPES[s.dtype], (*lead, *s.shape))
                for s in specs
            ]

        weights = [numpy_helper.from_array(w, name) for name, w in self.weights.items()]
        graph = helper.make_graph(
            self.nodes,
            self.name,
            values(self.signature.inputs),
            values(self.signature.outputs),
            weights,
        )
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 4)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString())

    def publish(self, root: Path, version: int = 1) -> Path:
        """Write one version as ``export.repository`` does; returns its folder."""
        folder = root / self.name
        (folder / "warmup").mkdir(parents=True, exist_ok=True)
        config = self._config()
        (folder / "config.pbtxt").write_text(text_format.MessageToString(config))
        if self.labels:
            (folder / "labels.txt").write_text("\n".join(self.labels) + "\n")
        for name, array in self.signature.sample(1).items():
            text = array.dtype == np.dtype(object)
            raw = serialize_byte_tensor(array).item() if text else array.tobytes()
            (folder / "warmup" / f"{name}-1").write_bytes(raw)
        artifact = Artifact(folder / str(version), "published", self.name, self.signature)
        with staging(artifact.path) as scratch:
            (scratch / "model.onnx").write_bytes(self.graph())
            artifact.write(scratch)
        return artifact.path

    def _config(self) -> model_config_pb2.ModelConfig:
        def dims(spec: TensorSpec) -> list[int]:
            return [n if isinstance(n, int) else -1 for n in spec.shape]

        batched = self.signature.max_batch
        config = model_config_pb2.ModelConfig(
            name=self.name, backend="onnxruntime", max_batch_size=batched
        )
        config.instance_group.add(count=1)
        for spec in self.signature.inputs:
            config.input.add(name=spec.name, data_type=TRITON_TYPES[spec.dtype], dims=dims(spec))
        for spec in self.signature.outputs:
            config.output.add(
                name=spec.name,
                data_type=TRITON_TYPES[spec.dtype],
                dims=dims(spec),
                label_filename="labels.txt" if self.labels else "",
            )
        self._warm_up(config)
        if batched:
            batching = config.dynamic_batching
            batching.max_queue_delay_microseconds = self.queue_delay_us
            batching.default_queue_policy.max_queue_size = self.queue_size
        text = json.dumps(asdict(self.signature))
        config.parameters["signature"].string_value = text
        config.parameters["intra_op_thread_count"].string_value = "1"
        return config

    def _warm_up(self, config: model_config_pb2.ModelConfig) -> None:
        warmup = config.model_warmup.add(name="one", batch_size=1)
        for name, array in self.signature.sample(1).items():
            rows = warmup.inputs[name]
            kind = TRITON_TYPES[str(array.dtype)]
            rows.data_type = model_config_pb2.DataType.Value(kind)
            rows.dims.extend(array.shape[1:] if self.signature.max_batch else array.shape)
            rows.input_data_file = f"{name}-1"


def _spec(name: str, dtype: str, *shape: int | str, high: int | None = None) -> TensorSpec:
    return TensorSpec(name, dtype, shape, "test", high)


def _mlp(name: str, max_batch: int, lead: tuple[str, ...] = ()) -> TinyModel:
    rng = np.random.default_rng(0)
    return TinyModel(
        name,
        Signature(
            (_spec("x", "float32", *lead, 4),),
            (_spec("probabilities", "float32", *lead, 3),),
            max_batch,
        ),
        [
            helper.make_node("MatMul", ["x", "w"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
        ],
        {"w": rng.normal(size=(4, 3)).astype(np.float32)},
        labels=("cat", "dog", "great: owl"),
    )


MLP = _mlp("mlp-tiny", max_batch=8)
NODES = _mlp("mlp-nodes", max_batch=0, lead=("nodes",))
EMBED = TinyModel(
    "embed-tiny",
    Signature((_spec("ids", "int64", 2, high=10),), (_spec("score", "float32", 2),), 16),
    [helper.make_node("Gather", ["table", "ids"], ["score"])],
    {"table": np.arange(10, dtype=np.float32)},
    queue_delay_us=300_000,
)
ENCODE = TinyModel(
    "encode-tiny",
    Signature(
        (_spec("word", "object", 1),), (_spec("id", "int64", 1), _spec("echo", "object", 1)), 8
    ),
    [
        helper.make_node(
            "LabelEncoder",
            ["word"],
            ["id"],
            domain="ai.onnx.ml",
            keys_strings=["kéks", "bread"],
            values_int64s=[1, 2],
            default_int64=0,
        ),
        helper.make_node("Identity", ["word"], ["echo"]),
    ],
)
ALL = (MLP, NODES, EMBED, ENCODE)


@pytest.fixture(scope="session")
def tiny_models() -> dict[str, TinyModel]:
    """The tiny models, by name."""
    return {model.name: model for model in ALL}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A fresh repository of all tiny models, to be damaged."""
    for model in ALL:
        model.publish(tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture(scope="session")
def shared_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of all tiny models, to be left as it is."""
    root = tmp_path_factory.mktemp("shared") / "models"
    for model in ALL:
        model.publish(root)
    return root


@pytest.fixture(scope="session")
def server(shared_repository: Path) -> Iterator[Triton]:
    """One running server over the shared repository."""
    with Triton(shared_repository) as triton:
        yield triton
