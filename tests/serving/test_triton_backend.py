"""The Python-based backend, without a server: Triton's side is played by small stand-ins."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest
from tritonclient.utils import serialize_byte_tensor

MODEL = Path(__file__).parents[2] / "serving/triton_backend/onnxruntime/model.py"


class Tensor:
    """Stands in for pb_utils.Tensor."""

    def __init__(self, name: str, array: np.ndarray) -> None:
        self._name, self._array = name, array

    def name(self) -> str:
        return self._name

    def as_numpy(self) -> np.ndarray:
        return self._array


class Request:
    """Stands in for an inference request."""

    def __init__(self, outputs: list[str], **arrays: np.ndarray) -> None:
        self._outputs, self._arrays = outputs, arrays

    def inputs(self) -> list[Tensor]:
        return [Tensor(name, array) for name, array in self._arrays.items()]

    def requested_output_names(self) -> list[str]:
        return self._outputs


class TritonError(Exception):
    INVALID_ARG, INTERNAL = "invalid", "internal"

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


@pytest.fixture
def warnings_logged() -> list[str]:
    return []


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch, warnings_logged: list[str]) -> ModuleType:
    utils: Any = ModuleType("triton_python_backend_utils")
    utils.Tensor = Tensor
    utils.TritonError = TritonError
    utils.TritonModelException = RuntimeError
    utils.Logger = SimpleNamespace(log_warn=warnings_logged.append)
    utils.InferenceResponse = lambda outputs=(), error=None: SimpleNamespace(
        outputs={t.name(): t.as_numpy() for t in outputs}, error=error
    )
    monkeypatch.setitem(sys.modules, utils.__name__, utils)
    spec = importlib.util.spec_from_file_location("triton_backend_model", MODEL)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load(backend: ModuleType, folder: Path, output: str, kind: str = "CPU", **config: Any) -> Any:
    config = {"max_batch_size": 16, "output": [{"name": output}], **config}
    model = backend.TritonPythonModel()
    model.initialize(
        {
            "model_config": json.dumps(config),
            "model_repository": str(folder),
            "model_version": "1",
            "model_name": folder.name,
            "model_instance_kind": kind,
            "model_instance_device_id": "0",
        }
    )
    return model


def test_one_run_answers_all_requests(backend: ModuleType, shared_repository: Path) -> None:
    model = load(backend, shared_repository / "embed-tiny", "score")
    runs = []
    run = model._run
    model._run = lambda feed: runs.append(len(feed["ids"])) or run(feed)
    batches = [np.array([[1, 2]]), np.array([[3, 4], [5, 6]]), np.array([[7, 8]])]
    answers = model.execute([Request(["score"], ids=ids) for ids in batches])
    assert runs == [4]
    for ids, answer in zip(batches, answers, strict=True):
        np.testing.assert_array_equal(answer.outputs["score"], ids.astype(np.float32))


def test_bad_request_fails_alone(backend: ModuleType, shared_repository: Path) -> None:
    model = load(backend, shared_repository / "embed-tiny", "score")
    good, bad = np.array([[1, 2]]), np.array([[99, 0]])
    first, second, third = model.execute([Request(["score"], ids=i) for i in (good, bad, good)])
    assert first.error is None and third.error is None
    assert second.error.code == TritonError.INVALID_ARG and "99" in str(second.error)
    np.testing.assert_array_equal(third.outputs["score"], [[1, 2]])


def test_bytes_become_strings(backend: ModuleType, shared_repository: Path) -> None:
    model = load(backend, shared_repository / "encode-tiny", "id")
    words = np.array([["kéks".encode()], [b"bread"], [b"\xff"]], object)
    (answer,) = model.execute([Request(["id"], word=words)])
    np.testing.assert_array_equal(answer.outputs["id"], [[1], [2], [0]])


def test_strings_are_unpacked_as_triton_packs_them(backend: ModuleType) -> None:
    words = np.array(["kéks", "", "b" * 300, "bread"], object)
    packed = np.frombuffer(serialize_byte_tensor(words).item(), np.uint8)
    assert sys.modules["triton_python_backend_utils"].deserialize_bytes_tensor is backend.unpacked
    assert backend.unpacked(packed).tolist() == words.tolist()
    assert backend.unpacked(packed[:0]).tolist() == []
    broken = np.frombuffer(b"\x01\x00\x00\x00\xff", np.uint8)
    assert backend.unpacked(broken).tolist() == ["\ufffd"]


def test_changed_file_is_refused(backend: ModuleType, repository: Path) -> None:
    with (repository / "mlp-tiny" / "1" / "model.onnx").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(RuntimeError, match=r"model\.onnx was changed"):
        load(backend, repository / "mlp-tiny", "probabilities")


def test_warns_of_what_it_ignores(
    backend: ModuleType, shared_repository: Path, warnings_logged: list[str]
) -> None:
    load(
        backend,
        shared_repository / "mlp-tiny",
        "probabilities",
        kind="GPU",
        parameters={
            "signature": {"string_value": "{}"},
            "enable_mem_arena": {"string_value": "1"},
        },
        optimization={"execution_accelerators": {"gpu_execution_accelerator": [{"name": "x"}]}},
    )
    for culprit in ("enable_mem_arena", "execution_accelerators", "KIND_GPU"):
        assert sum(culprit in line for line in warnings_logged) == 1
    assert not any("signature" in line for line in warnings_logged)


def test_reads_threads_and_graph_level(backend: ModuleType) -> None:
    options = backend.session_options(
        {
            "parameters": {"intra_op_thread_count": {"string_value": "3"}},
            "optimization": {"graph": {"level": -1}},
        }
    )
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (3, 1)
    level = onnxruntime.GraphOptimizationLevel
    assert options.graph_optimization_level == level.ORT_ENABLE_BASIC
    assert backend.session_options({}).graph_optimization_level == level.ORT_ENABLE_ALL
