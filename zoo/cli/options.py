"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

RUNS = Path("runs")
REPOSITORY = Path("model_repository")
URL = "127.0.0.1:8001"

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Runs = Annotated[Path, typer.Option(help="Folder of checkpoints and exports.")]
Repository = Annotated[Path, typer.Option(help="Triton model repository.")]
Local = Annotated[bool, typer.Option(help="Answer in this process, without a server.")]
Threads = Annotated[
    int,
    typer.Option(
        min=1, help="Threads for the numeric work; where other jobs run, one is the fastest."
    ),
]
RecipeName = Annotated[str, typer.Argument(help="A recipe, see `leanzoo list`.")]


def progress() -> Progress:
    """A progress display on standard error, silent where that is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = stderr()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def stderr() -> Console:
    """Where people read along, so that standard output stays clean."""
    from rich.console import Console

    return Console(stderr=True)


def stdout() -> Console:
    """Where results are printed."""
    from rich.console import Console

    return Console()
