"""What load is put on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Done = Callable[[Any], None]  # is called once, from any thread, with the answer or the Exception


@dataclass(frozen=True)
class Target:
    """Something that answers queries, which are named by their index.

    Attributes:
        name: in errors.
        queries: distinct ones, 0..queries-1.
        ask: blocks until query i is answered, and returns the answer.
        send: asks query i and returns at once; calls back later. None where there is no such way,
            and no open loop.
    """

    name: str
    queries: int
    ask: Callable[[int], Any]
    send: Callable[[int, Done], None] | None = None
