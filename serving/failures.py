"""Turns what Triton says of a failed gRPC call into an error of ``serving.errors``."""

from __future__ import annotations

from typing import Any

from tritonclient.utils import InferenceServerException

from serving.errors import (
    DeadlineExceeded,
    ModelUnavailable,
    ModelUnknown,
    RequestRefused,
    ServerBusy,
    ServerUnreachable,
    ServingError,
    one_line,
)
from zoo.contract import near


def is_missing(error: InferenceServerException) -> bool:
    """Whether the server says that it does not serve the model or version."""
    text = error.message() or ""
    return any(
        phrase in text for phrase in ("unknown model", "no available versions", "is not ready")
    )


def never_sent(error: Exception) -> bool:
    """Whether a call failed for want of a connection, so that nothing of it was sent.

    gRPC has one status for that and for connections lost on the way; only a call that finds no
    connection to go out on has this text.
    """
    return isinstance(error, InferenceServerException) and (error.message() or "").startswith(
        "failed to connect to all addresses"
    )


def missing_model(index: list[Any], url: str, model: str, version: str) -> ServingError:
    """Why a model or version that was asked for is not served.

    Args:
        index: the entries of the server's repository index.
        version: the number asked for; empty when any would have done.
    """
    entries = [entry for entry in index if entry.name == model]
    if not entries:
        names = {entry.name for entry in index}
        return ModelUnknown(f"no model '{model}' on {url}: {near(model, names)}")
    ready = [entry.version for entry in entries if entry.state == "READY"]
    if ready and version:
        return ModelUnknown(f"model '{model}' has no version '{version}' loaded: it has {ready}")
    reason = next((one_line(e.reason) for e in entries if e.reason), "nobody loaded it")
    return ModelUnavailable(f"model '{model}' is not loaded on {url} ({reason}): load it first")


def failed_call(
    error: InferenceServerException, url: str, model: str, timeout_s: float
) -> ServingError:
    """Any other failure; ``timeout_s`` is how long the caller was ready to wait."""
    status = str(error.status()).removeprefix("StatusCode.")
    text = one_line(error.message())
    if status == "DEADLINE_EXCEEDED":
        return DeadlineExceeded(
            f"{url} gave no answer on '{model}' within {timeout_s:g} s: "
            "raise timeout_s, or send less at a time"
        )
    if "maximum queue size" in text:
        return ServerBusy(f"model '{model}' on {url} has a full queue: ask again later")
    if status == "UNAVAILABLE":
        return ServerUnreachable(
            f"no Triton server answers at {url} ({text}): start one with "
            "`leanzoo serve`, or check host and gRPC port"
        )
    if status == "INVALID_ARGUMENT":
        return RequestRefused(f"model '{model}' refused the request: {text}")
    return ServingError(f"{url} failed on '{model}' ({status}): {text}")
