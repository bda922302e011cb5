"""The gateway's whole API with requests that nobody wrote: by its OpenAPI, and byte by byte.

Every case must be answered within its deadline, and by nothing that begins with 5: nothing here
overloads the gateway, which answers in process.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

from benchmarks.faults.gateway import gateway
from benchmarks.faults.outcome import Figure, Outcome
from benchmarks.faults.questions import Question
from benchmarks.faults.setting import Setting
from benchmarks.faults.wires import Wire, answer_to, wires

CASES, BODIES = 5_000, 2_000
MOST_S = 5.0  # of one case; the deadline is 2
TIMEOUT_S = 10.0
SEED = 6
SHOWN = 10


@dataclass
class Findings:
    """What came of the cases.

    Attributes:
        statuses: how many got which; 0 is none, -1 one that never came.
        faults: what is wrong, each with its request.
        slowest_s: of all.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest_s: float = 0.0

    def add(self, status: int, took_s: float, request: str) -> None:
        """Write down one answer."""
        self.statuses[status] += 1
        self.slowest_s = max(self.slowest_s, took_s)
        if status >= 500 or status < 0 or took_s > MOST_S:
            self.faults.append(f"{status} after {took_s:.2f} s: {request}")

    @property
    def cases(self) -> int:
        """How many there were."""
        return self.statuses.total()


def fuzz(setting: Setting) -> Outcome:
    """Try all of it; the duration is that of the cases."""
    with gateway(setting.repository, "--in-process") as running:
        host, port = running.address
        api = fuzz_api(f"http://{host}:{port}", CASES)
        bodies = fuzz_bodies(host, port, setting.questions, BODIES)
        alive = running.process.poll() is None and running.get("/readyz")[0] == 200
    return Outcome(
        (
            Figure("cases of the OpenAPI", api.cases, least=CASES),
            Figure("raw bodies", bodies.cases, least=BODIES),
            Figure("answers of 5xx, or none in time", len(api.faults + bodies.faults), most=0),
            Figure("slowest, s", round(max(api.slowest_s, bodies.slowest_s), 2), most=MOST_S),
            Figure("ready afterwards", int(alive), least=1),
        ),
        {"seed": SEED, "models": setting.models},
        {
            "statuses": {"openapi": _plain(api.statuses), "raw": _plain(bodies.statuses)},
            "faults": [*api.faults[:SHOWN], *bodies.faults[:SHOWN]],
        },
    )


def fuzz_api(url: str, cases: int) -> Findings:
    """Requests as the OpenAPI describes them, and such as it forbids, half and half.

    Args:
        url: of the gateway.
        cases: at least so many, in equal parts over its operations.
    """
    from schemathesis.generation import GenerationMode

    found, operations = Findings(), _operations(url)
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    each = -(-cases // (len(operations) * len(modes)))

    def ask(drawn: tuple[Any, str]) -> None:
        case, model = drawn
        for name in case.path_parameters or () if model else ():
            case.path_parameters[name] = model
        began_s = time.monotonic()
        try:
            status = case.call(timeout=TIMEOUT_S).status_code
        except OSError as error:
            status = -1 if "timed out" in str(error).lower() else 0
        found.add(status, time.monotonic() - began_s, case.as_curl_command()[:500])

    before = -1
    while before < found.cases < cases:
        before = found.cases
        for operation, mode in itertools.product(operations, modes):
            drawn = operation.as_strategy(generation_mode=mode)
            models = st.sampled_from(["", *_models(url, operation.path)])
            _draw(st.tuples(drawn, models), each, ask, found.cases)
    return found


def _operations(url: str) -> list[Any]:
    """All that the gateway's OpenAPI describes."""
    import schemathesis

    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    return [found.ok() for found in schema.get_all_operations()]  # type: ignore[union-attr]


def _models(url: str, path: str) -> list[str]:
    """Models that can be asked at a path such as ``/v1/ctr/{model}/rank``: no draw finds them."""
    with urllib.request.urlopen(f"{url}/v1/models", timeout=TIMEOUT_S) as answer:
        known = json.load(answer)["models"]
    start, _, end = path.partition("{")
    end = end.partition("}")[2]
    fit = [m["name"] for m in known if f"{start}{m['name']}{end}" in m["endpoints"]]
    return fit or [model["name"] for model in known]


def fuzz_bodies(host: str, port: int, questions: Sequence[Question], bodies: int) -> Findings:
    """Requests that are wrong byte by byte, see ``wires``."""
    found = Findings()

    def ask(wire: Wire) -> None:
        status, took_s = answer_to(host, port, wire)
        found.add(status, took_s, f"{wire.kind} {wire.data[:300]!r}")

    _draw(wires(questions), bodies, ask, 0)
    return found


def _draw(strategy: Any, cases: int, ask: Callable[[Any], None], salt: int) -> None:
    """Ask so many drawn cases; always the same ones."""

    @seed(SEED + salt)
    @settings(
        max_examples=cases,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(case: Any) -> None:
        ask(case)

    with contextlib.suppress(Unsatisfiable):  # an operation that nothing can be wrong about
        run()


def _plain(counts: Counter[int]) -> dict[str, int]:
    return {str(status): n for status, n in sorted(counts.items())}
