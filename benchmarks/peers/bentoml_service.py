"""The model behind BentoML, run by ``benchmarks.peers`` in an environment of its own.

    bentoml serve bentoml_service:Mlp     as its documentation has it
    bentoml serve bentoml_service:Tuned   as fast as its settings made it here

Imports nothing of this project. The graph's path is in ``PEER_MODEL``.
"""

from __future__ import annotations

import os

import bentoml  # type: ignore[import-not-found]
import numpy as np
import onnxruntime


class Session:
    """The graph with one thread."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            os.environ["PEER_MODEL"], options, providers=["CPUExecutionProvider"]
        )
        self.name = self.session.get_inputs()[0].name

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Of each row."""
        feed = {self.name: features.astype(np.float32)}
        found: np.ndarray = self.session.run(["probabilities"], feed)[0]
        return found


@bentoml.service(workers=1)
class Mlp:
    """A plain function, which runs in a thread, and a line in the log for each request."""

    def __init__(self) -> None:
        self.session = Session()

    @bentoml.api
    def classify(self, features: np.ndarray) -> np.ndarray:
        """Probabilities of each row."""
        return self.session.probabilities(features)


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Tuned:
    """A coroutine, which needs no thread, and no lines in the log."""

    def __init__(self) -> None:
        self.session = Session()

    @bentoml.api
    async def classify(self, features: np.ndarray) -> np.ndarray:
        """Probabilities of each row."""
        return self.session.probabilities(features)
