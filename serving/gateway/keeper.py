"""Looks after what answers: finds and loads new versions, probes all of them, ends bad trials."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence

import numpy as np
import structlog

from serving.errors import ServingError
from serving.gateway.catalogue import Found, Served
from serving.gateway.core import Core
from serving.gateway.measures import Measures
from zoo.artifact import ArtifactError
from zoo.rollout import read_rollout, write_rollout

SCAN_S = 0.25
IDLE_PROBES = 10  # versions that nobody reaches are probed every so many periods
MIN_FAILED, MIN_JUDGED = 5, 100  # requests, before errors or latency end a trial
ERRORS_MORE = 0.02  # of a canary's requests than of the stable version's
SLOWER, SLOWER_S = 2.0, 0.005  # times the stable version's p99, and seconds beside

log = structlog.get_logger()


class Keeper:
    """Keeps a core's router up to date while the gateway runs."""

    def __init__(self, core: Core, measures: Measures) -> None:
        self.core = core
        self.measures = measures
        self._loaded: dict[str, tuple[object, ...]] = {}
        self._refused: dict[str, str] = {}  # why a name was not loaded, said already

    async def start(self) -> None:
        """Read the repository; everything in it counts as loaded.

        Raises:
            ServingError: there is no repository.
        """
        found = await asyncio.to_thread(self.core.catalogue.scan, {})
        self._loaded = {name: one.loadable for name, one in found.items()}
        self.core.router.update(found)
        _warn({}, found)
        await self._probe_due()

    async def run(self) -> None:
        """Look after it until cancelled."""
        while True:
            await asyncio.sleep(SCAN_S)
            try:
                await self._turn()
            except Exception:  # a fault here must not end the watch over everything else
                log.exception("keeper failed")

    async def _turn(self) -> None:
        router = self.core.router
        try:
            found = await asyncio.to_thread(self.core.catalogue.scan, router.found)
        except ServingError as error:  # such as a repository that is being moved
            self._complain("", str(error))
        else:
            self._refused.pop("", None)
            _warn(router.found, found)
            router.update(found)  # first: an ensemble's version is unloaded as the next is loaded
            self.measures.keep({(n, v) for n, one in found.items() for v in one.versions})
            await self._load_changed(found)
        await self._probe_due()
        for base in list(router.bases):
            if why := self._verdict(base):
                await self._end_trial(base, why)

    async def _load_changed(self, found: dict[str, Found]) -> None:
        """Load what was published since, models before the ensembles that ask them."""
        wanted = {name: one for name, one in found.items() if one.wanted}
        changed = [name for name, one in wanted.items() if self._loaded.get(name) != one.loadable]
        for name in sorted(changed, key=lambda name: (found[name].ensemble, name)):
            try:
                await self.core.backend.load(name)
            except ServingError as error:
                self._complain(name, str(error))
                continue
            self._refused.pop(name, None)
            self._loaded[name] = found[name].loadable
            for version in found[name].versions:
                self.core.router.state[name, version].probed = 0.0

    def _complain(self, name: str, why: str) -> None:
        """Say once why a model, or with no name the repository, was not loaded."""
        if self._refused.get(name) != why:
            log.warning("not loaded", model=name, why=why)
        self._refused[name] = why

    async def _probe_due(self) -> None:
        """Probe versions that are new, and in turns all others."""
        now, period = time.monotonic(), self.core.settings.probe_s
        asked = {id(served) for served in self.core.router.asked()}
        due: list[Served] = []
        for one in self.core.router.found.values():
            for served in one.versions.values():
                state = self.core.router.state[served.name, served.version]
                often = id(served) in asked or not state.answers
                if now - state.probed >= period * (1 if often else IDLE_PROBES):
                    due.append(served)
        await asyncio.gather(*map(self._probe, due))

    async def _probe(self, served: Served) -> None:
        """Ask a version its golden rows."""
        state = self.core.router.state[served.name, served.version]
        budget = self.core.settings.probe_budget_s
        try:
            async with asyncio.timeout(budget):
                answers = await self.core.backend.infer(served, served.golden.inputs, budget)
        except TimeoutError:
            fault = f"no answer to its golden rows within {budget:g} s"
        except ServingError as error:
            fault = type(error).__name__
        else:
            wrong = served.golden.mismatch(answers)
            fault = f"it answers its golden rows wrongly ({wrong})" if wrong else ""
            state.answers = not wrong
            state.since = min(state.since, time.monotonic())
        if fault != state.fault:
            log.info("probe", model=served.name, version=served.version, fault=fault)
        state.fault, state.probed = fault, time.monotonic()
        self.measures.ready(served.base, served.name, served.version, not fault)

    def _verdict(self, base: str) -> str:
        """Why the trial of a model must end; empty where it goes on, or there is none."""
        router = self.core.router
        for name in router.bases[base].values():
            canary = router.rollout(name).canary
            if canary is not None:
                trial = router.state[name, canary].outcomes
                if why := verdict(trial, router.state[name, router.stable(name)].outcomes):
                    return why
        return ""

    async def _end_trial(self, base: str, why: str) -> None:
        """Take a canary out, in the repository too where it can be written."""
        router = self.core.router
        ended = {name: router.found[name].rollout for name in router.end_trial(base)}
        log.warning("canary rolled back", model=base, why=why)
        self.measures.rolled_back.labels(base).inc()
        for name, trial in ended.items():
            folder = self.core.catalogue.repository / name
            with contextlib.suppress(ArtifactError):  # read-only: the trial stays ended here
                if await asyncio.to_thread(read_rollout, folder) == trial:
                    await asyncio.to_thread(write_rollout, folder, router.rollout(name))


def _warn(before: Mapping[str, Found], found: Mapping[str, Found]) -> None:
    """Say once what cannot be asked."""
    for name, one in found.items():
        if name not in before or before[name].stamp != one.stamp:
            for version, why in one.faults.items():
                log.warning("cannot be asked", model=name, version=version, why=why)


def verdict(trial: Sequence[tuple[bool, float]], stable: Sequence[tuple[bool, float]]) -> str:
    """Why a version on trial must go, from both versions' latest (answered, seconds).

    It goes when it fails for MIN_FAILED requests and in a larger share than the stable one by more
    than ERRORS_MORE, or when its 99th percentile is more than SLOWER times the stable one's and
    SLOWER_S beside, over MIN_JUDGED requests of each.
    """
    failed = sum(not answered for answered, _ in trial)
    share = failed / max(1, len(trial))
    usual = sum(not answered for answered, _ in stable) / max(1, len(stable))
    if failed >= MIN_FAILED and share > usual + ERRORS_MORE:
        return f"{failed} of {len(trial)} requests failed"
    if min(len(trial), len(stable)) >= MIN_JUDGED:
        slow = float(np.quantile([seconds for _, seconds in trial], 0.99))
        fast = float(np.quantile([seconds for _, seconds in stable], 0.99))
        if slow > SLOWER * fast + SLOWER_S:
            return f"p99 {slow * 1e3:.1f} ms against {fast * 1e3:.1f} ms"
    return ""
