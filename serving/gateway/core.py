"""A request checked, asked and judged; what the transports share."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from serving.endpoint import check_request
from serving.errors import (
    ModelUnavailable,
    ModelUnknown,
    RequestRefused,
    ServerUnreachable,
    ServingError,
)
from serving.gateway.backends import Arrays, Backend
from serving.gateway.catalogue import Catalogue, Served
from serving.gateway.problems import Problem, of_backend
from serving.gateway.router import Router
from serving.gateway.settings import Settings
from serving.gateway.visit import Visit

NOT_ITS_INPUT = (ServerUnreachable, ModelUnavailable, ModelUnknown)  # no request causes these
HUNG = 0.5  # of the deadline: a request that is called off after that has failed, whoever did it


@dataclass
class Core:
    """All that answering needs.

    Attributes:
        draining: whether it is about to stop.
    """

    settings: Settings
    catalogue: Catalogue
    router: Router
    backend: Backend
    draining: bool = field(default=False)

    def choose(self, visit: Visit, base: str, task: str, form: str, version: int | None) -> Served:
        """The version that answers a visit, which is then known by it.

        Raises:
            Problem: no such model, form or version, or none can answer.
        """
        forms = self.router.forms(base, task)
        visit.model = base
        if form not in forms:
            raise Problem(422, f"model '{base}' has no form '{form}': it has {', '.join(forms)}")
        served = self.router.choose(forms[form], visit.bucket, version)
        visit.version = served.version
        return served

    async def infer(self, served: Served, arrays: Arrays) -> Arrays:
        """The outputs of a version.

        Raises:
            Problem: the arrays do not fit the model, or it gave no answer.
        """
        try:
            check_request(served.base, served.signature, arrays)
        except RequestRefused as error:
            raise Problem(422, str(error)) from None
        state = self.router.state[served.name, served.version]
        outcomes = state.outcomes
        started = time.perf_counter()
        try:
            answer = await self.backend.infer(served, arrays, self.settings.deadline_s)
        except RequestRefused as error:
            raise of_backend(error) from None
        except ServingError as error:
            outcomes.append((False, time.perf_counter() - started))
            if isinstance(error, NOT_ITS_INPUT):
                state.failed = time.monotonic()
            raise of_backend(error) from None
        except asyncio.CancelledError:  # the deadline, or a client that left
            seconds = time.perf_counter() - started
            outcomes.append((seconds < HUNG * self.settings.deadline_s, seconds))
            raise
        outcomes.append((True, time.perf_counter() - started))
        return answer
