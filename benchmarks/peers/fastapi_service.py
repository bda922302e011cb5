"""The model behind FastAPI, as written by hand: ``uvicorn fastapi_service:app``.

Run by ``benchmarks.peers`` in an environment of its own; imports nothing of this project. The
graph's path is in ``PEER_MODEL``.
"""

from __future__ import annotations

import os

import numpy as np
import onnxruntime
from fastapi import FastAPI
from pydantic import BaseModel


class Rows(BaseModel):
    """The body of a request."""

    features: list[list[float]]


class Answer(BaseModel):
    """The body of an answer."""

    probabilities: list[list[float]]


options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(
    os.environ["PEER_MODEL"], options, providers=["CPUExecutionProvider"]
)
name = session.get_inputs()[0].name
app = FastAPI()


@app.post("/classify")  # a coroutine: a plain function would go through a thread
async def classify(rows: Rows) -> Answer:
    """Probabilities of each row."""
    x = np.array(rows.features, dtype=np.float32)
    (found,) = session.run(["probabilities"], {name: x})
    return Answer(probabilities=found.tolist())
