"""Real rows that stay with a graph, so that its gates can be repeated from its files alone.

rows.safetensors    input.<name>, output.<name>, target.<name>, of int8 own.<name> and, where
                    differences have one, unit: test rows, evenly spaced, each tensor with the rows
                    first; of a form that ranks, a row is a request of one candidate
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from export.candidate import Arrays, Candidate, answers_to, ask, open_session, torch_answer
from export.trial import Trial
from zoo.artifact import ArtifactError
from zoo.contract import Signature

ROWS_FILE = "rows.safetensors"
KEPT_ROWS = 1000
KEPT_BYTES = 16 << 20  # of windows of many series fewer are kept
INPUT, OUTPUT, TARGET, OWN, UNIT = "input.", "output.", "target.", "own.", "unit"


@dataclass(frozen=True)
class Evidence:
    """Rows that were kept, a row first in every array.

    Attributes:
        inputs, outputs: by tensor name; the outputs are the trained model's.
        targets: what is known of the rows.
        unit: of differences; None where it is 1.
        own: the graph's outputs, where it is not near the trained model.
    """

    inputs: Arrays
    outputs: Arrays
    targets: Arrays
    unit: np.ndarray | None
    own: Arrays

    @property
    def rows(self) -> int:
        """How many."""
        return len(next(iter(self.inputs.values())))

    def to_bytes(self) -> bytes:
        """The content of ``rows.safetensors``."""
        groups = (
            *((INPUT, self.inputs), (OUTPUT, self.outputs)),
            *((TARGET, self.targets), (OWN, self.own)),
        )
        arrays = {prefix + name: a for prefix, group in groups for name, a in group.items()}
        if self.unit is not None:
            arrays[UNIT] = self.unit
        return save({name: np.ascontiguousarray(array) for name, array in arrays.items()})


def collect(candidate: Candidate, trial: Trial) -> Evidence:
    """Rows of the test set, and the answers to them."""
    number = min(KEPT_ROWS, len(trial.ids))
    one = _answered(candidate, trial, np.zeros(1, np.int64))
    number = max(1, min(number, KEPT_BYTES // len(one.to_bytes())))
    rows = np.linspace(0, len(trial.ids) - 1, number).round().astype(np.int64)
    return _answered(candidate, trial, rows)


def _answered(candidate: Candidate, trial: Trial, rows: np.ndarray) -> Evidence:
    assert candidate.tested is not None
    ids = trial.ids[rows]
    if candidate.ranks:
        requests = [candidate.tested(ids[[k]]) for k in range(len(ids))]
        inputs = {name: np.stack([one[name] for one in requests]) for name in requests[0]}
    else:
        inputs = candidate.tested(ids)
    signature, own = candidate.signature, {}
    outputs = answers_to(inputs, signature, lambda a: torch_answer(candidate, a))
    if not candidate.precision.near:
        session = open_session(candidate.graph)
        own = answers_to(inputs, signature, lambda a: ask(session, a, candidate.name))
    return Evidence(inputs, outputs, trial.targets(rows), candidate.unit_of(inputs), own)


def answered(evidence: Evidence, session: Any, signature: Signature, name: str) -> Arrays:
    """A graph's answers to the rows."""
    return answers_to(evidence.inputs, signature, lambda arrays: ask(session, arrays, name))


def read_evidence(folder: Path) -> Evidence:
    """The rows of an artifact.

    Raises:
        ArtifactError: there are none, or they cannot be read.
    """
    file = folder / ROWS_FILE
    try:
        arrays = load_file(file)
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"{file} cannot be read ({error}): export the model again") from None
    inputs, outputs, targets, own = (
        {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
        for prefix in (INPUT, OUTPUT, TARGET, OWN)
    )
    if not inputs or not outputs:
        raise ArtifactError(f"{file} holds no rows: export the model again")
    return Evidence(inputs, outputs, targets, arrays.get(UNIT), own)
