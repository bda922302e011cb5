"""What is asked of the gateway over HTTP, as dialogues that send nothing themselves.

``serving.http_client`` performs them, in threads and in coroutines. The gateway knows models by
their base names and picks the published form by itself; the name of a form, as Triton has it, is
taken too: ``finalmlp-ml100k-rank-raw`` is asked as ``finalmlp-ml100k``.

A request is repeated where no connection could be made, so that nothing was sent; and where
``retry_busy`` says so, after an answer that refused it before it reached a model.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import orjson

from serving import http_bodies as bodies
from serving.dialogue import Dialogue, Result, persist
from serving.endpoint import Arrays, Labels, refusing
from serving.errors import ModelUnknown, ServerBusy, ServingError, one_line
from serving.forecasts import Forecast, History
from serving.http_failures import failed_request, never_sent, refusal
from serving.http_requests import NOTHING, Asking, Request
from serving.records import Record, Records
from zoo.contract import Signature, near

MODELS = "/v1/models"


@dataclass(frozen=True)
class Known:
    """A published form of a model, as the gateway describes it.

    Attributes:
        model: the base name.
        description: the gateway's answer.
    """

    model: str
    signature: Signature
    description: dict[str, Any]


class GatewayCalls:
    """Dialogues with the gateway at ``url``; descriptions that were read are kept."""

    def __init__(self, url: str, timeout_s: float, retries: int, retry_busy: bool) -> None:
        self.url = url
        self.timeout_s = timeout_s
        self.retries = retries
        self.retry_busy = retry_busy
        self._known: dict[tuple[str, str], Known] = {}

    def ready(self) -> Dialogue[bool]:
        """Whether every model behind the gateway answers."""
        try:
            yield from self._ask("GET", "/readyz")
        except ServingError:
            return False
        return True

    def models(self) -> Dialogue[list[str]]:
        """Names of the models."""
        answer = yield from self._ask("GET", MODELS)
        return self._read(lambda it: sorted(one["name"] for one in it["models"]), answer)

    def describe(self, model: str, version: str = "") -> Dialogue[dict[str, Any]]:
        """What the gateway says about a model, read anew."""
        return (yield from self._learn(model, version)).description

    def signature(self, model: str, version: str) -> Dialogue[Signature]:
        """What goes into a model and what comes out, read anew."""
        return (yield from self._learn(model, version)).signature

    def ask(self, path: str, body: bodies.Body, asking: Asking) -> Dialogue[Any]:
        """The answer to any request, as JSON has it."""
        return self._ask("POST", path, bodies.encoded(body), asking.params, asking.headers)

    def classify(
        self, model: str, arrays: Arrays, top: int, asking: Asking
    ) -> Dialogue[list[Labels]]:
        """For each row the ``top`` likeliest (label, probability), likeliest first."""
        body = {**_made(model, bodies.features_body, arrays), "top": top}
        known = yield from self._know(model, asking.version)
        return self._read(
            bodies.labels_of, (yield from self.ask(_path(known, "classify"), body, asking))
        )

    def predict(self, model: str, records: Records, asking: Asking) -> Dialogue[list[float]]:
        """The score of each record."""
        body = _made(model, bodies.records_body, records)
        return self._scores(model, "predict", body, asking)

    def rank(
        self, model: str, request: Record, candidates: Records, asking: Asking
    ) -> Dialogue[list[float]]:
        """The score of each candidate for one request."""
        body = _made(model, bodies.ranking_body, request, candidates)
        return self._scores(model, "rank", body, asking)

    def forecast(
        self, model: str, history: History, horizon: int | None, asking: Asking
    ) -> Dialogue[Forecast]:
        """What follows a history; asked again where a version answers that looks further back."""
        known = yield from self._know(model, asking.version)
        while True:
            body = _made(model, bodies.history_body, known.signature, history, horizon)
            answer = yield from self.ask(f"/v1/forecast/{_quoted(known.model)}", body, asking)
            found = self._read(bodies.forecast_of, answer)
            if answer["version"] == known.description["version"]:
                return found
            before, known = known, (yield from self._learn(model, asking.version))
            if bodies.lookback_of(known.signature) <= bodies.lookback_of(before.signature):
                return found

    def infer(self, model: str, arrays: Arrays, asking: Asking) -> Dialogue[dict[str, np.ndarray]]:
        """The outputs that the gateway gives, by name."""
        known = yield from self._know(model, asking.version)
        with refusing(model):
            known.signature.check(arrays)
        task = known.description["task"]
        if task == "graph":
            labels = known.description["labels"]
            rows = yield from self.classify(model, arrays, len(labels), asking)
            return {"probabilities": bodies.table_of(rows, labels)}
        if task == "forecast":
            found = yield from self.forecast(model, arrays["history"], None, asking)
            return {spec.name: getattr(found, spec.name) for spec in known.signature.outputs}
        body = _made(model, bodies.scoring_body, known.signature, arrays)
        by_row = known.signature.max_batch
        scores = yield from self._scores(model, "predict" if by_row else "rank", body, asking)
        return {"score": np.array(scores, np.float32).reshape((-1, 1) if by_row else -1)}

    def _scores(
        self, model: str, verb: str, body: bodies.Body, asking: Asking
    ) -> Dialogue[list[float]]:
        known = yield from self._know(model, asking.version)
        answer = yield from self.ask(_path(known, verb), body, asking)
        return self._read(bodies.scores_of, answer)

    def _know(self, model: str, version: str) -> Dialogue[Known]:
        known = self._known.get((model, version))
        return known if known is not None else (yield from self._learn(model, version))

    def _learn(self, model: str, version: str) -> Dialogue[Known]:
        """Read a description: of a base name, or of the model that has a form of that name."""
        params = {"version": version} if version else {}
        try:
            base = model
            found = yield from self._ask("GET", f"{MODELS}/{_quoted(model)}", params=params)
        except ModelUnknown:
            names = yield from self.models()
            bases = [name for name in names if model.startswith(f"{name}-")]
            if not bases:
                raise
            base = max(bases, key=len)
            found = yield from self._ask("GET", f"{MODELS}/{_quoted(base)}", params=params)
        known = self._known[model, version] = self._read(
            lambda answer: _form(answer, base, model), found
        )
        return known

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        params: Mapping[str, str] = NOTHING,
        headers: Mapping[str, str] = NOTHING,
    ) -> Dialogue[Any]:
        """One answer, as JSON has it; a failure becomes an error of ``serving.errors``."""
        try:
            return (
                yield from persist(
                    lambda left_s: Request(method, path, body, left_s, params, headers),
                    self._answer,
                    self._again,
                    self.timeout_s,
                    self.retries,
                )
            )
        except httpx.RequestError as error:
            raise failed_request(error, self.url, self.timeout_s) from None

    def _answer(self, response: httpx.Response) -> Any:
        if response.status_code != httpx.codes.OK:
            raise refusal(response.status_code, response.headers, response.content, self.url)
        return self._read(orjson.loads, response.content)

    def _again(self, error: Exception) -> float | None:
        if self.retry_busy and isinstance(error, ServerBusy):
            return error.retry_after_s or 0.0
        return 0.0 if never_sent(error) else None

    def _read(self, read: Callable[[Any], Result], answer: Any) -> Result:
        """What an answer says.

        Raises:
            ServingError: it is none of the gateway's.
        """
        try:
            return read(answer)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ServingError(
                f"{self.url} answered something else than a leanzoo gateway would "
                f"({type(error).__name__}: {one_line(error)}): check host and port"
            ) from None


def _made(model: str, make: Callable[..., bodies.Body], *args: Any) -> bodies.Body:
    """A body; what is wrong with it names the model."""
    with refusing(model):
        return make(*args)


def _form(description: dict[str, Any], base: str, model: str) -> Known:
    """The form of a name, out of a description.

    Raises:
        ModelUnknown: there is none.
    """
    forms = {form["triton_model"]: form for form in description["forms"].values()}
    if model not in forms:
        raise ModelUnknown(f"model '{base}' has no form '{model}': {near(model, forms)}")
    return Known(base, Signature.from_dict(forms[model]), description)


def _path(known: Known, verb: str) -> str:
    return f"/v1/{known.description['task']}/{_quoted(known.model)}/{verb}"


def _quoted(name: str) -> str:
    return urllib.parse.quote(name, safe="")
