"""The verb that serves what is published: serve."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.cli.app import app, emit
from zoo.cli.options import (
    REPOSITORY,
    Json,
    Repository,
    progress,
    stderr,
)

if TYPE_CHECKING:
    from serving.triton import Triton

Port = Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")]


@app.command()
def serve(
    models: Annotated[list[str] | None, typer.Argument(help="Models; default: all.")] = None,
    repository: Repository = REPOSITORY,
    http_port: Port = 8000,
    grpc_port: Port = 8001,
    json: Json = False,
) -> None:
    """Serve the model repository with Triton on loopback until Ctrl-C."""
    import signal

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with running(repository, models or None, http_port, grpc_port) as triton:
        served = {"models": triton.names, "grpc": triton.grpc_url, "http": triton.http_url}
        with contextlib.suppress(KeyboardInterrupt):  # who reads that it serves may stop it at once
            if json:
                emit(served)
            else:
                stderr().print(f"serving {', '.join(triton.names)}", highlight=False)
                stderr().print(f"gRPC {triton.grpc_url}, HTTP {triton.http_url}; Ctrl-C stops it")
            triton.wait()


@contextlib.contextmanager
def running(
    repository: Path, models: list[str] | None, http_port: int = 0, grpc_port: int = 0
) -> Iterator[Triton]:
    """A Triton server, and a bar while it is fetched and started."""
    from serving.triton import Triton

    with contextlib.ExitStack() as stack:
        with progress() as bars:
            bars.add_task("start Triton", total=None)
            triton = stack.enter_context(Triton(repository, models, http_port, grpc_port))
        yield triton
