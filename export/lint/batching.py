"""Rules about batching and queues."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from export.lint.rule import ADVICE, GUIDE, MEASURED, SCHEMA, SERVER, rule
from export.lint.served import Served
from zoo.artifact import Artifact, ArtifactError

BATCHER = f"{GUIDE}/batcher.md"
NO_TIMEOUT = (
    "leave it out: bound waiting with the deadline of the gRPC call, and with requests in flight"
)


def _batching(model: Served) -> Any:
    """Its settings of dynamic batching, or None."""
    has = model.config.HasField("dynamic_batching")
    return model.config.dynamic_batching if has else None


def _policies(model: Served) -> Iterator[tuple[str, Any]]:
    """Queue policies, each with what it is for."""
    if batching := _batching(model):
        yield "default_queue_policy", batching.default_queue_policy
        for level, policy in sorted(batching.priority_queue_policy.items()):
            yield f"priority_queue_policy {level}", policy


@rule(f"{SERVER}/8870; {MEASURED}", NO_TIMEOUT)
def queue_timeout(model: Served) -> Iterator[str]:
    """No request has a queue timeout: with one, a model can refuse every later request."""
    for which, policy in _policies(model):
        if timeout := policy.default_timeout_microseconds:
            delay = _batching(model).max_queue_delay_microseconds
            does = "makes all later ones fail" if delay else "costs throughput for good"
            waits = f" and a delay of {delay} µs" if delay else ""
            yield f"{which} has a timeout of {timeout} µs{waits}: a request that expires {does}"


@rule(f"{SCHEMA}; {MEASURED}", NO_TIMEOUT)
def client_timeout(model: Served) -> Iterator[str]:
    """No client chooses a queue timeout, which would do to all what the server's own does."""
    for which, policy in _policies(model):
        if policy.allow_timeout_override:
            yield f"{which} has allow_timeout_override: one client's timeout can stop the model"


@rule("https://github.com/triton-inference-server/server/pull/1161", "leave out one of the two")
def ordering_priorities(model: Served) -> Iterator[str]:
    """preserve_ordering is not set together with several priorities, which Triton refuses."""
    batching = _batching(model)
    if batching and batching.preserve_ordering and batching.priority_levels > 1:
        yield f"preserve_ordering is set with {batching.priority_levels} priority levels"


@rule(f"{BATCHER}#priority-levels", "set default_priority_level to one of them")
def default_priority(model: Served) -> Iterator[str]:
    """Where there are priorities, the default is one of them."""
    batching = _batching(model)
    if batching and batching.priority_levels:
        level, levels = batching.default_priority_level, batching.priority_levels
        if not 1 <= level <= levels:
            yield f"default_priority_level is {level}: expected 1 to {levels}"


@rule(f"{BATCHER}#preferred-batch-sizes", "state sizes from 1 to max_batch_size, or none")
def preferred_size(model: Served) -> Iterator[str]:
    """Preferred batches are no larger than max_batch_size."""
    most = model.config.max_batch_size
    for size in _batching(model).preferred_batch_size if _batching(model) else ():
        if not 1 <= size <= most:
            yield f"preferred_batch_size {size}: expected 1 to {most}"


@rule("https://github.com/triton-inference-server/server/pull/3791", "leave it out", ADVICE)
def preferred_needless(model: Served) -> Iterator[str]:
    """Only a plan with a profile per size has preferred batches."""
    sizes = list(_batching(model).preferred_batch_size) if _batching(model) else []
    fits = all(1 <= size <= model.config.max_batch_size for size in sizes)
    if sizes and fits and model.backend != "tensorrt":
        yield f"preferred_batch_size {sizes} on backend '{model.backend}' delays other sizes"


@rule(f"{BATCHER}#delayed-batching; {MEASURED}", "set max_queue_delay_microseconds to 0", ADVICE)
def batching_delay(model: Served) -> Iterator[str]:
    """A model does not wait for more requests longer than it takes to answer one."""
    delay = _batching(model).max_queue_delay_microseconds if _batching(model) else 0
    took = _p50_us(model)
    if delay > took:
        yield f"waits up to {delay} µs for more requests: one row takes {took:.0f} µs"


@rule(
    f"{BATCHER}#queue-policy; {MEASURED}",
    "leave max_queue_size out: bound requests in flight before the server, as the gateway does",
    ADVICE,
)
def queue_bounded(model: Served) -> Iterator[str]:
    """No queue is bounded: a request that follows an answer at once would wake no batcher."""
    for name, policy in _policies(model):
        if policy.max_queue_size:
            yield f"{name}: max_queue_size {policy.max_queue_size} makes requests wait for 500 ms"


def _p50_us(model: Served) -> float:
    """Median time of one row in the latest version, as export measured it; 0 if it did not."""
    try:
        latest = model.versions[max(model.versions, default=0)]
        return float(Artifact.load(latest, verify=False).metrics.get("p50_batch1_us") or 0)
    except (KeyError, ArtifactError):
        return 0


RULES = (
    *(queue_timeout, client_timeout, ordering_priorities, default_priority),
    *(preferred_size, preferred_needless, batching_delay, queue_bounded),
)
