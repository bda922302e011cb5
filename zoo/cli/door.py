"""Where the verbs that ask go: this process, a gateway, or a Triton server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.cli.options import URL

if TYPE_CHECKING:
    from serving.endpoint import Endpoint

KEY = "LEANZOO_KEY"  # the environment variable

Url = Annotated[
    str | None,
    typer.Option(
        help=f"A gateway, http://host:port, or a Triton server's gRPC, host:port. Default: {URL}."
    ),
]
Key = Annotated[
    str | None,
    typer.Option(
        help=f"An API key of the gateway. Better in the environment, as {KEY}: what stands on a "
        "command line can be seen by others."
    ),
]


def endpoint(
    local: bool, repository: Path, url: str | None, key: str | None = None, threads: int = 1
) -> Endpoint:
    """Where to ask: this process, or what answers at an address.

    Raises:
        SignatureError: two places are named, or a key for one that takes none.
    """
    from serving.client import connect
    from serving.local import Local
    from zoo.contract import SignatureError

    if local and url is not None:
        raise SignatureError("--local answers in this process: leave out --url, or --local")
    gateway = url is not None and url.startswith(("http://", "https://"))
    if key is not None and not gateway:
        raise SignatureError("--key is for a gateway: expected --url http://host:port, or no --key")
    if local:
        return Local(repository, threads)
    return connect(url or URL, (key or os.environ.get(KEY) or None) if gateway else None)
