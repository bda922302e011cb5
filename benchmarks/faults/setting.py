"""What every fault is tried on: a repository to be changed, questions about it, a duration."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults.questions import Question, questions_of
from zoo.contract import LeanzooError

NAME = "models"


@dataclass(frozen=True)
class Setting:
    """What a fault is tried on.

    Attributes:
        repository: a copy, to be changed.
        questions: about its models.
        seconds: how long to try; None for as long as the figure asks.
    """

    repository: Path
    questions: tuple[Question, ...]
    seconds: float | None = None

    def lasting(self, asked_s: float) -> float:
        """How long to try: as told, else as the figure asks."""
        return asked_s if self.seconds is None else self.seconds

    @property
    def models(self) -> list[str]:
        """The models that are asked, as the gateway names them."""
        return sorted({question.model for question in self.questions})


@contextlib.contextmanager
def setting(repository: Path | None, seconds: float | None) -> Iterator[Setting]:
    """A scratch repository: a copy of one, or two versions of three toy models.

    Args:
        repository: to copy; None for toys, which are trained where they are not yet.
        seconds: see ``Setting``.

    Raises:
        LeanzooError: there is no such folder, or nothing in it that can be asked.
    """
    with tempfile.TemporaryDirectory(prefix="leanzoo-faults-") as scratch:
        target = Path(scratch) / NAME
        if repository is None:
            from benchmarks.faults.trained import Trainings

            Trainings(target).publish_both()
        elif repository.is_dir():
            shutil.copytree(repository, target)
        else:
            raise LeanzooError(f"no model repository at {repository}: publish a model first")
        yield Setting(target, questions_of(target), seconds)
