"""The model behind BentoML, as its documentation has it: ``bentoml serve bentoml_service:Mlp``.

Run by ``benchmarks.peers`` in an environment of its own; imports nothing of this project. The
graph's path is in ``PEER_MODEL``.
"""

from __future__ import annotations

import os

import bentoml  # type: ignore[import-not-found]
import numpy as np
import onnxruntime


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Mlp:
    """One session in one worker."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            os.environ["PEER_MODEL"], options, providers=["CPUExecutionProvider"]
        )
        self.name = self.session.get_inputs()[0].name

    @bentoml.api  # a coroutine: a plain function goes through a thread, which took 0.1 ms more
    async def classify(self, features: np.ndarray) -> np.ndarray:
        """Probabilities of each row."""
        feed = {self.name: features.astype(np.float32)}
        found: np.ndarray = self.session.run(["probabilities"], feed)[0]
        return found
