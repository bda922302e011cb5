"""A model that is written down node by node, and published as an export is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from google.protobuf import text_format
from onnx import TensorProto, helper, numpy_helper
from tritonclient.grpc import model_config_pb2
from tritonclient.utils import serialize_byte_tensor

from zoo.artifact import Artifact, sha256_file, staging
from zoo.contract import Signature, TensorSpec
from zoo.golden import Golden
from zoo.steps import Step, run_steps, steps_text

ONNX_TYPES = {
    "float32": TensorProto.FLOAT,
    "int64": TensorProto.INT64,
    "object": TensorProto.STRING,
}
TRITON_TYPES = {"float32": "TYPE_FP32", "int64": "TYPE_INT64", "object": "TYPE_STRING"}


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
    parts: tuple[TinyModel, ...] = ()  # the models of its steps
    form: str = ""  # what the gateway asks it for; empty where it offers no such model
    training: str = ""  # what it was exported from

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
        artifact = self._artifact(folder / str(version))
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
            known = {model.name: model for model in self.parts}
            tensors = run_steps(self.steps, rows, lambda s, feed: known[s.model].answer(feed))
            return {name: tensors[name] for name in names}
        answers = onnxruntime.InferenceSession(self.graph()).run(names, dict(rows))
        return dict(zip(names, answers, strict=True))

    def _artifact(self, folder: Path) -> Artifact:
        metrics = {"form": self.form} if self.form else {}
        if self.labels:
            metrics["shared"] = {"labels.txt": sha256_file(folder.parent / "labels.txt")}
        parents = {"checkpoint": self.training} if self.training else {}
        base = self.name.removesuffix(f"-{self.form.removeprefix('rows-')}")
        return Artifact(
            folder,
            "published",
            self.name,
            self.signature,
            recipe={"name": base},
            parents=parents,
            metrics=metrics,
        )

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
        config.version_policy.latest.num_versions = 2
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
