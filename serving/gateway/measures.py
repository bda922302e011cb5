"""What Prometheus reads from ``/metrics``."""

from __future__ import annotations

from collections.abc import Set

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from serving.gateway.visit import Visit

BUCKETS_S = (
    *(0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03),
    *(0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0),
)


class Measures:
    """Counters of one gateway; a registry of its own, so that several can live in a process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        own = self.registry
        self._requests = Counter(
            "leanzoo_requests", "Requests.", ("route", "model", "version", "status"), registry=own
        )
        self._turned_away = self._requests.labels("other", "", "", "503")
        self._seconds = Histogram(
            "leanzoo_request_seconds",
            "From a request's headers to its answer.",
            ("route", "model"),
            buckets=BUCKETS_S,
            registry=own,
        )
        self.in_flight = Gauge("leanzoo_in_flight", "Requests that are worked on.", registry=own)
        self._ready = Gauge(
            "leanzoo_model_ready",
            "Whether it answers its golden rows.",
            ("model", "version"),
            registry=own,
        )
        self._probed: set[tuple[str, int]] = set()
        self.rolled_back = Counter(
            "leanzoo_canary_rolled_back", "Trials that were ended.", ("model",), registry=own
        )
        self.restarts = Counter("leanzoo_triton_restarts", "Restarts of Triton.", registry=own)

    def turned_away(self) -> None:
        """Count a request that was refused before anything was known of it."""
        self._turned_away.inc()

    def answered(self, visit: Visit, seconds: float) -> None:
        """Count an answer."""
        version = str(visit.version or "")
        self._requests.labels(visit.route, visit.model, version, str(visit.status)).inc()
        self._seconds.labels(visit.route, visit.model).observe(seconds)

    def ready(self, base: str, name: str, version: int, ready: bool) -> None:
        """Say whether a version answers its golden rows."""
        self.rolled_back.labels(base)  # so that its first increase is seen
        self._ready.labels(name, str(version)).set(ready)
        self._probed.add((name, version))

    def keep(self, versions: Set[tuple[str, int]]) -> None:
        """Say nothing more of versions that are gone: (name, number) of those that are not."""
        for name, version in self._probed - versions:
            self._ready.remove(name, str(version))
        self._probed &= versions

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self.registry)
