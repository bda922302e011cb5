"""The verbs that serve what is published: serve, key."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.cli.app import app, emit
from zoo.cli.options import REPOSITORY, Json, Repository, progress, stderr, stdout

if TYPE_CHECKING:
    from serving.gateway.access import Key
    from serving.gateway.start import Behind
    from serving.triton import Triton

PREFIX = "LEANZOO_GATEWAY_"
KEYS = Path("keys.json")

PORTS = 8000, 8001  # of Triton's HTTP and gRPC

Port = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="Of the Triton that is started; 0 takes a free one."),
]


@app.command()
def serve(
    models: Annotated[
        list[str] | None, typer.Argument(help="Base names, such as mlp-citeseer; default: all.")
    ] = None,
    repository: Repository = REPOSITORY,
    host: Annotated[str, typer.Option(envvar=PREFIX + "HOST")] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, envvar=PREFIX + "PORT", help="0 takes a free one."),
    ] = 8080,
    keys: Annotated[
        Path | None,
        typer.Option(envvar=PREFIX + "KEYS", help="File of API keys, see `leanzoo key`."),
    ] = None,
    open_door: Annotated[
        bool, typer.Option("--open", help="Ask for no key; on loopback only.")
    ] = False,
    in_process: Annotated[
        bool, typer.Option(help="Answer with ONNX Runtime in this process, without Triton.")
    ] = False,
    triton_url: Annotated[
        str | None,
        typer.Option(
            envvar="LEANZOO_TRITON_URL",
            help="gRPC address of a Triton that others run over the same repository.",
        ),
    ] = None,
    http_port: Port = None,
    grpc_port: Port = None,
    deadline_s: Annotated[
        float, typer.Option(min=0.01, envvar=PREFIX + "DEADLINE_S", help="Of a request.")
    ] = 2.0,
    max_in_flight: Annotated[
        int,
        typer.Option(
            min=1, envvar=PREFIX + "MAX_IN_FLIGHT", help="Requests at a time; others get a 503."
        ),
    ] = 64,
    rate: Annotated[
        str, typer.Option(envvar=PREFIX + "RATE", help="Of one key, such as 100/second.")
    ] = "",
    max_body_mb: Annotated[
        float, typer.Option(min=0.001, envvar=PREFIX + "MAX_BODY_MB", help="Of a request.")
    ] = 16.0,
    drain_s: Annotated[
        float,
        typer.Option(
            min=0, envvar=PREFIX + "DRAIN_S", help="From SIGTERM until nothing new is taken."
        ),
    ] = 1.0,
    json: Json = False,
) -> None:
    """Serve the model repository until Ctrl-C: Triton on loopback, and a gateway in front of it.

    The gateway answers HTTP and has a page to try models at. Without --keys or --open a key is made
    for this run. Triton is started again should it end. A version that is published meanwhile
    answers as soon as it has answered its golden rows; `leanzoo rollout` decides otherwise.
    """
    from serving.gateway.settings import Settings
    from serving.gateway.start import Addresses
    from serving.gateway.start import serve as start

    settings = Settings(
        repository=repository,
        models=tuple(models) if models else None,
        host=host,
        port=port,
        deadline_s=deadline_s,
        max_in_flight=max_in_flight,
        rate=rate,
        max_body_bytes=int(max_body_mb * 2**20),
        drain_s=drain_s,
    )
    key, known = _door(keys, open_door)

    def started(at: Addresses) -> None:
        said = {"models": at.models, "gateway": at.gateway, "grpc": at.grpc, "http": at.http}
        if json:
            return emit({**said, "key": key})
        lines = [f"serving {', '.join(at.models)}"]
        lines.append(f"page {at.gateway}/#key={key}" if key else f"page {at.gateway}/")
        if at.grpc:
            lines.append(f"Triton's gRPC {at.grpc}" + (f", HTTP {at.http}" if at.http else ""))
        for line in (*lines, "Ctrl-C stops it"):
            stderr().print(line, highlight=False, soft_wrap=True, markup=False)
        return None

    start(settings, _behind(in_process, triton_url, http_port, grpc_port), known, started)


@app.command("key")
def make_key(
    name: Annotated[str, typer.Argument(help="Whose key it is; it stands in the gateway's log.")],
    file: Annotated[Path, typer.Option(help="That keeps its hash; made if missing.")] = KEYS,
    json: Json = False,
) -> None:
    """Make an API key for the gateway. It is shown once: the file keeps its hash alone."""
    from serving.gateway.access import add_key

    key = add_key(file, name)
    if json:
        return emit({"name": name, "file": str(file), "key": key})
    stdout().print(key, highlight=False, soft_wrap=True, markup=False)
    return None


def _behind(
    in_process: bool, triton_url: str | None, http_port: int | None, grpc_port: int | None
) -> Behind:
    """What answers behind the gateway.

    Raises:
        ServingError: two of them are named, or ports of a Triton that is not started.
    """
    from serving.errors import ServingError
    from serving.gateway.start import Behind

    if in_process and triton_url is not None:
        raise ServingError("--in-process needs no Triton: leave it out, or --triton-url")
    if (in_process or triton_url is not None) and (http_port, grpc_port) != (None, None):
        raise ServingError(
            "--http-port and --grpc-port are of the Triton that is started here: none is, leave "
            "them out"
        )
    ports = (
        PORTS[0] if http_port is None else http_port,
        PORTS[1] if grpc_port is None else grpc_port,
    )
    return Behind(in_process, triton_url, *ports)


def _door(file: Path | None, open_door: bool) -> tuple[str | None, list[Key] | None]:
    """A key that was made for this run, and the keys that open the gateway.

    Raises:
        ServingError: two things at once, or a file that holds no keys.
    """
    from serving.errors import ServingError
    from serving.gateway.access import hashed, make_key, read_keys

    if file is not None:
        if open_door:
            raise ServingError("--open asks for no key: leave it out, or --keys")
        return None, read_keys(file)
    if open_door:
        return None, None
    key = make_key()
    return key, [hashed("this-run", key)]


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
