"""What is asked of a Triton server over gRPC, as dialogues that send nothing themselves.

``serving.client.Client`` and ``serving.triton_aio.AsyncClient`` perform them. Both of
tritonclient's clients name their methods alike, so a request is a method and its arguments.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tritonclient.grpc import InferRequestedOutput
from tritonclient.utils import InferenceServerException

from serving.dialogue import Dialogue, persist
from serving.endpoint import Arrays, Labels, check_classify, check_request, refusing
from serving.errors import ModelUnavailable, RequestRefused, ServingError
from serving.failures import failed_call, is_missing, missing_model, never_sent
from serving.forecasts import Forecast, History, passes
from serving.records import Record, Records, rank_arrays, scores_of, to_arrays
from serving.triton_tensors import label_of, outputs_of, tensors_of, text_of
from zoo.contract import Signature, SignatureError

CHANNEL = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.enable_http_proxy", 0),  # a proxy from the environment also catches loopback
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),  # the default, 120 s, outlives a restarted server
]
RETRIES = 2  # of a connection that is refused; nothing was sent


@dataclass(frozen=True)
class Call:
    """A method of tritonclient's clients, and how long it may take."""

    method: str
    args: tuple[Any, ...]
    timeout_s: float


@dataclass(frozen=True)
class _Model:
    """What the server says about a model; ``labelled`` names the output that has labels."""

    signature: Signature
    labelled: str


class TritonCalls:
    """Dialogues with the server at ``url``; signatures that were read are kept.

    Calls are repeated only while no connection can be made: then nothing was sent.
    """

    def __init__(self, url: str, timeout_s: float, retries: int = RETRIES) -> None:
        self.url = url
        self.timeout_s = timeout_s
        self.retries = retries
        self._models: dict[tuple[str, str], _Model] = {}

    def models(self) -> Dialogue[list[str]]:
        """Names of the loaded models."""
        index = yield from self._index()
        return sorted({entry.name for entry in index if entry.state == "READY"})

    def signature(self, model: str, version: str) -> Dialogue[Signature]:
        """What goes into a model and what comes out, read anew."""
        described = yield from self._describe(model, version)
        return described.signature

    def infer(self, model: str, arrays: Arrays, version: str) -> Dialogue[dict[str, np.ndarray]]:
        """All outputs of a model, by name."""
        described = yield from self._check(model, arrays, version)
        names = [spec.name for spec in described.signature.outputs]
        answers, _ = yield from self.infer_raw(model, arrays, version, names)
        return answers

    def infer_raw(
        self,
        model: str,
        arrays: Arrays,
        version: str,
        outputs: Sequence[str],
        timeout_s: float | None = None,
    ) -> Dialogue[tuple[dict[str, np.ndarray], str]]:
        """Outputs by name, and the version that answered; nothing is checked before it is sent."""
        asked = [InferRequestedOutput(name) for name in outputs]
        answer = yield from self._infer(model, arrays, version, asked, timeout_s)
        return outputs_of(answer, outputs), answer.get_response().model_version

    def classify(
        self, model: str, arrays: Arrays, top: int, version: str
    ) -> Dialogue[list[Labels]]:
        """For each row the ``top`` likeliest (label, probability), likeliest first."""
        described = yield from self._check(model, arrays, version)
        check_classify(model, described.signature, described.labelled, top)
        output = InferRequestedOutput(described.labelled, class_count=top)
        answer = yield from self._infer(model, arrays, version, [output])
        rows = text_of(answer.as_numpy(described.labelled))
        return [[label_of(entry) for entry in row] for row in rows]

    def predict(self, model: str, records: Records, version: str) -> Dialogue[list[float]]:
        """The score of each record."""
        return self._scores(model, version, lambda known: to_arrays(known, records))

    def rank(
        self, model: str, request: Record, candidates: Records, version: str
    ) -> Dialogue[list[float]]:
        """The score of each candidate for one request."""
        return self._scores(model, version, lambda known: rank_arrays(known, request, candidates))

    def forecast(
        self, model: str, history: History, horizon: int | None, version: str
    ) -> Dialogue[Forecast]:
        """What follows a history, in its own unit."""
        known = self._models.get((model, version))
        if known is not None:  # read anew where a version published since takes another window
            with contextlib.suppress(RequestRefused):
                return (yield from self._forecast(known, model, history, horizon, version))
        known = yield from self._learn(model, version)
        return (yield from self._forecast(known, model, history, horizon, version))

    def load(self, model: str) -> Dialogue[None]:
        """Load a model, or the versions of it that were published since."""
        self._models.clear()
        yield from self._ask("load_model", (model,), model)

    def unload(self, model: str) -> Dialogue[None]:
        """Unload a model."""
        self._models.clear()
        yield from self._ask("unload_model", (model,), model)

    def _scores(
        self, model: str, version: str, arrays_of: Callable[[Signature], Arrays]
    ) -> Dialogue[list[float]]:
        """Ask with arrays made for the signature; one seen earlier is read anew on a refusal."""
        known = self._models.get((model, version))
        arrays = None
        if known is not None:
            with contextlib.suppress(SignatureError):
                arrays = arrays_of(known.signature)
        if arrays is None:
            described = yield from self._learn(model, version)
            with refusing(model):
                arrays = arrays_of(described.signature)
        return scores_of((yield from self.infer(model, arrays, version)))

    def _forecast(
        self, known: _Model, model: str, history: History, horizon: int | None, version: str
    ) -> Dialogue[Forecast]:
        with refusing(model):
            asking = passes(known.signature, history, horizon)
            try:
                inputs = next(asking)
                while True:
                    inputs = asking.send((yield from self.infer(model, inputs, version)))
            except StopIteration as done:
                made: Forecast = done.value
                return made

    def _check(self, model: str, arrays: Arrays, version: str) -> Dialogue[_Model]:
        """Check a request; a signature seen earlier is read anew before it refuses one."""
        known = self._models.get((model, version))
        if known is not None:
            with contextlib.suppress(RequestRefused):
                check_request(model, known.signature, arrays)
                return known
        described = yield from self._learn(model, version)
        check_request(model, described.signature, arrays)
        return described

    def _learn(self, model: str, version: str) -> Dialogue[_Model]:
        described = self._models[model, version] = yield from self._describe(model, version)
        return described

    def _describe(self, model: str, version: str) -> Dialogue[_Model]:
        answer = yield from self._ask("get_model_config", (model, version), model, version)
        raw = answer.config.parameters["signature"].string_value
        if not raw:
            raise ModelUnavailable(f"model '{model}' publishes no signature: publish it again")
        labelled = (output.name for output in answer.config.output if output.label_filename)
        return _Model(Signature.from_dict(json.loads(raw)), next(labelled, ""))

    def _infer(
        self,
        model: str,
        arrays: Arrays,
        version: str,
        outputs: list[InferRequestedOutput],
        timeout_s: float | None = None,
    ) -> Dialogue[Any]:
        args = (model, tensors_of(arrays), version, outputs)
        return self._ask("infer", args, model, version, timeout_s)

    def _index(self) -> Dialogue[list[Any]]:
        index = yield from self._ask("get_model_repository_index", ())
        return list(index.models)

    def _ask(
        self,
        method: str,
        args: tuple[Any, ...],
        model: str = "",
        version: str = "",
        timeout_s: float | None = None,
    ) -> Dialogue[Any]:
        """One answer; a failure becomes an error of ``serving.errors``."""
        within = self.timeout_s if timeout_s is None else timeout_s
        try:
            return (
                yield from persist(
                    lambda left_s: Call(method, args, left_s),
                    lambda answer: answer,
                    lambda error: 0.0 if never_sent(error) else None,
                    within,
                    self.retries,
                )
            )
        except InferenceServerException as error:
            failure = error
        if is_missing(failure):
            raise (yield from self._missing(model, version))
        raise failed_call(failure, self.url, model, within)

    def _missing(self, model: str, version: str) -> Dialogue[ServingError]:
        """Why a model is not served, as far as the server tells."""
        try:
            index = yield from self._index()
        except ServingError:  # its index is closed to others, as behind a gateway
            return ModelUnavailable(f"model '{model}' is not loaded on {self.url}: load it first")
        return missing_model(index, self.url, model, version)
