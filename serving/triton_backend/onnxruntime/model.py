"""Triton's onnxruntime backend in Python, for servers without NVIDIA's C++ one.

Serves standard ``backend: "onnxruntime"`` models unchanged. Honoured here, next to what
Triton's core does by itself: ``default_model_filename``, ``optimization.graph.level``,
``intra_op_thread_count``, ``inter_op_thread_count`` and an instance kind of GPU where
onnxruntime has CUDA. What else the C++ backend reads is ignored, with a warning in the log.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import triton_python_backend_utils as pb_utils

from zoo.artifact import ARTIFACT_FILE, Artifact, ArtifactError

Arrays = dict[str, np.ndarray]

LENGTH = struct.Struct("<I")

GRAPH_LEVELS = {  # as the C++ backend reads them
    -1: ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    1: ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    2: ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
}
IGNORED_PARAMETERS = (
    "cudnn_",
    "do_copy_in_default_stream",
    "enable_mem_",
    "execution_mode",
    "gpu_mem_limit",
    "memory.",
    "session.",
    "share_session_between_instances",
)


class TritonPythonModel:
    """One instance of a served model; Triton calls its methods."""

    def initialize(self, args: dict[str, str]) -> None:
        """Check the version's files against their manifest and load the graph."""
        self.config: dict[str, Any] = json.loads(args["model_config"])
        folder = Path(args["model_repository"]) / args["model_version"]
        try:
            if (folder / ARTIFACT_FILE).exists():
                Artifact.load(folder)
            self.session = ort.InferenceSession(
                folder / (self.config.get("default_model_filename") or "model.onnx"),
                session_options(self.config),
                providers=providers(args),
            )
        except ArtifactError as error:
            raise pb_utils.TritonModelException(str(error)) from None
        except Exception as error:  # onnxruntime's errors share no base class
            raise pb_utils.TritonModelException(f"{folder}: {error}") from None
        for warning in ignored(self.config, args):
            pb_utils.Logger.log_warn(f"model '{args['model_name']}': {warning}")

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer all requests with one run; if that fails, each with its own."""
        feeds = [_arrays(request) for request in requests]
        if len(feeds) > 1 and self.config["max_batch_size"] > 0:
            try:
                return [
                    _response(request, answer)
                    for request, answer in zip(requests, self._run_batch(feeds), strict=True)
                ]
            except Exception as error:
                pb_utils.Logger.log_warn(f"batch of {len(feeds)} failed, one by one now: {error}")
        return [self._answer(request, feed) for request, feed in zip(requests, feeds, strict=True)]

    def _run(self, feed: Arrays) -> Arrays:
        names = [output["name"] for output in self.config["output"]]
        return dict(zip(names, self.session.run(names, feed), strict=True))

    def _run_batch(self, feeds: list[Arrays]) -> list[Arrays]:
        """One run over the rows of all feeds, split again by feed."""
        sizes = [len(next(iter(feed.values()))) for feed in feeds]
        joined = {name: np.concatenate([feed[name] for feed in feeds]) for name in feeds[0]}
        outputs = self._run(joined)
        for name, rows in outputs.items():
            if len(rows) != sum(sizes):
                raise ValueError(f"output '{name}' has {len(rows)} rows for {sum(sizes)}")
        ends = np.cumsum(sizes)
        return [
            {name: rows[end - size : end] for name, rows in outputs.items()}
            for size, end in zip(sizes, ends, strict=True)
        ]

    def _answer(self, request: Any, feed: Arrays) -> Any:
        """A response to one request: its outputs, or its error."""
        try:
            return _response(request, self._run(feed))
        except Exception as error:
            refused = type(error).__name__ == "InvalidArgument"  # what ORT says of bad values
            code = pb_utils.TritonError.INVALID_ARG if refused else pb_utils.TritonError.INTERNAL
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error), code))


def session_options(config: dict[str, Any]) -> ort.SessionOptions:
    """ONNX Runtime's options from a model configuration; one thread unless it says more."""
    options = ort.SessionOptions()
    parameters = config.get("parameters", {})
    for attribute, key in (
        ("intra_op_num_threads", "intra_op_thread_count"),
        ("inter_op_num_threads", "inter_op_thread_count"),
    ):
        setattr(options, attribute, int(parameters.get(key, {}).get("string_value", 1)))
    level = int(config.get("optimization", {}).get("graph", {}).get("level", 0))
    options.graph_optimization_level = GRAPH_LEVELS.get(
        level, ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    )
    return options


def providers(args: dict[str, str]) -> list[Any]:
    """ONNX Runtime's execution providers for an instance."""
    cpu = "CPUExecutionProvider"
    if args["model_instance_kind"] == "GPU" and _has_cuda():
        device = {"device_id": args["model_instance_device_id"]}
        return [("CUDAExecutionProvider", device), cpu]
    return [cpu]


def ignored(config: dict[str, Any], args: dict[str, str]) -> list[str]:
    """What the configuration asks for and this backend does not do."""
    found = [
        f"parameter '{key}' is ignored: only the C++ onnxruntime backend reads it"
        for key in config.get("parameters", {})
        if key.startswith(IGNORED_PARAMETERS)
    ]
    if config.get("optimization", {}).get("execution_accelerators"):
        found.append("execution_accelerators is ignored: only the C++ backend reads it")
    if args["model_instance_kind"] == "GPU" and not _has_cuda():
        found.append("KIND_GPU is ignored: this onnxruntime has no CUDA; it runs on the CPU")
    return found


def _has_cuda() -> bool:
    return "CUDAExecutionProvider" in ort.get_available_providers()


def _arrays(request: Any) -> Arrays:
    """A request's tensors; Triton's bytes become the strings that ONNX Runtime expects."""
    arrays: Arrays = {}
    for tensor in request.inputs():
        array = tensor.as_numpy()
        if array.dtype == np.dtype(object) and array.size and type(array.flat[0]) is bytes:
            words = [word.decode(errors="replace") for word in array.ravel()]
            array = np.array(words, object).reshape(array.shape)
        arrays[tensor.name()] = array
    return arrays


def unpacked(packed: np.ndarray) -> np.ndarray:
    """Strings from Triton's bytes: each is its length in four bytes, then UTF-8."""
    data, words, at = packed.tobytes(), [], 0
    while at < len(data):
        start = at + 4
        at = start + LENGTH.unpack_from(data, at)[0]
        words.append(data[start:at].decode(errors="replace"))
    array = np.empty(len(words), object)
    array[:] = words
    return array


# Triton's own way, which this module asks for every tensor of strings, takes four times as long
# and leaves bytes to be decoded: 1.1 ms for a request of 1,000 strings.
pb_utils.deserialize_bytes_tensor = unpacked


def _response(request: Any, outputs: Arrays) -> Any:
    """A response that holds the outputs a request asked for."""
    names = request.requested_output_names()
    return pb_utils.InferenceResponse(
        [pb_utils.Tensor(name, outputs[name]) for name in names if name in outputs]
    )
