"""Why a run does not count: one line per reason, of what was found and what is allowed.

late     the generator issued queries late, so that latencies are partly its own
behind   fewer queries were answered than were offered
few      too few samples for a percentile that is required
failed   queries that failed
cached   a server that may answer without computing
unequal  a student that is worse than its teacher
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.intervals import LEAST
from benchmarks.measurement import PERCENTILES

if TYPE_CHECKING:
    from benchmarks.load.outcome import Loaded

LAG_SHARE = 0.05  # most p99 of lag, of the latency's p50
ACHIEVED_SHARE = 0.99  # least that is answered, of what is offered
TAIL = ("p99_ms",)


def reasons(loaded: Loaded, required: Iterable[str] = TAIL) -> tuple[str, ...]:
    """Why a run under load does not count; empty where it does.

    Args:
        loaded: the run.
        required: percentiles that are to be reported, keys of ``PERCENTILES``.
    """
    found = (late(loaded), behind(loaded), failed(loaded))
    few_of = few(len(loaded.latencies_ms), required)
    return (*filter(None, found), *few_of, *loaded.said)


def late(loaded: Loaded) -> str:
    """Whether the generator was late: an open loop's latency counts from the schedule."""
    if not len(loaded.lag_ms) or not len(loaded.latencies_ms):
        return ""
    lag_ms, p50_ms = np.quantile(loaded.lag_ms, 0.99), np.median(loaded.latencies_ms)
    if lag_ms <= LAG_SHARE * p50_ms:
        return ""
    return (
        f"the generator was late: lag p99 {lag_ms:.3g} ms is {lag_ms / p50_ms:.1%} of the "
        f"latency's p50 of {p50_ms:.3g} ms: at most {LAG_SHARE:.0%}"
    )


def behind(loaded: Loaded) -> str:
    """Whether what was offered was answered at the rate at which it was."""
    offered, achieved = loaded.offered_per_s, loaded.achieved_per_s
    if offered is None or achieved >= ACHIEVED_SHARE * offered:
        return ""
    return (
        f"{achieved:.4g} of {offered:.4g} offered queries per second were answered, "
        f"{achieved / offered:.1%}: at least {ACHIEVED_SHARE:.0%}"
    )


def failed(loaded: Loaded) -> str:
    """Whether queries failed, whose latencies are missing."""
    if not loaded.errors:
        return ""
    asked = loaded.errors + len(loaded.latencies_ms)
    first = f", the first by {loaded.failure}" if loaded.failure else ""
    return f"{loaded.errors} of {asked} queries failed{first}: none may"


def few(samples: int, required: Iterable[str] = TAIL) -> tuple[str, ...]:
    """Which of the required percentiles have too few samples.

    Args:
        samples: latencies.
        required: keys of ``PERCENTILES``.
    """
    least = {name: LEAST.get(PERCENTILES[name], 1) for name in required}
    return tuple(
        f"{samples} samples: {_said(name)} needs at least {count}"
        for name, count in least.items()
        if samples < count
    )


def _said(name: str) -> str:
    """A percentile as people write it."""
    return f"p{100 * PERCENTILES[name]:g}"


def cached(config: Any) -> tuple[str, ...]:
    """Whether Triton may answer from its cache.

    Args:
        config: the model's ModelConfig message, of its file or of the running server.
    """
    if not config.response_cache.enable:
        return ()
    return (f"the response cache of {config.name} is on: it must be off",)


def cached_in(repository: Path, models: Iterable[str]) -> tuple[str, ...]:
    """The same of models in a repository.

    Raises:
        ArtifactError: a model has no configuration.
    """
    from export.triton_config import read_config  # slow to import, which few who judge need

    return tuple(line for model in models for line in cached(read_config(repository / model)))


def unequal(accuracy: Mapping[str, Any]) -> tuple[str, ...]:
    """Whether the accuracy gate failed: a faster model that is worse is no speed-up.

    Args:
        accuracy: as in a result: ``metric``, ``low`` (lower end of student − teacher, above 0 where
            the student is better), ``epsilon``, ``equal`` and ``reasons``.
    """
    found = tuple(accuracy.get("reasons", ()))
    if accuracy["equal"]:
        return found
    return (
        *found,
        f"accuracy gate: student − teacher in {accuracy['metric']} may be as low as "
        f"{accuracy['low']:.3g}: at least {-accuracy['epsilon']:g}",
    )
