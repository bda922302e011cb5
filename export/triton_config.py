"""Triton's configuration of a model, derived from its artifact through Triton's own schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2
from tritonclient.utils import np_to_triton_dtype

from export.artifacts import LABELS_FILE, WARMUP_CANDIDATES
from export.candidate import CANDIDATES
from export.errors import ExportError
from zoo.artifact import Artifact, ArtifactError
from zoo.contract import Signature, TensorSpec
from zoo.kept import VERSIONS_SERVED
from zoo.steps import Step

CONFIG_FILE = "config.pbtxt"
BACKEND, PLAN_BACKEND = "onnxruntime", "tensorrt"
ENSEMBLE = "ensemble"  # a platform of Triton's
LABELLED = "probabilities"


def config_of(artifact: Artifact, steps: Sequence[Step] = ()) -> Any:
    """The ModelConfig message of an artifact.

    Args:
        artifact: of a model, or of an ensemble.
        steps: of the ensemble, with the versions that they ask.

    Raises:
        ExportError: the artifact has no signature.
    """
    signature = _signature(artifact)
    config = model_config_pb2.ModelConfig(name=artifact.model, max_batch_size=signature.max_batch)
    for spec in signature.inputs:
        config.input.add(name=spec.name, data_type=_dtype(spec), dims=_dims(spec))
    for spec in signature.outputs:
        output = config.output.add(name=spec.name, data_type=_dtype(spec), dims=_dims(spec))
        if spec.name == LABELLED:
            output.label_filename = LABELS_FILE
    text = json.dumps(signature.to_dict(), sort_keys=True)
    config.parameters["signature"].string_value = text  # which clients read
    if steps:
        _add_steps(config, steps)
    else:
        _add_graph(config, signature)
    return config


def plan_config(artifact: Artifact, plans: Mapping[int, str], warmup: bool = False) -> Any:
    """The ModelConfig message of TensorRT plans of one model.

    Args:
        artifact: of the model.
        plans: architecture, such as 89 → file of the version folder.
        warmup: keep the warm-up, whose rows are published with a model.

    Raises:
        ExportError: the artifact has no signature.
    """
    config = config_of(artifact)
    config.backend = PLAN_BACKEND
    config.ClearField("parameters")  # of ONNX Runtime, but for the signature
    if not warmup:
        config.ClearField("model_warmup")
    text = json.dumps(_signature(artifact).to_dict(), sort_keys=True)
    config.parameters["signature"].string_value = text
    for sm, file in sorted(plans.items()):
        config.cc_model_filenames[f"{sm // 10}.{sm % 10}"] = file
    config.default_model_filename = plans[max(plans)]
    config.optimization.cuda.graphs = True
    return config


def _signature(artifact: Artifact) -> Signature:
    if artifact.signature is None:
        raise ExportError(f"{artifact.path} has no signature: export the model again")
    return artifact.signature


def _add_steps(config: Any, steps: Sequence[Step]) -> None:
    """An ensemble: batched, run and warmed up as its steps are.

    All versions of a model share one configuration, and this one names the versions of its steps:
    so only the latest is served.
    """
    config.platform = ENSEMBLE
    config.version_policy.latest.num_versions = 1
    for step in steps:
        config.ensemble_scheduling.step.add(
            model_name=step.model,
            model_version=step.version,
            input_map=step.inputs,
            output_map=step.outputs,
        )


def _add_graph(config: Any, signature: Signature) -> None:
    """A graph of its own: backend, instance, threads, batching and warm-up."""
    config.backend = BACKEND
    config.instance_group.add(count=1)  # of no kind: on a GPU where there is one, else on the CPU
    config.version_policy.latest.num_versions = VERSIONS_SERVED
    for pool in ("intra_op", "inter_op"):
        config.parameters[f"{pool}_thread_count"].string_value = "1"
    if signature.max_batch:
        _add_batching(config)
        for batch in (1, signature.max_batch):
            _add_warmup(config, signature, batch)
    elif any(CANDIDATES in spec.shape for spec in signature.inputs):
        _add_warmup(config, signature, 1)


def to_text(config: Any) -> str:
    """A configuration as the text of ``config.pbtxt``, read back and compared.

    Raises:
        ExportError: the text does not say what the configuration does.
    """
    text: str = text_format.MessageToString(config)
    if text_format.Parse(text, model_config_pb2.ModelConfig()) != config:
        raise ExportError(f"the configuration of {config.name} is lost in config.pbtxt: report it")
    return text


def read_config(folder: Path) -> Any:
    """The ModelConfig message of a published model.

    Raises:
        ArtifactError: there is none, or it is not of Triton's schema.
    """
    file = folder / CONFIG_FILE
    try:
        return text_format.Parse(file.read_text(), model_config_pb2.ModelConfig())
    except (text_format.ParseError, ValueError, OSError) as error:
        why = " ".join(str(error).split())
        raise ArtifactError(f"{file} cannot be read ({why}): publish the model again") from None


def _add_batching(config: Any) -> None:
    """Batch what is waiting, and wait for nothing.

    No queue policy: after a timeout every later request fails, and with a bound a request that
    comes right after an answer waits for half a second (model_repository/README.md).
    """
    config.dynamic_batching.SetInParent()


def _add_warmup(config: Any, signature: Signature, batch: int) -> None:
    """A warm-up of ``batch`` rows; Triton repeats the file's one row to make a batch.

    Where there is no batch axis it is the file's one request, of WARMUP_CANDIDATES candidates; a
    row's own axes of free size have one entry.
    """
    free = 1 if signature.max_batch else WARMUP_CANDIDATES
    warmup = config.model_warmup.add(name=f"batch-{batch}", batch_size=batch)
    for spec in signature.inputs:
        sizes = [size if size >= 0 else free for size in _dims(spec)]
        warmup.inputs[spec.name].data_type = _dtype(spec)
        warmup.inputs[spec.name].dims.extend(sizes)
        warmup.inputs[spec.name].input_data_file = f"{spec.name}-1"


def _dtype(spec: TensorSpec) -> int:
    """Triton's name of a numpy dtype."""
    name = np_to_triton_dtype(np.dtype(spec.dtype).type)
    value: int = model_config_pb2.DataType.Value(f"TYPE_{'STRING' if name == 'BYTES' else name}")
    return value


def _dims(spec: TensorSpec) -> list[int]:
    """Sizes of the axes without the batch; -1 where an axis is dynamic."""
    return [axis if isinstance(axis, int) else -1 for axis in spec.shape]
