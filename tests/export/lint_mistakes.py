"""One mistake for every rule of lint, each made in a published model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from zoo.artifact import Artifact, sha256_file

DENSE, SPARSE, ENSEMBLE = "mlp-toy", "mlp-toy-sparse", "toy-clicks-raw"


def edit(folder: Path, change: Callable[[Any], object]) -> None:
    """Change a model's configuration."""
    file = folder / "config.pbtxt"
    config = text_format.Parse(file.read_text(), model_config_pb2.ModelConfig())
    change(config)
    file.write_text(text_format.MessageToString(config))


def seal(folder: Path) -> None:
    """Write the manifests of a model anew, so that they know of a mistake."""
    for file in folder.glob("*/artifact.json"):
        artifact = Artifact.load(file.parent, verify=False)
        shared = artifact.metrics["shared"]
        present = [name for name in shared if (folder / name).is_file()]
        artifact.metrics["shared"] = {name: sha256_file(folder / name) for name in present}
        artifact.write(file.parent)


@dataclass(frozen=True)
class Mistake:
    """A mistake.

    Attributes:
        make: folder of the model → the mistake made in it.
        model: in which it is made.
        sealed: whether the manifests know of it.
        gpu: whether the machine has one.
    """

    make: Callable[[Path], object]
    model: str = DENSE
    sealed: bool = True
    gpu: bool = False


def more(text: str, model: str = DENSE) -> Mistake:
    """Something more in a configuration."""
    return Mistake(lambda folder: edit(folder, lambda c: text_format.Merge(text, c)), model)


def other(old: str, new: str, model: str = DENSE) -> Mistake:
    """Something else in a configuration's text."""

    def make(folder: Path) -> None:
        file = folder / "config.pbtxt"
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new, 1))

    return Mistake(make, model)


def less(change: Callable[[Any], object]) -> Mistake:
    """Something less in a configuration."""
    return Mistake(lambda folder: edit(folder, change))


def write(name: str, content: bytes, sealed: bool = True) -> Mistake:
    """Something else in a file."""
    return Mistake(lambda folder: (folder / name).write_bytes(content), sealed=sealed)


def remove(name: str) -> Mistake:
    """A file less."""
    return Mistake(lambda folder: (folder / name).unlink())


def plan(change: Callable[[dict[str, Any]], object]) -> Mistake:
    """A model of TensorRT plans, with something else in its engines.json."""

    def make(folder: Path) -> None:
        text = 'backend: "tensorrt" cc_model_filenames { key: "8.9" value: "sm89.plan" }'
        edit(folder, lambda config: text_format.Merge(text, config))
        (folder / "1/sm89.plan").write_bytes(b"a plan")
        said = {
            "flavour": "plan",
            "onnx": sha256_file(folder / "1/model.onnx"),
            "profile": {"x": [[1, 200], [32, 200], [1024, 200]]},
            "engines": [{"sm": 89, "file": "sm89.plan"}],
        }
        change(said)
        (folder / "1/engines.json").write_text(json.dumps(said))

    return Mistake(make, gpu=True)


def for_cpus(folder: Path) -> None:
    """Say that the model was published for CPUs, and configure a GPU."""
    edit(folder, lambda config: text_format.Merge("instance_group { kind: KIND_GPU }", config))
    edit(folder, lambda config: config.instance_group.pop(0))
    artifact = Artifact.load(folder / "1", verify=False)
    replace(artifact, metrics={**artifact.metrics, "target": "cpu"}).write(folder / "1")


def eight_rows(folder: Path) -> None:
    """Give every tensor of the graph 8 rows."""
    model = onnx.load(folder / "1/model.onnx")
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 8
    onnx.save(model, folder / "1/model.onnx")


def batching(text: str) -> Mistake:
    """Something more in how requests are batched."""
    return more(f"dynamic_batching {{ {text} }}")


def warmup(batch: int, inputs: str, model: str) -> Mistake:
    """A warm-up more."""
    return more(f'model_warmup {{ name: "more" batch_size: {batch} {inputs} }}', model)


CLASSES = 'dims: 4\n  label_filename: "labels.txt"'
IDS = 'inputs { key: "feature_ids" value { data_type: TYPE_INT64 dims: 24 random_data: true } }'
VALUES = 'inputs { key: "feature_values" value { data_type: TYPE_FP32 dims: 24 zero_data: true } }'
ROWS = 'inputs { key: "x" value { data_type: TYPE_FP32 dims: 200 zero_data: true } }'
THREADS = "intra_op_thread_count"

MISTAKES = {
    "config-unreadable": write("config.pbtxt", b"name {"),
    "field-unknown": other("max_batch_size", "colour: 1\nmax_batch_size"),
    "field-newer": more("model_metrics { }"),
    "name-differs": other('name: "mlp-toy"', 'name: "mlp"'),
    "backend-unknown": other('backend: "onnxruntime"', 'backend: "onnx"'),
    "version-missing": Mistake(lambda folder: shutil.rmtree(folder / "1")),
    "version-name": Mistake(lambda folder: (folder / "v2").mkdir()),
    "version-empty": Mistake(lambda folder: (folder / "2").mkdir()),
    "manifest-differs": write("labels.txt", b"a\nb\nc\nd\n", sealed=False),
    "signature-missing": other('key: "signature"', 'key: "sign"'),
    "signature-differs": other('\\"max_batch\\": 1024', '\\"max_batch\\": 3'),
    "rollout-version": write("rollout.json", b'{"stable": 9}'),
    "graph-unreadable": write("1/model.onnx", b"?"),
    "tensor-unknown": other('name: "probabilities"', 'name: "scores"'),
    "dtype-differs": other(f"TYPE_FP32\n  {CLASSES}", f"TYPE_FP64\n  {CLASSES}"),
    "batch-in-dims": other(CLASSES, "dims: -1\n  dims: 4"),
    "rank-differs": other(CLASSES, "dims: 4\n  dims: 1\n  dims: 1"),
    "size-differs": other(CLASSES, "dims: 5"),
    "fixed-batch": Mistake(eight_rows),
    "labels-missing": remove("labels.txt"),
    "labels-count": write("labels.txt", b"only\n"),
    "model-file-missing": remove("1/model.onnx"),
    "queue-timeout": batching("default_queue_policy { default_timeout_microseconds: 900 }"),
    "client-timeout": batching("default_queue_policy { allow_timeout_override: true }"),
    "ordering-priorities": batching(
        "preserve_ordering: true priority_levels: 2 default_priority_level: 1"
    ),
    "default-priority": batching("priority_levels: 2"),
    "preferred-size": batching("preferred_batch_size: 4096"),
    "preferred-needless": batching("preferred_batch_size: 8"),
    "batching-delay": batching("max_queue_delay_microseconds: 20000"),
    "queue-bounded": batching("default_queue_policy { max_queue_size: 64 }"),
    "warmup-missing": less(lambda config: config.ClearField("model_warmup")),
    "warmup-batch": warmup(2048, ROWS, DENSE),
    "warmup-inputs": other('key: "x"', 'key: "y"'),
    "warmup-tensor": other("data_type: TYPE_FP32\n      dims", "data_type: TYPE_INT32\n      dims"),
    "warmup-random-ids": warmup(1, IDS + VALUES, SPARSE),
    "warmup-file-missing": remove("warmup/x-1"),
    "warmup-file-size": write("warmup/x-1", b"123"),
    "gpu-missing": other("instance_group {", "instance_group {\n  kind: KIND_GPU"),
    "target-differs": Mistake(for_cpus, gpu=True),
    "accelerator-ignored": more(
        'optimization { execution_accelerators { gpu_execution_accelerator { name: "tensorrt" } } }'
    ),
    "cuda-ignored": more("optimization { cuda { graphs: true } }"),
    "threads-unset": less(lambda config: config.parameters.pop(THREADS)),
    "threads-budget": more(f'parameters {{ key: "{THREADS}" value {{ string_value: "3" }} }}'),
    "ensemble-instances": more("instance_group { count: 1 }", ENSEMBLE),
    "plan-profile": plan(lambda said: said["profile"].update(x=[[1, 200], [32, 200], [64, 200]])),
    "plan-stale": plan(lambda said: said.update(onnx="of another")),
    "plan-architecture": plan(lambda said: said["engines"][0].update(sm=86)),
    "plan-rtx": plan(lambda said: said.update(flavour="rtx")),
    "step-missing": other('model_name: "toy-clicks"', 'model_name: "gone"', ENSEMBLE),
    "step-version": other("model_version: 1", "model_version: 9", ENSEMBLE),
    "step-tensor": other(
        'output_map {\n      key: "ids"', 'output_map {\n      key: "numbers"', ENSEMBLE
    ),
    "tensor-unwritten": other(
        'input_map {\n      key: "ids"\n      value: "ids"',
        'input_map {\n      key: "ids"\n      value: "numbers"',
        ENSEMBLE,
    ),
    "step-dtype": other(
        'name: "numeric"\n  data_type: TYPE_FP32',
        'name: "numeric"\n  data_type: TYPE_FP64',
        ENSEMBLE,
    ),
    "step-dims": other("TYPE_STRING\n  dims: 6", "TYPE_STRING\n  dims: 7", ENSEMBLE),
    "ensemble-batch": other("max_batch_size: 1024", "max_batch_size: 2048", ENSEMBLE),
}
