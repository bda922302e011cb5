"""Asks models of a model repository in this process, with ONNX Runtime."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from serving.closing import Closing
from serving.endpoint import Arrays, Labels, check_classify, check_request, likeliest, refusing
from serving.errors import ModelUnavailable, ServingError, one_line
from serving.forecasts import Forecast, History, forecast
from serving.records import Record, Records, rank_arrays, scores_of, to_arrays
from serving.repository import (
    MODEL_FILE,
    check_shared,
    list_models,
    load_artifact,
    load_labels,
    load_signature,
    load_steps,
)
from zoo.contract import Signature
from zoo.steps import Step, run_steps


@dataclass(frozen=True)
class _Model:
    """A loaded version; ``labelled`` names the output that ``labels`` belong to.

    It has a session, or where it is an ensemble steps.
    """

    session: onnxruntime.InferenceSession | None
    steps: tuple[Step, ...]
    signature: Signature
    labelled: str
    labels: list[str]


class Local(Closing):
    """Answers from the model repository at ``repository``, in this process.

    A version is checked against its manifest when first asked, and kept; models published
    later need a new ``Local``.
    """

    def __init__(self, repository: Path, threads: int = 1) -> None:
        self.repository = Path(repository)
        self.threads = threads
        self._models: dict[tuple[str, str], _Model] = {}
        self._loading = threading.Lock()

    def close(self) -> None:
        """Let go of the loaded models."""
        self._models.clear()

    def keep(self, model: str, versions: Iterable[int]) -> None:
        """Let go of all loaded versions of a model but these."""
        kept = {"", *map(str, versions)}
        with self._loading:
            for key in [key for key in self._models if key[0] == model and key[1] not in kept]:
                del self._models[key]

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
        check_request(model, self.signature(model, version), arrays)
        return self.infer_raw(model, arrays, version)

    def infer_raw(self, model: str, arrays: Arrays, version: str = "") -> dict[str, np.ndarray]:
        """``infer`` for callers who have checked the arrays themselves."""
        return self._run(model, self._model(model, version), arrays)

    def classify(self, model: str, arrays: Arrays, top: int = 3, version: str = "") -> list[Labels]:
        """For each row the ``top`` likeliest (label, probability), likeliest first."""
        loaded = self._model(model, version)
        check_classify(model, loaded.signature, loaded.labelled, top)
        rows = self.infer(model, arrays, version)[loaded.labelled]
        return likeliest(rows, loaded.labels, top)

    def predict(self, model: str, records: Records, version: str = "") -> list[float]:
        """The score of each record, a dict of field → raw value; see ``serving.records``."""
        with refusing(model):
            arrays = to_arrays(self.signature(model, version), records)
        return scores_of(self.infer(model, arrays, version))

    def rank(
        self, model: str, request: Record, candidates: Records, version: str = ""
    ) -> list[float]:
        """The score of each candidate for one request; see ``serving.records``."""
        with refusing(model):
            arrays = rank_arrays(self.signature(model, version), request, candidates)
        return scores_of(self.infer(model, arrays, version))

    def forecast(
        self, model: str, history: History, horizon: int | None = None, version: str = ""
    ) -> Forecast:
        """What follows a history, in its own unit; see ``serving.forecasts``."""
        with refusing(model):
            signature = self.signature(model, version)
            return forecast(
                signature, history, horizon, lambda rows: self.infer(model, rows, version)
            )

    def _run(self, model: str, loaded: _Model, arrays: Arrays) -> dict[str, np.ndarray]:
        """Outputs of a model, or of the models that an ensemble asks in turn."""
        names = [spec.name for spec in loaded.signature.outputs]
        if loaded.session is None:
            tensors = run_steps(loaded.steps, arrays, self._ask)
            return {name: tensors[name] for name in names}
        try:
            answers = loaded.session.run(names, dict(arrays))
        except Exception as error:  # onnxruntime's errors share no base class
            raise ServingError(f"model '{model}' failed: {one_line(error)}") from None
        return dict(zip(names, answers, strict=True))

    def _ask(self, step: Step, arrays: Arrays) -> Arrays:
        return self._run(step.model, self._model(step.model, str(step.version)), arrays)

    def _model(self, model: str, version: str) -> _Model:
        if found := self._models.get((model, version)):  # nobody waits while another is loaded
            return found
        with self._loading:
            if (model, version) not in self._models:
                self._models[model, version] = self._load(model, version)
            return self._models[model, version]

    def _load(self, model: str, version: str) -> _Model:
        artifact = load_artifact(self.repository, model, version)
        check_shared(self.repository, artifact)
        steps = load_steps(artifact)
        session = None if steps else self._session(model, artifact.path / MODEL_FILE)
        signature = load_signature(artifact)
        return _Model(session, steps, signature, *load_labels(self.repository, model))

    def _session(self, model: str, file: Path) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors: what it cannot fold it runs
        try:
            return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors share no base class
            raise ModelUnavailable(f"model '{model}' cannot be loaded: {one_line(error)}") from None
