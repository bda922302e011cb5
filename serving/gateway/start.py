"""Starts a gateway with what answers behind it, and stops both."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from serving.gateway.access import Key
from serving.gateway.app import Gateway
from serving.gateway.backends import Backend, InProcess, OverTriton
from serving.gateway.catalogue import named
from serving.gateway.server import listen, log_to_stderr, run
from serving.gateway.settings import Settings, check_open
from serving.repository import list_models
from serving.supervisor import Supervisor

WORKERS = 2  # requests that are answered in process at a time


@dataclass(frozen=True)
class Behind:
    """What answers behind the gateway; by default a Triton of its own.

    Attributes:
        in_process: ONNX Runtime in this process.
        triton_url: gRPC address of a Triton that others run.
        http_port, grpc_port: of the own one; 0 for any free one.
    """

    in_process: bool = False
    triton_url: str | None = None
    http_port: int = 0
    grpc_port: int = 0


@dataclass(frozen=True)
class Addresses:
    """Where it is asked, once it answers.

    Attributes:
        models: base names.
        gateway: its URL.
        grpc, http: of Triton; None where there is none, or others run it.
    """

    models: list[str]
    gateway: str
    grpc: str | None
    http: str | None


def serve(
    settings: Settings,
    behind: Behind,
    keys: Sequence[Key] | None,
    started: Callable[[Addresses], None],
) -> None:
    """Serve until told to stop by a signal.

    Args:
        settings: of the gateway.
        behind: what answers.
        keys: that open it; None for a door that stands open.
        started: is told where, once it answers.

    Raises:
        ServingError: no keys where others reach it, no models, a port that is taken, no Triton.
    """
    if keys is None:
        check_open(settings.host)
    log_to_stderr()
    list_models(settings.repository)
    if settings.models is not None:
        bases, _ = named(settings.repository, settings.models)
        settings = replace(settings, models=tuple(sorted(bases)))
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(listen(settings.host, settings.port))
        backend, triton = _behind(stack, settings, behind)
        gateway = Gateway(settings, backend, keys)
        if triton is not None:
            triton.restarted = gateway.measures.restarts.inc
        url = _url(*listener.getsockname()[:2])

        def begun() -> None:
            models = sorted(gateway.core.router.bases)
            grpc = triton.grpc_url if triton else behind.triton_url
            started(Addresses(models, url, grpc, triton.http_url if triton else None))

        run(gateway, listener, begun)


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _behind(
    stack: contextlib.ExitStack, settings: Settings, behind: Behind
) -> tuple[Backend, Supervisor | None]:
    root, models = settings.repository, settings.models
    if behind.in_process:
        return InProcess(root, WORKERS), None
    if behind.triton_url is not None:
        return OverTriton(behind.triton_url, loads=False), None

    def names() -> list[str]:
        return list_models(root) if models is None else named(root, models)[1]

    triton = stack.enter_context(Supervisor(root, names, behind.http_port, behind.grpc_port))
    return OverTriton(triton.grpc_url, loads=True), triton
