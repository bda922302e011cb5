"""What can go wrong between a request and its answer. Every message is one line.

ServingError               the server answered with a failure of its own
├── ServerMissing          no tritonserver can be found or fetched
├── ServerFailed           tritonserver did not start, or a model failed its canary
│   └── PortInUse          a port it was told to use is taken
├── ServerUnreachable      nothing answers at the address, or the gateway has lost its server
├── ServerBusy             the model's queue is full, or the gateway refuses more requests
├── AccessRefused          the gateway wants a key, or does not let it ask this model
├── DeadlineExceeded       no answer in time
├── ModelUnknown           no such model or version
├── ModelUnavailable       it exists, but is half-written, changed or not loaded
└── RequestRefused         the arrays do not fit the model
"""

from __future__ import annotations

from zoo.contract import LeanzooError


class ServingError(LeanzooError):
    """A failure of serving.

    Attributes:
        retry_after_s: how long the server wants to be left alone; None where it said nothing.
    """

    retry_after_s: float | None = None


class ServerMissing(ServingError):
    """No tritonserver can be found or fetched."""


class ServerFailed(ServingError):
    """The server did not start, or a model failed its canary."""


class PortInUse(ServerFailed):
    """A port the server was told to use is taken."""


class ServerUnreachable(ServingError):
    """Nothing answers at the address."""


class ServerBusy(ServingError):
    """More requests than are taken; this one was refused before it reached a model."""


class AccessRefused(ServingError):
    """No key, a wrong one, or one that may not ask this."""


class DeadlineExceeded(ServingError):
    """No answer in time."""


class ModelUnknown(ServingError):
    """No such model or version."""


class ModelUnavailable(ServingError):
    """The model exists but cannot be used."""


class RequestRefused(ServingError):
    """The arrays do not fit the model."""


def one_line(text: object, limit: int = 300) -> str:
    """Text from elsewhere as one line of bounded length."""
    line = " ".join(str(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
