"""What the gateway is told."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from serving.errors import ServingError


@dataclass(frozen=True)
class Settings:
    """Limits, addresses and access.

    Attributes:
        repository: the model repository.
        models: base names that may be asked; None for all.
        host, port: where it listens; port 0 takes a free one.
        deadline_s: how long a request may take, from its first byte to its answer.
        max_in_flight: requests that are worked on at a time; what is more is refused at once.
        rate: requests of one key, such as ``100/second``; empty for no limit.
        max_body_bytes: of a request.
        drain_s: after SIGTERM, how long requests are still taken while readiness says no.
        probe_s: how often every model is asked its golden rows.
        probe_budget_s: how long that may take.
    """

    repository: Path
    models: tuple[str, ...] | None = None
    host: str = "127.0.0.1"
    port: int = 8080
    deadline_s: float = 2.0
    max_in_flight: int = 64
    rate: str = ""
    max_body_bytes: int = 16 << 20
    drain_s: float = 1.0
    probe_s: float = 1.0
    probe_budget_s: float = 1.0


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host's ports."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_open(host: str) -> None:
    """Refuse to serve without keys where others reach it.

    Raises:
        ServingError: the host is not loopback.
    """
    if not is_loopback(host):
        raise ServingError(
            f"host {host} can be reached from elsewhere: expected keys; give --keys FILE, or "
            "serve --open on 127.0.0.1 only"
        )
