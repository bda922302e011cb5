"""Tiny published models, and one running server for the tests that need it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from google.protobuf import text_format
from onnx import TensorProto, helper, numpy_helper
from tritonclient.grpc import model_config_pb2
from tritonclient.utils import serialize_byte_tensor

from serving.triton import Triton
from zoo.artifact import Artifact, staging
from zoo.contract import Signature, TensorSpec
from zoo.golden import Golden
from zoo.steps import Step, run_steps, steps_text

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
    """A model small enough to be written down, or an ensemble of two."""

    name: str
    signature: Signature
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: dict[str, np.ndarray] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    queue_delay_us: int = 0
    queue_size: int = 64
    steps: tuple[Step, ...] = ()

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
        for name, array in self._warm_rows().items():
            text = array.dtype == np.dtype(object)
            raw = serialize_byte_tensor(array).item() if text else array.tobytes()
            (folder / "warmup" / f"{name}-1").write_bytes(raw)
        artifact = Artifact(folder / str(version), "published", self.name, self.signature)
        with staging(artifact.path) as scratch:
            if self.steps:
                (scratch / "steps.json").write_text(steps_text(self.steps))
            else:
                (scratch / "model.onnx").write_bytes(self.graph())
            (scratch / "golden.json").write_text(self.golden().to_text())
            artifact.write(scratch)
        return artifact.path

    def golden(self) -> Golden:
        """Two rows and their answers."""
        rows = self.signature.sample(2)
        return Golden(rows, self.answer(rows))

    def answer(self, rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What plain ONNX Runtime answers."""
        names = [spec.name for spec in self.signature.outputs]
        if self.steps:
            known = {model.name: model for model in ALL}
            tensors = run_steps(self.steps, rows, lambda s, feed: known[s.model].answer(feed))
            return {name: tensors[name] for name in names}
        answers = onnxruntime.InferenceSession(self.graph()).run(names, dict(rows))
        return dict(zip(names, answers, strict=True))

    def _warm_rows(self) -> dict[str, np.ndarray]:
        return {} if self.steps else self.signature.sample(1)

    def _config(self) -> model_config_pb2.ModelConfig:
        def dims(spec: TensorSpec) -> list[int]:
            return [n if isinstance(n, int) else -1 for n in spec.shape]

        batched = self.signature.max_batch
        config = model_config_pb2.ModelConfig(name=self.name, max_batch_size=batched)
        for spec in self.signature.inputs:
            config.input.add(name=spec.name, data_type=TRITON_TYPES[spec.dtype], dims=dims(spec))
        for spec in self.signature.outputs:
            config.output.add(
                name=spec.name,
                data_type=TRITON_TYPES[spec.dtype],
                dims=dims(spec),
                label_filename="labels.txt" if self.labels else "",
            )
        config.parameters["signature"].string_value = json.dumps(self.signature.to_dict())
        if self.steps:
            config.platform = "ensemble"
            for step in self.steps:
                config.ensemble_scheduling.step.add(
                    model_name=step.model,
                    model_version=step.version,
                    input_map=step.inputs,
                    output_map=step.outputs,
                )
            return config
        config.backend = "onnxruntime"
        config.instance_group.add(count=1)
        self._warm_up(config)
        if batched:
            batching = config.dynamic_batching
            batching.max_queue_delay_microseconds = self.queue_delay_us
            batching.default_queue_policy.max_queue_size = self.queue_size
        config.parameters["intra_op_thread_count"].string_value = "1"
        return config

    def _warm_up(self, config: model_config_pb2.ModelConfig) -> None:
        warmup = config.model_warmup.add(name="one", batch_size=1)
        for name, array in self._warm_rows().items():
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
FIELDS = ("user", "item")
WORDS = TensorSpec("values", "object", (2,), "test", columns=FIELDS, missing=True)
IDS = TensorSpec("ids", "int64", (2,), "test", (4, 4), FIELDS)
PRICE = TensorSpec("numeric", "float32", (1,), "test", columns=("price",), missing=True)
SCORE = _spec("score", "float32", 1)


def _encoder(text: str, ids: str) -> onnx.NodeProto:
    """a and b are 1 and 2, anything else 3."""
    return helper.make_node(
        "LabelEncoder",
        [text],
        [ids],
        domain="ai.onnx.ml",
        keys_strings=["a", "b"],
        values_int64s=[1, 2],
        default_int64=3,
    )


CODES = TinyModel("clicks-encode", Signature((WORDS,), (IDS,), 8), [_encoder("values", "ids")])
CLICKS = TinyModel(
    "clicks",
    Signature((IDS, PRICE), (SCORE,), 8),
    [
        helper.make_node("Cast", ["ids"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["x", "w"], ["sum"]),
        helper.make_node("IsNaN", ["numeric"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "numeric"], ["price"]),
        helper.make_node("Add", ["sum", "price"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["score"]),
    ],
    {"w": np.array([[0.5], [-0.25]], np.float32), "zero": np.zeros(1, np.float32)},
)
RAW = TinyModel(
    "clicks-raw",
    Signature((WORDS, PRICE), (SCORE,), 8),
    steps=(
        Step("clicks-encode", {"values": "values"}, {"ids": "ids"}, 1),
        Step("clicks", {"ids": "ids", "numeric": "numeric"}, {"score": "score"}, 1),
    ),
)
RANK = TinyModel(
    "clicks-rank",
    Signature(
        (
            TensorSpec("request_values", "object", (1,), "test", columns=("user",)),
            TensorSpec("item_values", "object", ("candidates", 1), "test", columns=("item",)),
        ),
        (_spec("score", "float32", "candidates"),),
        0,
    ),
    [
        _encoder("request_values", "user"),
        _encoder("item_values", "item"),
        helper.make_node("Sub", ["user", "item"], ["difference"]),
        helper.make_node("Squeeze", ["difference", "axis"], ["flat"]),
        helper.make_node("Cast", ["flat"], ["score"], to=TensorProto.FLOAT),
    ],
    {"axis": np.array([1])},
)
LOOKBACK, HORIZON = 4, 3
LEVELS = tuple(k / 10 for k in range(1, 10))
FORECAST = TinyModel(
    "forecast-tiny",
    Signature(
        (TensorSpec("history", "float32", ("channels", LOOKBACK), "test", missing=True),),
        (
            TensorSpec(
                "quantiles",
                "float32",
                ("channels", HORIZON, 9),
                "the mean of what is known, ever further from its median",
                columns=tuple(map(str, LEVELS)),
            ),
            _spec("median", "float32", "channels", HORIZON),
            _spec("mean", "float32", "channels", HORIZON),
            _spec("status", "int64", "channels"),
        ),
        8,
    ),
    [
        helper.make_node("IsNaN", ["history"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "history"], ["filled"]),
        helper.make_node("Where", ["missing", "zero", "one"], ["known"]),
        helper.make_node("ReduceSum", ["filled", "time"], ["sum"]),
        helper.make_node("ReduceSum", ["known", "time"], ["count"]),
        helper.make_node("Div", ["sum", "count"], ["level"]),
        helper.make_node("Add", ["level", "slope"], ["median"]),
        helper.make_node("Add", ["median", "half"], ["mean"]),
        helper.make_node("Unsqueeze", ["median", "time"], ["upright"]),
        helper.make_node("Add", ["upright", "offsets"], ["quantiles"]),
        helper.make_node("Squeeze", ["count", "time"], ["counts"]),
        helper.make_node("Equal", ["counts", "zero"], ["nothing"]),
        helper.make_node("Cast", ["nothing"], ["status"], to=TensorProto.INT64),
    ],
    {
        "zero": np.float32(0)[None],
        "one": np.float32(1)[None],
        "half": np.float32(0.5)[None],
        "time": np.array([-1]),
        "slope": np.arange(1, HORIZON + 1, dtype=np.float32),
        "offsets": np.outer(np.arange(1, HORIZON + 1), np.array(LEVELS) - 0.5).astype(np.float32),
    },
)
ALL = (MLP, NODES, EMBED, ENCODE, CODES, CLICKS, RAW, RANK, FORECAST)


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
