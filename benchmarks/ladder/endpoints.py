"""A side behind a server as what load is put on: queries by index, answered at once or later.

Requests go through Triton's own gRPC stub, since a generator has to be quick: tritonclient builds a
request anew whenever it sends one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import InferResult, service_pb2, service_pb2_grpc
from tritonclient.utils import np_to_triton_dtype

from benchmarks.ladder.servers import DEADLINE_S
from benchmarks.ladder.sides import Arrays, Side
from benchmarks.load.target import Target
from serving.triton_calls import CHANNEL
from zoo.contract import Signature

Done = Callable[[Any], None]


def over_grpc(
    url: str, side: Side, queries: Sequence[np.ndarray], beforehand: bool = True
) -> Target:
    """A side over gRPC.

    Args:
        url: of the server.
        side: that is asked.
        queries: row ids.
        beforehand: the requests are made now; else as they are asked, and then forgotten.
    """
    asked = _Asked(url, side, queries, beforehand)
    return Target(f"{side.subject.model} over gRPC", len(queries), asked.ask, asked.send)


class _Asked:
    """Queries of a side, each as its requests."""

    def __init__(self, url: str, side: Side, queries: Sequence[np.ndarray], made: bool) -> None:
        channel = grpc.insecure_channel(url, CHANNEL)
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        self._infer = stub.ModelInfer
        self._side, self._queries = side, queries
        self._made = [self._make(ids) for ids in queries] if made else None

    def ask(self, index: int) -> list[Arrays]:
        """The outputs of every call of a query."""
        return [self._read(self._infer(one, timeout=DEADLINE_S)) for one in self._of(index)]

    def send(self, index: int, done: Done) -> None:
        """Ask; the calls of a query follow each other."""
        self._follow(self._of(index), [], done)

    def _follow(self, left: Sequence[Any], found: list[Arrays], done: Done) -> None:
        def answered(future: Any) -> None:
            try:
                found.append(self._read(future.result()))
            except Exception as error:
                done(error)
                return
            if len(left) > 1:
                self._follow(left[1:], found, done)
            else:
                done(found)

        self._infer.future(left[0], timeout=DEADLINE_S).add_done_callback(answered)

    def _of(self, index: int) -> list[Any]:
        return self._make(self._queries[index]) if self._made is None else self._made[index]

    def _make(self, ids: np.ndarray) -> list[Any]:
        model, signature = self._side.subject.model, self._side.subject.signature
        return [message_of(model, signature, arrays) for arrays in self._side.calls(ids)]

    def _read(self, response: Any) -> Arrays:
        answer = InferResult(response)
        return {
            spec.name: answer.as_numpy(spec.name) for spec in self._side.subject.signature.outputs
        }


def message_of(model: str, signature: Signature, arrays: Arrays) -> Any:
    """Triton's message of one call; without outputs named it answers all."""
    message = service_pb2.ModelInferRequest(model_name=model)
    for spec in signature.inputs:
        array = np.ascontiguousarray(arrays[spec.name])
        kind = np_to_triton_dtype(array.dtype)
        message.inputs.add(name=spec.name, datatype=kind, shape=array.shape)
        message.raw_input_contents.append(array.tobytes())
    return message
