"""Requests to the gateway whose answers are known, made of a repository's golden rows.

The answers are those of ONNX Runtime in this process. Versions that were published in turns of two
trainings are told apart by them: versions 1, 3, 5 … answer alike, and 2, 4, 6 … otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from export.example import ranking, records
from serving.local import Local
from serving.repository import list_models, list_versions, load_golden
from zoo.contract import LeanzooError, Signature

TOLERANCE = 1e-4  # of an answer's largest number, at least of 1
APART = 10  # times the tolerance between the answers of two trainings
TRAININGS = 2
ROWS = 3  # of the larger requests; golden rows are that many

Numbers = tuple[float, ...]
Ask = Callable[[str], Numbers]  # version → its answer


@dataclass(frozen=True)
class Question:
    """A request with known answers.

    Attributes:
        kind: ``classify``, ``predict``, ``rank`` or ``forecast``.
        model: as the gateway names it.
        form: that answers, as it is published.
        path, body: of the request.
        answers: of version 1, of version 2, and so on in turns.
    """

    kind: str
    model: str
    form: str
    path: str
    body: bytes
    answers: tuple[Numbers, ...]

    def expected(self, version: int) -> Numbers:
        """What a version answers."""
        return self.answers[(version - 1) % len(self.answers)]

    def fault(self, status: int, body: bytes) -> tuple[int, str]:
        """Which version answered (0: none), and what is wrong with it; empty where nothing is."""
        if status != 200:
            return 0, f"{status}: {body[:200].decode(errors='replace')}"
        try:
            answer = json.loads(body)
            version, found = int(answer["version"]), numbers_of(self.kind, answer)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            return 0, f"wrong: no answer ({error}) but {body[:200].decode(errors='replace')}"
        return version, _difference(found, self.expected(version), version)


def _difference(found: Numbers, expected: Numbers, version: int) -> str:
    if len(found) != len(expected):
        return f"wrong: {len(found)} numbers, expected {len(expected)} of version {version}"
    away = distance(found, expected)
    return "" if away <= 1 else f"wrong: {away:.3g} tolerances from version {version}"


def distance(found: Numbers, expected: Numbers) -> float:
    """How many tolerances two answers are apart."""
    scale = TOLERANCE * max(1.0, float(np.abs(expected).max(initial=0)))
    return float(np.abs(np.subtract(found, expected)).max(initial=0)) / scale


def numbers_of(kind: str, answer: Mapping[str, Any]) -> Numbers:
    """The numbers of an answer in a fixed order: probabilities by label."""
    if kind == "classify":
        return _by_label(
            [[(one["label"], one["probability"]) for one in r] for r in answer["rows"]]
        )
    if kind == "forecast":
        return tuple(np.asarray(answer["quantiles"], float).ravel().tolist())
    return tuple(map(float, answer["scores"]))


def _by_label(rows: list[list[tuple[str, float]]]) -> Numbers:
    return tuple(probability for row in rows for _, probability in sorted(row))


def questions_of(repository: Path) -> tuple[Question, ...]:
    """Requests for every model of a repository that the gateway offers, of one row and of some.

    Raises:
        LeanzooError: there is none, or two trainings answer one of them alike.
    """
    found: list[Question] = []
    with Local(repository) as local:
        for model in list_models(repository):
            signature = local.signature(model)
            make = _MAKERS.get(_kind_of(signature))
            if make is not None:
                for rows in (1, ROWS):
                    arrays = _rows(load_golden(repository, model).inputs, signature, rows)
                    versions = [str(n) for n in list_versions(repository, model)[:TRAININGS]]
                    found.append(make(local, model, arrays, versions))
    if not found:
        raise LeanzooError(f"{repository} has no model that the gateway offers: publish one")
    for question in found:
        _check_apart(question)
    return tuple({(one.path, one.body): one for one in found}.values())


def _check_apart(question: Question) -> None:
    for first, second in zip(question.answers, question.answers[1:], strict=False):
        if distance(first, second) < APART:
            raise LeanzooError(
                f"two versions of {question.model} answer alike: publish other weights"
            )


def _rows(
    arrays: Mapping[str, np.ndarray], signature: Signature, rows: int
) -> dict[str, np.ndarray]:
    """The first rows of a request; all of one without a batch axis."""
    return {name: a[:rows] if signature.max_batch else a for name, a in arrays.items()}


def _kind_of(signature: Signature) -> str:
    """Which request a model takes; empty for one that only other models ask."""
    inputs = {spec.name: spec.dtype for spec in signature.inputs}
    outputs = {spec.name for spec in signature.outputs}
    if "quantiles" in outputs:
        return "forecast"
    if "probabilities" in outputs and signature.max_batch:
        return "sparse" if "int64" in inputs.values() else "dense"
    if "score" in outputs and "object" in inputs.values():
        return "records" if signature.max_batch else "rank"
    ids = any(spec.dtype == "int64" and spec.columns for spec in signature.inputs)
    return "ids" if "score" in outputs and signature.max_batch and ids else ""


def _question(path: str, form: str, body: Any, versions: list[str], ask: Ask) -> Question:
    """A request, and the answer of each version.

    Args:
        path: such as ``/v1/ctr/MODEL/rank``.
        form: that answers.
        body: of the request.
        versions: that are asked for their answers.
        ask: version → its answer.
    """
    parts = path.split("/")
    kind = parts[4] if len(parts) > 4 else parts[2]
    answers = tuple(ask(version) for version in versions)
    text = json.dumps(body, allow_nan=False)
    return Question(kind, parts[3], form, path, text.encode(), answers)


def _classify(
    form: str, body: Callable[[Signature, Mapping[str, np.ndarray]], Any]
) -> Callable[..., Question]:
    def make(
        local: Local, model: str, arrays: dict[str, np.ndarray], versions: list[str]
    ) -> Question:
        signature, base = local.signature(model), model.removesuffix("-sparse")
        classes = signature.outputs[0].shape[-1]
        assert isinstance(classes, int)
        asked = {form: body(signature, arrays), "top": classes}

        def ask(version: str) -> Numbers:
            return _by_label(local.classify(model, arrays, classes, version))

        return _question(f"/v1/graph/{base}/classify", model, asked, versions, ask)

    return make


def _dense(_: Signature, arrays: Mapping[str, np.ndarray]) -> Any:
    return next(iter(arrays.values())).tolist()


def _sparse(signature: Signature, arrays: Mapping[str, np.ndarray]) -> Any:
    """The features of each row that are not padding, which has the last id."""
    ids, values = (arrays[spec.name] for spec in signature.inputs)
    high = signature.inputs[0].high
    assert isinstance(high, int)
    return [
        {"ids": row[row < high - 1].tolist(), "values": held[row < high - 1].tolist()}
        for row, held in zip(ids, values, strict=True)
    ]


def _ids(local: Local, model: str, arrays: dict[str, np.ndarray], versions: list[str]) -> Question:
    names = {"int64": "ids", "float32": "numbers"}
    signature = local.signature(model)
    body = {names[spec.dtype]: arrays[spec.name].tolist() for spec in signature.inputs}

    def ask(version: str) -> Numbers:
        return tuple(local.infer(model, arrays, version)["score"].ravel().tolist())

    return _question(f"/v1/ctr/{model}/predict", model, body, versions, ask)


def _records(
    local: Local, model: str, arrays: dict[str, np.ndarray], versions: list[str]
) -> Question:
    rows, base = records(local.signature(model), arrays), model.removesuffix("-raw")

    def ask(version: str) -> Numbers:
        return tuple(local.predict(model, rows, version))

    return _question(f"/v1/ctr/{base}/predict", model, {"rows": rows}, versions, ask)


def _rank(local: Local, model: str, arrays: dict[str, np.ndarray], versions: list[str]) -> Question:
    request, candidates = ranking(local.signature(model), arrays)
    base = model.removesuffix("-rank-raw")
    body = {"request": request, "candidates": candidates}

    def ask(version: str) -> Numbers:
        return tuple(local.rank(model, request, candidates, version))

    return _question(f"/v1/ctr/{base}/rank", model, body, versions, ask)


def _forecast(
    local: Local, model: str, arrays: dict[str, np.ndarray], versions: list[str]
) -> Question:
    history = next(iter(arrays.values()))[0]
    plain = [[None if np.isnan(v) else float(v) for v in channel] for channel in history]

    def ask(version: str) -> Numbers:
        found = local.forecast(model, history, None, version)
        return tuple(np.asarray(found.quantiles, float).ravel().tolist())

    return _question(f"/v1/forecast/{model}", model, {"history": plain}, versions, ask)


_MAKERS: dict[str, Callable[..., Question]] = {
    "dense": _classify("features", _dense),
    "sparse": _classify("sparse", _sparse),
    "ids": _ids,
    "records": _records,
    "rank": _rank,
    "forecast": _forecast,
}
