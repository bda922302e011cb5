"""Requests whose answers are not compared: the generator's process imports this and little else."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.faults.questions import Question


@dataclass(frozen=True)
class Unjudged(Question):
    """A request whose answer is judged by its status alone."""

    def fault(self, status: int, body: bytes) -> tuple[int, str]:
        """What is wrong with an answer."""
        return 0, "" if status == 200 else f"{status}: {body[:200].decode(errors='replace')}"
