"""Which version answers a request, and whether a version can.

A version answers once it has answered its own golden rows, as when it was exported, and for as long
as it does not answer them wrongly. So a version that is half loaded is never asked.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from serving.gateway.catalogue import TASKS, Found, Served
from serving.gateway.problems import Problem
from zoo.contract import near
from zoo.rollout import Rollout

WINDOW = 1000  # answers of a version that a canary is judged by
HOLD_S = 2.0  # after a request that failed a model is not ready, whatever its probes say
SETTLE_S = 5.0  # in which a version waits for those of the model's other forms


@dataclass(slots=True)
class State:
    """How a version does.

    Attributes:
        answers: whether it has answered its golden rows, and not wrongly since.
        fault: why its last probe failed; empty where it did not.
        since: when it first answered them, on the monotonic clock, in seconds.
        probed: when it was last asked; 0 for never.
        failed: when a request last failed by no fault of its own.
        outcomes: of its latest requests, since it was last put on trial: (answered, seconds).
    """

    answers: bool = False
    fault: str = "it has not answered its golden rows yet"
    since: float = math.inf
    probed: float = 0.0
    failed: float = -math.inf
    outcomes: deque[tuple[bool, float]] = field(default_factory=lambda: deque(maxlen=WINDOW))


class Router:
    """Picks versions; ``update`` tells it what there is."""

    def __init__(self) -> None:
        self.found: Mapping[str, Found] = {}
        self.bases: dict[str, dict[str, str]] = {}  # base → form → published name
        self.state: defaultdict[tuple[str, int], State] = defaultdict(State)
        self.ended: dict[tuple[str, Rollout], Rollout] = {}  # trials that failed → what then holds

    def update(self, found: Mapping[str, Found]) -> None:
        """Take what the catalogue found."""
        for name, one in found.items():
            if name in self.found and self.found[name].rollout != one.rollout:
                for number in one.versions:
                    self.state[name, number].outcomes.clear()
        self.found = found
        self.ended = {  # whoever sets the same trial anew means it
            (name, trial): then
            for (name, trial), then in self.ended.items()
            if name in found and found[name].rollout == trial
        }
        self.bases = {}
        for served in self._all():
            self.bases.setdefault(served.base, {})[served.form] = served.name
        known = {(served.name, served.version) for served in self._all()}
        for gone in set(self.state) - known:
            del self.state[gone]

    def rollout(self, name: str) -> Rollout:
        """The rollout of a published name, without a trial that has failed."""
        rollout = self.found[name].rollout
        return self.ended.get((name, rollout), rollout)

    def forms(self, base: str, task: str) -> dict[str, str]:
        """The forms of a model: form → published name.

        Raises:
            Problem: there is no such model, or it does something else.
        """
        if base not in self.bases:
            raise Problem(404, f"no model '{base:.80}': {near(base[:80], self.bases)}")
        forms = self.bases[base]
        own = TASKS[next(iter(forms))]
        if own != task:
            raise Problem(404, f"model '{base}' is asked at /v1/{own}/{base}, not /v1/{task}")
        return forms

    def choose(self, name: str, bucket: str, version: int | None = None) -> Served:
        """The version of a published name that answers a request.

        Args:
            bucket: decides whether a version on trial does.
            version: that was asked for; None for the one that answers.

        Raises:
            Problem: no such version, or none can answer at present.
        """
        found = self.found[name]
        if version is not None:
            if version not in found.versions:
                there = ", ".join(map(str, found.versions)) or "none"
                raise Problem(404, f"'{name}' has no version {version}: expected one of {there}")
            return self._able(name, version)
        rollout = self.rollout(name)
        if rollout.is_canary(bucket) and self._answers(name, rollout.canary):
            return found.versions[rollout.canary or 0]
        return self._able(name, self.stable(name))

    def stable(self, name: str) -> int:
        """The version that answers where nothing is on trial; 0 where none can."""
        rollout = self.rollout(name)
        if rollout.stable is not None:
            return rollout.stable
        numbers = [n for n in self.found[name].versions if n != rollout.canary]
        able = [n for n in numbers if self._answers(name, n)]
        return max((n for n in able if self._settled(name, n)), default=max(able, default=0))

    def asked(self) -> Iterator[Served]:
        """The versions that requests without a version reach."""
        for served in self._all():
            if served.version in (self.stable(served.name), self.rollout(served.name).canary):
                yield served

    def faults(self) -> dict[str, str]:
        """Published name → why it does not answer at present; empty where all do."""
        found = {}
        for name in (name for forms in self.bases.values() for name in forms.values()):
            version = self.stable(name)
            state = self.state.get((name, version)) if version else None
            if state is None:
                found[name] = "no version of it can answer"
            elif state.fault:
                found[name] = state.fault
            elif time.monotonic() - state.failed < HOLD_S:
                found[name] = "it failed on a request a moment ago"
        return found

    def end_trial(self, base: str) -> list[str]:
        """Give all requests of a model back to its stable versions; names of its forms on trial."""
        names = [n for n in self.bases[base].values() if self.rollout(n).canary is not None]
        for name in names:  # not the latest, where nothing is pinned: that is what failed
            then = Rollout(stable=self.stable(name) or None)
            self.ended[name, self.found[name].rollout] = then
        return names

    def _all(self) -> Iterator[Served]:
        for one in self.found.values():
            yield from one.versions.values()

    def _settled(self, name: str, version: int) -> bool:
        """Whether the other forms of the model can answer with the same training by now.

        They are published one after another; a version that they do not follow waits in vain.
        """
        if time.monotonic() - self.state[name, version].since > SETTLE_S:
            return True
        training = self.found[name].versions[version].training
        for form in self.bases[self.found[name].versions[version].base].values():
            latest = max(self.found[form].versions)
            follows = self.found[form].versions[latest].training == training
            if not (follows and self._answers(form, latest)):
                return False
        return True

    def _answers(self, name: str, version: int | None) -> bool:
        state = self.state.get((name, version or 0))
        return state is not None and state.answers

    def _able(self, name: str, version: int) -> Served:
        if not self._answers(name, version):
            raise Problem(503, f"'{name}' cannot answer at present: ask again")
        return self.found[name].versions[version]
