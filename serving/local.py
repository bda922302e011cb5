"""Asks models of a model repository in this process, with ONNX Runtime."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import onnxruntime

from serving.endpoint import Arrays, Labels, check_classify, check_request
from serving.errors import ModelUnavailable, ServingError, one_line
from serving.repository import (
    MODEL_FILE,
    list_models,
    load_artifact,
    load_labels,
    load_signature,
)
from zoo.contract import Signature


@dataclass(frozen=True)
class _Model:
    """A loaded version; ``labelled`` names the output that ``labels`` belong to."""

    session: onnxruntime.InferenceSession
    signature: Signature
    labelled: str
    labels: list[str]


class Local:
    """Answers from the model repository at ``repository``, in this process.

    A version is checked against its manifest when first asked, and kept; models published
    later need a new ``Local``.
    """

    def __init__(self, repository: Path, threads: int = 1) -> None:
        self.repository = Path(repository)
        self.threads = threads
        self._models: dict[tuple[str, str], _Model] = {}
        self._loading = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the loaded models."""
        self._models.clear()

    def models(self) -> list[str]:
        """Names of the published models."""
        return list_models(self.repository)

    def signature(self, model: str, version: str = "") -> Signature:
        """What goes into a model and what comes out."""
        return self._model(model, version).signature

    def infer(self, model: str, arrays: Arrays, version: str = "") -> dict[str, np.ndarray]:
        """All outputs of a model, by name.

        Args:
            version: a number; empty for the latest.

        Raises:
            RequestRefused: the arrays do not fit the signature.
            ModelUnknown, ModelUnavailable: see ``serving.repository``.
        """
        loaded = self._model(model, version)
        check_request(model, loaded.signature, arrays)
        names = [spec.name for spec in loaded.signature.outputs]
        try:
            answers = loaded.session.run(names, dict(arrays))
        except Exception as error:  # onnxruntime's errors share no base class
            raise ServingError(f"model '{model}' failed: {one_line(error)}") from None
        return dict(zip(names, answers, strict=True))

    def classify(self, model: str, arrays: Arrays, top: int = 3, version: str = "") -> list[Labels]:
        """For each row the ``top`` likeliest (label, probability), likeliest first."""
        loaded = self._model(model, version)
        check_classify(model, loaded.signature, loaded.labelled, top)
        rows = self.infer(model, arrays, version)[loaded.labelled]
        order = np.argsort(-rows, axis=-1, kind="stable")[:, :top]
        return [
            [(loaded.labels[i], float(row[i])) for i in best]
            for row, best in zip(rows, order, strict=True)
        ]

    def _model(self, model: str, version: str) -> _Model:
        with self._loading:
            if (model, version) not in self._models:
                self._models[model, version] = self._load(model, version)
            return self._models[model, version]

    def _load(self, model: str, version: str) -> _Model:
        artifact = load_artifact(self.repository, model, version)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        try:
            session = onnxruntime.InferenceSession(
                artifact.path / MODEL_FILE, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's errors share no base class
            raise ModelUnavailable(f"model '{model}' cannot be loaded: {one_line(error)}") from None
        return _Model(session, load_signature(artifact), *load_labels(self.repository, model))
