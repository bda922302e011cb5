"""What is asked: golden rows of a published model, as a client and as perf_analyzer take them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tritonclient.utils import np_to_triton_dtype

from benchmarks.environments import ComparisonError
from benchmarks.ladder.endpoints import message_of
from serving.repository import load_artifact, load_golden, load_signature
from zoo.contract import Signature

TEXT = "object"


@dataclass(frozen=True)
class Question:
    """One request, which everyone asks over and over.

    Attributes:
        model: of the repository.
        rows: of the request: its batch, or its candidates.
        signature: of the model.
        arrays: by input.
    """

    model: str
    rows: int
    signature: Signature
    arrays: dict[str, np.ndarray]

    @property
    def batched(self) -> bool:
        """Whether the rows are a batch."""
        return self.signature.max_batch > 0

    def to_perf_analyzer(self) -> dict[str, Any]:
        """perf_analyzer's ``--input-data``: a step per row of a batch, which it puts together."""
        if not self.batched:
            return {"data": [{n: _content(one, one.shape) for n, one in self.arrays.items()}]}
        return {
            "data": [
                {name: _content(one[row], one.shape[1:]) for name, one in self.arrays.items()}
                for row in range(self.rows)
            ]
        }

    def to_grpc(self) -> bytes:
        """The message, as it goes over the wire."""
        return bytes(message_of(self.model, self.signature, self.arrays).SerializeToString())

    def to_http(self) -> tuple[bytes, int]:
        """The body, tensors in binary behind a head, and the head's length."""
        inputs = [
            {
                "name": spec.name,
                "datatype": np_to_triton_dtype(self.arrays[spec.name].dtype),
                "shape": [*self.arrays[spec.name].shape],
                "parameters": {"binary_data_size": self.arrays[spec.name].nbytes},
            }
            for spec in self.signature.inputs
        ]
        asked = {"inputs": inputs, "parameters": {"binary_data_output": True}}
        head = json.dumps(asked, separators=(",", ":")).encode()
        tensors = [self.arrays[spec.name].tobytes() for spec in self.signature.inputs]
        return b"".join([head, *tensors]), len(head)


def question(repository: Path, named: str) -> Question:
    """What ``MODEL`` or ``MODEL:ROWS`` asks: as many golden rows, repeated where there are fewer.

    Raises:
        ServingError: there is no such model.
        ComparisonError: no number of rows, or a model that takes text.
    """
    model, _, given = named.partition(":")
    if given and not (given.isdecimal() and int(given)):
        raise ComparisonError(f"'{named}': expected MODEL or MODEL:ROWS, such as {model}:100")
    rows = int(given or 1)
    signature = load_signature(load_artifact(repository, model))
    if unknown := [spec.name for spec in signature.inputs if spec.dtype == TEXT]:
        raise ComparisonError(f"'{model}' takes text ({unknown[0]}): name a model of ids or values")
    golden = load_golden(repository, model).inputs
    arrays = {}
    for spec in signature.inputs:
        array = golden[spec.name]
        if signature.max_batch or isinstance(spec.shape[0], str):
            array = np.resize(array, (rows, *array.shape[1:]))
        arrays[spec.name] = np.ascontiguousarray(array)
    signature.check(arrays)
    return Question(model, rows, signature, arrays)


def _content(array: np.ndarray, shape: tuple[int, ...]) -> dict[str, Any]:
    return {"content": array.ravel().tolist(), "shape": [*shape]}
