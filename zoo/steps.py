"""How an ensemble is put together: models asked in turn, each handed tensors by name.

steps.json    [{"model", "version", "inputs": {its input: tensor}, "outputs": {its output: tensor}}]

The first tensors are the ensemble's inputs; its outputs are tensors that a step gave it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from zoo.artifact import ArtifactError

STEPS_FILE = "steps.json"

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Step:
    """One model of an ensemble.

    Attributes:
        model: its name.
        inputs: its input → the tensor it gets.
        outputs: its output → the tensor that becomes.
        version: the version that belongs to the ensemble; 0 until it is published.
    """

    model: str
    inputs: dict[str, str]
    outputs: dict[str, str]
    version: int = 0


def steps_text(steps: Sequence[Step]) -> str:
    """The content of ``steps.json``."""
    return json.dumps([asdict(step) for step in steps], indent=1, sort_keys=True) + "\n"


def read_steps(folder: Path) -> tuple[Step, ...]:
    """The steps of an ensemble's artifact; none where it is a model by itself.

    Raises:
        ArtifactError: the file is no list of steps.
    """
    file = folder / STEPS_FILE
    if not file.is_file():
        return ()
    try:
        return tuple(Step(**raw) for raw in json.loads(file.read_text()))
    except (ValueError, TypeError) as error:
        raise ArtifactError(f"{file} cannot be read ({error}); make the artifact again") from None


def walk_steps(
    steps: Sequence[Step], arrays: Arrays
) -> Generator[tuple[Step, Arrays], Arrays, dict[str, np.ndarray]]:
    """Yields each step with the inputs of its model, and is sent the outputs of its model.

    Args:
        steps: in order.
        arrays: the ensemble's inputs.

    Returns:
        All tensors by name, those between the steps included.
    """
    tensors = dict(arrays)
    for step in steps:
        answers = yield step, {own: tensors[tensor] for own, tensor in step.inputs.items()}
        tensors |= {tensor: answers[own] for own, tensor in step.outputs.items()}
    return tensors


def run_steps(
    steps: Sequence[Step], arrays: Arrays, ask: Callable[[Step, Arrays], Arrays]
) -> dict[str, np.ndarray]:
    """Ask the models in turn, see ``walk_steps``.

    Args:
        ask: (step, inputs of its model) → outputs of its model.
    """
    walk = walk_steps(steps, arrays)
    try:
        asked = next(walk)
        while True:
            asked = walk.send(ask(*asked))
    except StopIteration as done:
        tensors: dict[str, np.ndarray] = done.value
        return tensors
