"""A side behind a server as what load is put on: queries by index, answered at once or later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput

from benchmarks.load.target import Target
from benchmarks.servers import DATATYPES
from benchmarks.sides import Arrays, Side
from serving.triton_calls import CHANNEL

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
    client = InferenceServerClient(url, channel_args=CHANNEL)
    model, names = side.subject.model, [spec.name for spec in side.subject.signature.outputs]
    outputs = [InferRequestedOutput(name) for name in names]

    def make(index: int) -> list[list[InferInput]]:
        return [_inputs(side, arrays) for arrays in side.calls(queries[index])]

    kept = [make(index) for index in range(len(queries))] if beforehand else []

    def made(index: int) -> list[list[InferInput]]:
        return kept[index] if beforehand else make(index)

    def read(answer: Any) -> Arrays:
        return {name: answer.as_numpy(name) for name in names}

    def ask(index: int) -> list[Arrays]:
        return [read(client.infer(model, inputs, outputs=outputs)) for inputs in made(index)]

    def send(index: int, done: Done) -> None:
        _next(made(index), [], done)

    def _next(left: Sequence[list[InferInput]], found: list[Arrays], done: Done) -> None:
        """Send the first call; the others follow as it is answered."""

        def answered(result: Any, error: Exception | None) -> None:
            if error is not None:
                done(error)
                return
            found.append(read(result))
            if len(left) > 1:
                _next(left[1:], found, done)
            else:
                done(found)

        client.async_infer(model, left[0], answered, outputs=outputs)

    return Target(f"{model} over gRPC", len(queries), ask, send)


def _inputs(side: Side, arrays: Arrays) -> list[InferInput]:
    found = []
    for spec in side.subject.signature.inputs:
        one = InferInput(spec.name, arrays[spec.name].shape, DATATYPES[spec.dtype])
        found.append(one.set_data_from_numpy(np.ascontiguousarray(arrays[spec.name])))
    return found
