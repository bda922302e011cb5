"""What a model is published for: one configuration per target, from one artifact.

any           ONNX Runtime; on a GPU where Triton has one, else on the CPU
cpu           ONNX Runtime on the CPU, where there is a GPU too
gpu-ort       ONNX Runtime with CUDA
gpu-ort-trt   ONNX Runtime with TensorRT, which builds engines as the server loads the model
gpu-plan      TensorRT plans that were built before, with CUDA graphs

Vocabularies hold strings, which no GPU has: they run on the CPU. An ensemble runs where its steps
do. A GPU's batch is warmed up at 1 and at most, which is also when engines are built.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tritonclient.grpc import model_config_pb2

from export.errors import ExportError
from export.to_tensorrt import profile_of
from export.triton_config import ENSEMBLE, config_of, plan_config
from zoo.artifact import Artifact
from zoo.contract import Signature, near
from zoo.steps import Step

KIND_CPU = model_config_pb2.ModelInstanceGroup.KIND_CPU
KIND_GPU = model_config_pb2.ModelInstanceGroup.KIND_GPU
CACHE = "/var/cache/leanzoo/tensorrt"  # of the server: a repository is mounted read-only
MODES = {"fp32": "FP32", "fp16": "FP16", "int8-qdq": "INT8"}  # of TensorRT in ONNX Runtime
ACCELERATOR = "tensorrt"
ON_GPU = "fp32"  # the precision published for a GPU: what is the fastest here says nothing of it


@dataclass(frozen=True)
class Target:
    """What a configuration is for.

    Attributes:
        name: as asked for.
        kind: Triton's kind of a graph's instances; None for whichever there is.
        engines: ``""``, ``build`` (by the server, from the graph), or ``plan`` (built before).
        doc: how it runs, for the card.
    """

    name: str
    kind: int | None
    engines: str
    doc: str

    @property
    def gpu(self) -> bool:
        """Whether it needs one."""
        return self.kind == KIND_GPU


ANY = Target("any", None, "", "ONNX Runtime")
TARGETS = {
    one.name: one
    for one in (
        ANY,
        Target("cpu", KIND_CPU, "", "ONNX Runtime on the CPU"),
        Target("gpu-ort", KIND_GPU, "", "ONNX Runtime with CUDA"),
        Target("gpu-ort-trt", KIND_GPU, "build", "ONNX Runtime with TensorRT"),
        Target("gpu-plan", KIND_GPU, "plan", "TensorRT plans"),
    )
}


def parse_target(name: str) -> Target:
    """The target of a name.

    Raises:
        ExportError: an unknown one.
    """
    if name not in TARGETS:
        raise ExportError(f"unknown target '{name}': {near(name, TARGETS)}")
    return TARGETS[name]


def config_for(
    artifact: Artifact,
    steps: Sequence[Step] = (),
    target: Target = ANY,
    plans: Mapping[int, str] | None = None,
) -> Any:
    """The ModelConfig message of an artifact on a target.

    Args:
        artifact: of a model, or of an ensemble.
        steps: of the ensemble, with the versions that they ask.
        target: what it is published for.
        plans: of a graph on ``gpu-plan``: architecture, such as 89 → file of the version.

    Raises:
        ExportError: no signature, or a precision that the target does not run.
    """
    config = plan_config(artifact, plans, warmup=True) if plans else config_of(artifact, steps)
    if steps or target.kind is None:
        return config
    config.instance_group[0].kind = target.kind if on_gpu(artifact, target) else KIND_CPU
    if target.engines == "build" and on_gpu(artifact, target):
        _add_accelerator(config, artifact)
    return config


def on_gpu(artifact: Artifact, target: Target) -> bool:
    """Whether an artifact is a graph that runs on a GPU on a target."""
    signature = artifact.signature
    if signature is None or artifact.kind == ENSEMBLE:
        return False
    strings = any(spec.dtype == "object" for spec in (*signature.inputs, *signature.outputs))
    return target.gpu and not strings


def note_of(artifact: Artifact, target: Target) -> str:
    """What a card says of a target that cannot be tried where models are published."""
    if not on_gpu(artifact, target):
        return ""
    return (
        f"\n## Target\n\nPublished for `{target.name}`: {target.doc}. Every check ran on the ONNX "
        "graph in ONNX Runtime on a CPU; on a GPU "
        + ("the plans were not run" if target.engines == "plan" else "it was not run")
        + " when it was published.\n"
    )


def _add_accelerator(config: Any, artifact: Artifact) -> None:
    """TensorRT in ONNX Runtime: its precision, sizes that it builds for, and what it keeps."""
    assert artifact.signature is not None
    precision = artifact.metrics["precision"]
    if precision not in MODES:
        raise ExportError(
            f"{artifact.model} in {precision} is quantised for CPUs: for TensorRT expected "
            f"{', '.join(MODES)}; publish it with --precision"
        )
    folder = f"{CACHE}/{artifact.model}"
    parameters = {
        "precision_mode": MODES[precision],
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": folder,
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": folder,
        **_shapes(artifact.signature),
    }
    accelerators = config.optimization.execution_accelerators
    one = accelerators.gpu_execution_accelerator.add(name=ACCELERATOR)
    for name, value in parameters.items():
        one.parameters[name] = value


def _shapes(signature: Signature) -> dict[str, str]:
    """Least, usual and most entries of every input with a free axis, as ONNX Runtime reads them."""
    profile = profile_of(signature)
    free = [name for name, (least, _, most) in profile.items() if least != most]
    return {
        f"trt_profile_{which}_shapes": ",".join(
            f"{name}:{'x'.join(map(str, profile[name][at]))}" for name in free
        )
        for at, which in enumerate(("min", "opt", "max"))
        if free
    }
