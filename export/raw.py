"""A net behind its vocabulary: it is asked with strings, and answers as it does to their ids.

<net>-raw:   values ──► <net>-encode ──► ids ──► <net> ──► answers
             numeric ─────────────────────────────┘
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from export.candidate import (
    CLOSER,
    Arrays,
    Candidate,
    ask,
    compare,
    largest,
    open_session,
    some_ids,
)
from export.errors import ExportError
from export.parity import BATCHES, CANDIDATES, ROWS
from export.precision import FP32
from export.report import Parity
from export.vocabulary import (
    ENCODE,
    RAW,
    Vocabulary,
    empty_ids,
    encode_graph,
    encode_signature,
    is_coded,
    raw_input,
    unknown_ids,
)
from zoo.contract import Signature, SignatureError, TensorSpec
from zoo.steps import Step, run_steps

PROBES = 32  # values of each field that are looked up, from the first to the last
UNSEEN = "\ufffdunseen"


class RawNet:
    """A net behind its vocabulary, in this process.

    Raises:
        ExportError: the vocabulary is not the net's.
    """

    def __init__(self, net: Candidate, vocabulary: Vocabulary) -> None:
        self.net, self.vocabulary = net, vocabulary
        self.encode_name, self.name = f"{net.name}{ENCODE}", f"{net.name}{RAW}"
        self.encode_signature = encode_signature(net.signature)
        self.graph = encode_graph(net.signature, vocabulary, self.encode_name)
        self._sessions = {
            self.encode_name: open_session(self.graph),
            net.name: open_session(net.graph),
        }

    @property
    def signature(self) -> Signature:
        """What goes in, strings and numbers, and what comes out."""
        net = self.net.signature
        return Signature(tuple(map(raw_input, net.inputs)), net.outputs, net.max_batch)

    @property
    def steps(self) -> tuple[Step, Step]:
        """Strings to ids, then ids and numbers to answers; tensors keep their names."""
        encode, net = self.encode_signature, self.net.signature
        return (
            Step(self.encode_name, _names(encode.inputs), _names(encode.outputs)),
            Step(self.net.name, _names(net.inputs), _names(net.outputs)),
        )

    def rows(self, ids: np.ndarray) -> Arrays:
        """Real inputs, with strings.

        Raises:
            ExportError: the model's family makes other ones than its signature says.
        """
        assert self.net.raw is not None
        made = self.net.raw(ids)  # by the net's own names
        arrays = {raw_input(spec).name: made[spec.name] for spec in self.net.signature.inputs}
        try:
            self.signature.check(arrays)
        except SignatureError as error:
            raise ExportError(f"{self.name}: real rows do not fit its signature: {error}") from None
        return arrays

    def texts(self, ids: np.ndarray) -> Arrays:
        """Real inputs of the vocabulary alone."""
        rows = self.rows(ids)
        return {spec.name: rows[spec.name] for spec in self.encode_signature.inputs}

    def ids(self, ids: np.ndarray) -> Arrays:
        """What the vocabulary must answer to ``texts``."""
        rows = self.net.rows(ids)
        return {spec.name: rows[spec.name] for spec in self.net.signature.inputs if is_coded(spec)}

    def encode(self, texts: Mapping[str, np.ndarray]) -> Arrays:
        """The vocabulary's answer."""
        return ask(self._sessions[self.encode_name], dict(texts), self.encode_name)

    def answer(self, rows: Mapping[str, np.ndarray]) -> Arrays:
        """The net's answer to strings."""

        def one(step: Step, arrays: Mapping[str, np.ndarray]) -> Arrays:
            return ask(self._sessions[step.model], dict(arrays), f"{self.name}: {step.model}")

        tensors = run_steps(self.steps, rows, one)
        return {spec.name: tensors[spec.name] for spec in self.signature.outputs}

    def answer_ids(self, rows: Mapping[str, np.ndarray]) -> Arrays:
        """The net's answer to ids."""
        return ask(self._sessions[self.net.name], dict(rows), self.net.name)


def check_raw(raw: RawNet) -> tuple[Parity, Parity]:
    """Hold strings against the ids of the same rows, real ones and every field's vocabulary.

    Returns:
        What was compared for the vocabulary's graph, and for the ensemble.

    Raises:
        ExportError: what differs.
    """
    most = raw.net.signature.max_batch
    sizes = (*BATCHES, *[most] * -(-ROWS // most)) if most else CANDIDATES
    asked = [some_ids(raw.net.n_rows, size, seed) for seed, size in enumerate(sizes)]
    ids, answers = [], []
    for rows in asked:
        what = f"{raw.encode_name}: {len(rows)} rows"
        ids.append(compare(what, raw.encode(raw.texts(rows)), raw.ids(rows)))
        what = f"{raw.name}: {len(rows)} rows as strings and as ids"
        expected = raw.answer_ids(raw.net.rows(rows))
        answers.append(compare(what, raw.answer(raw.rows(rows)), expected, CLOSER))
    _check_vocabulary(raw)
    n_rows, batches = len(np.unique(np.concatenate(asked))), tuple(dict.fromkeys(sizes))
    first = raw.signature.outputs[0].name
    differences = largest(answers)
    near = (CLOSER * FP32.atol, CLOSER * FP32.rtol)
    return (
        Parity(n_rows, batches, 0.0, largest(ids), 0.0, 0.0),
        Parity(n_rows, batches, differences[first], differences, *near),
    )


def _check_vocabulary(raw: RawNet) -> None:
    """Known values give their ids, an unseen one the last id, an empty one that or padding."""
    signature = raw.encode_signature
    for probe in range(PROBES + 2):
        texts, ids = {}, {}
        for spec, coded in zip(signature.inputs, signature.outputs, strict=True):
            ends = zip(coded.columns, unknown_ids(coded), empty_ids(coded), strict=True)
            pairs = [_probe(raw.vocabulary[name], probe, *end) for name, *end in ends]
            lead = (1,) if signature.max_batch or isinstance(spec.shape[0], str) else ()
            texts[spec.name] = np.array([text for text, _ in pairs], object).reshape(*lead, -1)
            ids[coded.name] = np.array([number for _, number in pairs]).reshape(*lead, -1)
        what = f"{raw.encode_name}: {[word for row in texts.values() for word in row.ravel()]}"
        compare(what, raw.encode(texts), ids)


def _probe(values: Sequence[str], probe: int, unknown: int, empty: int) -> tuple[str, int]:
    """One string to look up in a field's values, and its id."""
    if probe == PROBES + 1:
        return "", empty
    if probe == PROBES or not values:
        return UNSEEN, unknown
    index = probe * (len(values) - 1) // (PROBES - 1)
    return values[index], index + 1


def _names(specs: Sequence[TensorSpec]) -> dict[str, str]:
    return {spec.name: spec.name for spec in specs}
