"""A progress bar for what may take long; what takes moments shows none."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

PATIENCE_S = 2.0  # before the bar is shown


class Advance:
    """Told what is done; shows it from ``PATIENCE_S`` on, on stderr, if that is a terminal."""

    def __init__(self, name: str) -> None:
        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("rows"),
            TimeRemainingColumn(),
        )
        self.bar = Progress(
            *columns, console=console, transient=True, disable=not console.is_terminal
        )
        self._name, self._began, self._shown = name, time.monotonic(), False
        self._task = self.bar.add_task(name, total=None)

    def begin(self, what: str, total: int | None) -> None:
        """The next pass; ``total`` is None where the number of rows is unknown."""
        self.bar.reset(self._task, description=f"{what} {self._name}", total=total)

    def __call__(self, rows: int) -> None:
        """More rows are done."""
        self.bar.advance(self._task, rows)
        if not self._shown and time.monotonic() - self._began > PATIENCE_S:
            self.bar.start()
            self._shown = True


@contextlib.contextmanager
def progress(name: str) -> Iterator[Advance]:
    """Show the passes over a log."""
    advance = Advance(name)
    try:
        yield advance
    finally:
        advance.bar.stop()
