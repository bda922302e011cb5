"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from serving.endpoint import Endpoint

RUNS = Path("runs")
REPOSITORY = Path("model_repository")
URL = "127.0.0.1:8001"

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Runs = Annotated[Path, typer.Option(help="Folder of checkpoints and exports.")]
Repository = Annotated[Path, typer.Option(help="Triton model repository.")]
Url = Annotated[str | None, typer.Option(help=f"gRPC address of a Triton server. Default: {URL}.")]
Local = Annotated[bool, typer.Option(help="Answer in this process, without a server.")]
Threads = Annotated[
    int,
    typer.Option(
        min=1, help="Threads for the numeric work; where other jobs run, one is the fastest."
    ),
]
RecipeName = Annotated[str, typer.Argument(help="A recipe, see `leanzoo list`.")]


def endpoint(local: bool, repository: Path, url: str | None, threads: int = 1) -> Endpoint:
    """Where to ask: this process, or a server.

    Raises:
        SignatureError: both are named.
    """
    from serving.client import Client
    from serving.local import Local as Here
    from zoo.contract import SignatureError

    if local and url is not None:
        raise SignatureError("--local answers in this process: leave out --url, or --local")
    return Here(repository, threads) if local else Client(url or URL)


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
