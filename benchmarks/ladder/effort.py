"""How long each stage of ``leanzoo bench`` takes, and what is shown of it meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from rich.progress import Progress

from benchmarks.comparison import Plan
from benchmarks.ladder.cells import Budget
from benchmarks.ladder.loads import Effort as Load


@dataclass(frozen=True)
class Effort:
    """How long each stage takes.

    Attributes:
        protocols: of each protocol in process.
        budget: of each cell of the rungs.
        loads: of load on what is served.
        int8: whether int8 graphs are made that are not at hand.
    """

    protocols: Plan
    budget: Budget
    loads: Load
    int8: bool


FULL = Effort(
    Plan(budget_s=10, least=50, most=1000),
    Budget(cell_s=0.5, most=600, longest_s=1.5, rounds=5),
    Load(point_s=4, capacity_s=2, exam_s=15, stall_s=15),
    int8=True,
)
QUICK = Effort(
    Plan(budget_s=1, least=6, most=200),
    Budget(cell_s=0.15, most=100, longest_s=0.3, rounds=1),
    Load(point_s=2, capacity_s=1, exam_s=3, stall_s=0, shares=(0.25, 0.7)),
    int8=False,
)


class Bar:
    """A bar of one recipe's stages.

    Args:
        recipe: whose.
        progress: that shows it.
    """

    def __init__(self, recipe: str, progress: Progress) -> None:
        self._recipe, self._progress = recipe, progress
        self._task = progress.add_task(recipe, total=None)

    def expects(self, steps: int) -> None:
        """How many there will be."""
        self._progress.update(self._task, total=steps)

    def says(self, what: str) -> None:
        """What is done next."""
        self._progress.update(self._task, description=f"{self._recipe}: {what}")

    def advance(self) -> None:
        """One is done."""
        self._progress.update(self._task, advance=1)
