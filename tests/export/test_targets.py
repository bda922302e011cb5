"""One configuration per target, read back as Triton reads it, and linted on the right machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tritonclient.grpc import model_config_pb2

from export.errors import ExportError
from export.lint.devices import _instances, _threads
from export.lint.repository import lint_repository
from export.lint.served import Machine, read_model
from export.repository import publish
from export.targets import ANY, TARGETS, Target, config_for, parse_target
from export.triton_config import config_of, read_config, to_text
from export.verify import verify_all
from tests.export.retrained import publish_for
from zoo.artifact import Artifact
from zoo.cli.publish import ANY as ANY_NAME

CPU, GPU = Machine(cores=1, gpu=False), Machine(cores=1, gpu=True)
KIND = model_config_pb2.ModelInstanceGroup
TEXTS = {"toy-clicks-encode", "toy-clicks-rank-encode"}  # vocabularies
ENSEMBLES = {"toy-clicks-raw", "toy-clicks-rank-raw"}
GPU_TARGETS = [name for name, target in TARGETS.items() if target.gpu]


@pytest.fixture
def artifacts(
    exported: dict[str, Artifact], exported_clicks: dict[str, Artifact]
) -> list[list[Artifact]]:
    """All exports, by what they were trained as; to be left as they are."""
    return [list(exported.values()), list(exported_clicks.values())]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository that nothing is in yet."""
    return tmp_path / "models"


@pytest.mark.parametrize("name", TARGETS)
def test_every_model_is_published_for_every_target(
    name: str, artifacts: list[list[Artifact]], root: Path, tmp_path: Path, build: Any
) -> None:
    target = parse_target(name)
    for family in artifacts:
        build(family, tmp_path / "engines")
        publish_for(family, root, target, tmp_path / "engines")
    for folder in sorted(root.iterdir()):
        config = read_config(folder)
        _check_device(config, target)
        if folder.name not in ENSEMBLES:
            _check_invariants(folder, config)
        assert Artifact.load(folder / "1").metrics["target"] == name
        on_gpu = target.gpu and folder.name not in ENSEMBLES | TEXTS
        assert ("## Target" in (folder / "card.md").read_text()) == on_gpu
    assert not any(lint_repository(root, GPU if target.gpu else CPU).values())
    assert len(verify_all(root)) == 8


def _check_device(config: Any, target: Target) -> None:
    """A graph is where its target says, strings are on the CPU, an ensemble is nowhere."""
    if config.name in ENSEMBLES:
        assert config.platform == "ensemble" and not config.instance_group
        return
    (group,) = config.instance_group
    text = config.name in TEXTS
    kinds = {"any": KIND.KIND_AUTO, "cpu": KIND.KIND_CPU}
    device = KIND.KIND_CPU if text else KIND.KIND_GPU
    assert group.kind == kinds.get(target.name, device)
    plan = target.name == "gpu-plan" and not text
    assert config.backend == ("tensorrt" if plan else "onnxruntime")
    accelerators = config.optimization.execution_accelerators.gpu_execution_accelerator
    assert len(accelerators) == (target.name == "gpu-ort-trt" and not text)
    assert config.optimization.cuda.graphs == plan
    assert dict(config.cc_model_filenames) == ({"8.9": "sm89.plan"} if plan else {})


def _check_invariants(folder: Path, config: Any) -> None:
    """Threads fit the smallest machine, nothing waits, and the first request is no slow one."""
    model = read_model(folder, folder.parent, CPU)
    assert _threads(model) * _instances(model) <= 1
    assert config.dynamic_batching.max_queue_delay_microseconds == 0
    sizes = [warmup.batch_size for warmup in config.model_warmup]
    assert sizes == ([1, config.max_batch_size] if config.max_batch_size else [1])
    assert config.version_policy.latest.num_versions == 2


@pytest.mark.parametrize("name", GPU_TARGETS)
def test_on_a_machine_without_a_gpu_lint_refuses_what_needs_one(
    name: str, artifacts: list[list[Artifact]], root: Path, tmp_path: Path, build: Any
) -> None:
    build(artifacts[1], tmp_path / "engines")
    publish_for(artifacts[1], root, parse_target(name), tmp_path / "engines")
    found = lint_repository(root, CPU)
    errors = {model for model, each in found.items() if "gpu-missing" in {one.rule for one in each}}
    assert errors == {"toy-clicks", "toy-clicks-rank"}


def test_the_usual_target_is_the_configuration_that_is_committed(
    artifacts: list[list[Artifact]],
) -> None:
    assert ANY is TARGETS[ANY_NAME] and not ANY.gpu
    for artifact in artifacts[0]:
        assert to_text(config_for(artifact)) == to_text(config_of(artifact))


def test_tensorrt_in_onnx_runtime_is_told_sizes_and_keeps_what_it_builds(
    exported: dict[str, Artifact], exported_clicks: dict[str, Artifact]
) -> None:
    target = parse_target("gpu-ort-trt")
    sparse = config_for(exported["mlp-toy-sparse"], target=target)
    (one,) = sparse.optimization.execution_accelerators.gpu_execution_accelerator
    assert one.name == "tensorrt"
    assert dict(one.parameters) == {
        "precision_mode": "FP32",
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": "/var/cache/leanzoo/tensorrt/mlp-toy-sparse",
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": "/var/cache/leanzoo/tensorrt/mlp-toy-sparse",
        "trt_profile_min_shapes": "feature_ids:1x24,feature_values:1x24",
        "trt_profile_opt_shapes": "feature_ids:32x24,feature_values:32x24",
        "trt_profile_max_shapes": "feature_ids:256x24,feature_values:256x24",
    }
    rank = config_for(exported_clicks["toy-clicks-rank"], target=target)
    (one,) = rank.optimization.execution_accelerators.gpu_execution_accelerator
    assert one.parameters["trt_profile_max_shapes"] == "item_ids:1024x4,item_numeric:1024x1"


@pytest.mark.parametrize(
    ("precision", "mode"), [("fp32", "FP32"), ("fp16", "FP16"), ("int8-qdq", "INT8")]
)
def test_precision_is_the_graph_s(exported: dict[str, Artifact], precision: str, mode: str) -> None:
    artifact = exported["mlp-toy"]
    artifact = replace(artifact, metrics={**artifact.metrics, "precision": precision})
    config = config_for(artifact, target=parse_target("gpu-ort-trt"))
    (one,) = config.optimization.execution_accelerators.gpu_execution_accelerator
    assert one.parameters["precision_mode"] == mode


@pytest.mark.parametrize("precision", ["int8", "int8-weights"])
def test_what_is_quantised_for_cpus_is_refused(
    exported: dict[str, Artifact], precision: str
) -> None:
    artifact = exported["mlp-toy"]
    artifact = replace(artifact, metrics={**artifact.metrics, "precision": precision})
    message = f"mlp-toy in {precision} is quantised for CPUs: for TensorRT expected fp32, fp16, int"
    with pytest.raises(ExportError, match=message):
        config_for(artifact, target=parse_target("gpu-ort-trt"))


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(ExportError, match="^unknown target 'gpu-tr': did you mean gpu-ort"):
        parse_target("gpu-tr")


def test_another_target_is_another_version(exported: dict[str, Artifact], root: Path) -> None:
    folder = exported["mlp-toy"].path
    numbers = [
        publish(folder, root, target=parse_target(name)).version
        for name in ("any", "any", "cpu", "cpu", "gpu-ort", "gpu-ort-trt", "any")
    ]
    assert numbers == [1, 1, 2, 2, 3, 4, 5]
