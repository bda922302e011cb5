"""Rules about the machine: devices, threads, and settings that a backend passes over."""

from __future__ import annotations

from collections.abc import Iterator

from tritonclient.grpc import model_config_pb2

from export.lint.rule import ADVICE, GUIDE, MEASURED, SCHEMA, SERVER, rule
from export.lint.served import Served
from export.targets import ANY, TARGETS, on_gpu
from export.triton_config import BACKEND
from zoo.artifact import Artifact, ArtifactError

GPU = model_config_pb2.ModelInstanceGroup.KIND_GPU
CPU = model_config_pb2.ModelInstanceGroup.KIND_CPU
THREADS = "intra_op_thread_count"
USUAL_INSTANCES = 2  # of ONNX Runtime on the CPU, where a group states no count
PLAN = "tensorrt"


@rule(f"{SERVER}/3912", "leave the kind out, publish for CPUs, or serve where there is a GPU")
def gpu_missing(model: Served) -> Iterator[str]:
    """Nothing asks for a GPU on a machine without one."""
    if model.machine.gpu:
        return
    if any(group.kind == GPU for group in model.config.instance_group):
        yield "an instance group is KIND_GPU: the machine has no GPU"
    elif model.backend == PLAN:
        yield "backend 'tensorrt' runs on GPUs alone: the machine has none"


@rule(f"{GUIDE}/model_configuration.md#instance-groups", "publish it for the target that is meant")
def target_differs(model: Served) -> Iterator[str]:
    """Instances are of the kind that the latest version was published for."""
    try:
        latest = Artifact.load(model.versions[max(model.versions, default=0)], verify=False)
    except (KeyError, ArtifactError):
        return
    target = TARGETS.get(latest.metrics.get("target", ANY.name), ANY)
    if target.kind is None or model.ensemble:
        return
    wanted = GPU if on_gpu(latest, target) else CPU
    for group in model.config.instance_group:
        if group.kind != wanted:
            found, expected = (group.Kind.Name(kind) for kind in (group.kind, wanted))
            yield f"an instance group is {found}: target '{target.name}' has {expected}"


@rule(f"{SCHEMA}; {MEASURED}", "leave execution_accelerators out", ADVICE)
def accelerator_ignored(model: Served) -> Iterator[str]:
    """Accelerators are named where the backend and the device use them."""
    named = model.config.optimization.execution_accelerators
    kinds = {group.kind for group in model.config.instance_group}
    on_cpu = not model.machine.gpu or (kinds and kinds <= {CPU})
    if not named.gpu_execution_accelerator and not named.cpu_execution_accelerator:
        return
    if model.backend not in (BACKEND, "tensorflow"):
        yield f"execution_accelerators: backend '{model.backend}' ignores them"
    elif named.gpu_execution_accelerator and on_cpu:
        yield "gpu_execution_accelerator: the model runs on the CPU, where it is ignored"


@rule(f"{SCHEMA}; {MEASURED}", "leave it out", ADVICE)
def cuda_ignored(model: Served) -> Iterator[str]:
    """CUDA graphs and profiles are set for TensorRT alone, which alone uses them."""
    if model.backend == PLAN:
        return
    if model.config.optimization.cuda.graphs:
        yield f"optimization.cuda: backend '{model.backend}' ignores it"
    if any(group.profile for group in model.config.instance_group):
        yield f"instance_group.profile: backend '{model.backend}' ignores it"
    if model.config.cc_model_filenames and model.backend == BACKEND:
        yield f"cc_model_filenames: backend '{model.backend}' loads {model.graph_file} everywhere"


@rule(
    "https://github.com/triton-inference-server/onnxruntime_backend/issues/245",
    f"set the parameter {THREADS}",
    ADVICE,
)
def threads_unset(model: Served) -> Iterator[str]:
    """ONNX Runtime is told how many threads to use: by itself it takes every core."""
    if model.backend == BACKEND and not _threads(model):
        yield f"{THREADS} is '{model.parameter(THREADS)}': expected a number from 1"


@rule(
    "https://github.com/microsoft/onnxruntime/issues/13808; " + MEASURED,
    "lower the threads or the instances, or say with --cores how many there are",
)
def threads_budget(model: Served) -> Iterator[str]:
    """Threads times instances are no more than the cores of the machine."""
    threads, instances = _threads(model), _instances(model)
    if model.backend == BACKEND and threads * instances > model.machine.cores:
        yield (
            f"{threads} threads × {instances} instances: the machine has "
            f"{model.machine.cores} core(s)"
        )


@rule(f"{GUIDE}/model_configuration.md#ensemble-model-instance-groups", "leave it out")
def ensemble_instances(model: Served) -> Iterator[str]:
    """An ensemble has no instances of its own: its steps have."""
    if model.ensemble and model.config.instance_group:
        yield "instance_group is set for an ensemble"


def _threads(model: Served) -> int:
    """Threads of an instance; 0 where that is not said."""
    text = model.parameter(THREADS)
    return int(text) if text.isdecimal() else 0


def _instances(model: Served) -> int:
    groups = model.config.instance_group
    counts = (group.count or (USUAL_INSTANCES if group.kind == CPU else 1) for group in groups)
    return sum(counts) or 1


RULES = (
    *(gpu_missing, target_differs, accelerator_ignored, cuda_ignored, threads_unset),
    *(threads_budget, ensemble_instances),
)
