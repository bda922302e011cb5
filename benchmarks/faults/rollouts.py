"""Versions are published, rolled back and tried as canaries under load, again and again.

A cycle of one model, all forms of it:

    publish     a version of other weights: it answers as soon as the gateway says so
    roll back   to the version before
    canary      20 % of the request keys get the new version
    latest      everyone gets it

Every answer must name its version and be right for it. Between two steps, once the gateway says
that the first is in effect, the version must also be the one that the rollout gives to the
request's key. A request that is answered while a step takes effect may get either.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.faults.connection import Asked
from benchmarks.faults.gateway import DEADLINE_S, Gateway, gateway
from benchmarks.faults.generator import Generator, lag_ms
from benchmarks.faults.outcome import Figure, Outcome, faults, statuses, worst
from benchmarks.faults.questions import Question, questions_of
from benchmarks.faults.setting import NAME, Setting
from benchmarks.faults.trained import RECIPES, Trainings
from zoo.rollout import Rollout, write_rollout

RATE = 50.0  # requests per second
CYCLES = 200
CANARY = 0.2
STAY_S = 0.25  # between steps
EFFECT_TIMEOUT_S = 20.0
LEAST_HELD = 0.05  # of all answers, against a rollout in effect
SHOWN = 5


@dataclass(frozen=True)
class Step:
    """A rollout in effect.

    Attributes:
        name: of the step.
        model: whose rollout it is.
        rollout: that is in effect, with the version that answers as ``stable``.
        took_s: until the gateway said so; infinite if it never did.
        from_s, to_s: while it was in effect.
    """

    name: str
    model: str
    rollout: Rollout
    took_s: float
    from_s: float
    to_s: float

    def fault(self, asked: Asked) -> str:
        """What is wrong with the version that answered a request."""
        stable, canary = self.rollout.stable, self.rollout.canary
        expected = canary if self.rollout.is_canary(asked.key) else stable
        return "" if asked.version == expected else f"{asked.version}, expected {expected}"


def rollouts(setting: Setting) -> Outcome:
    """Go through the cycle for each model in turns; the setting's own repository is not used."""
    with tempfile.TemporaryDirectory(prefix="leanzoo-faults-") as scratch:
        trainings = Trainings(Path(scratch) / NAME)
        trainings.publish_both()
        questions = questions_of(trainings.repository)
        with (
            gateway(trainings.repository) as running,
            Generator(running.plan(questions, RATE)) as generator,
        ):
            steps = _cycles(running, trainings, setting.seconds)
    asked = generator.asked
    conditions = {
        "rate_per_s": RATE,
        "cycles": len(steps) // 4,
        "canary": CANARY,
        "deadline_s": DEADLINE_S,
        "models": sorted({one.model for one in questions}),
    }
    return Outcome(figures(asked, steps, questions), conditions, counts(asked, steps, questions))


def counts(
    asked: Sequence[Asked], steps: Sequence[Step], questions: Sequence[Question]
) -> dict[str, Any]:
    """What else there is to know."""
    slowest = {
        name: round(max(took), 2)
        for name in dict.fromkeys(step.name for step in steps)
        if (took := [s.took_s for s in steps if s.name == name and s.took_s < math.inf])
    }
    return {
        "requests": len(asked),
        "statuses": statuses(asked),
        "slowest_effect_s": slowest,
        "slowest_answer_s": round(max(one.latency_s for one in asked), 3),
        "generator_lag_p99_ms": lag_ms(asked, 0.99),
        "faults": worst(asked),
        "other_versions": _others(asked, steps, questions)[:SHOWN],
    }


def figures(
    asked: Sequence[Asked], steps: Sequence[Step], questions: Sequence[Question]
) -> tuple[Figure, ...]:
    """What is asked of it."""
    wrong, held = faults(asked, "wrong"), sum(1 for _ in _held(asked, steps, questions))
    others = len(_others(asked, steps, questions))
    slowest_s = max(step.took_s for step in steps)
    return (
        Figure("failed", faults(asked) - wrong, most=0),
        Figure("answers that are not their version's", wrong, most=0),
        Figure("answers of another version than the rollout's", others, most=0),
        Figure("slowest step to take effect, s", round(slowest_s, 2), most=EFFECT_TIMEOUT_S),
        Figure("answers held against a rollout", held, least=LEAST_HELD * len(asked)),
    )


def _others(
    asked: Sequence[Asked], steps: Sequence[Step], questions: Sequence[Question]
) -> list[str]:
    """Requests that another version answered than the rollout in effect says."""
    return [
        f"{step.name} of {questions[one.question].path}: version {wrong}"
        for one, step in _held(asked, steps, questions)
        if (wrong := step.fault(one))
    ]


def _held(asked: Sequence[Asked], steps: Sequence[Step], questions: Sequence[Question]) -> Any:
    """Right answers that were asked for and came while one rollout of their model was in effect."""
    of_model = {name: [s for s in steps if s.model == name] for name in {s.model for s in steps}}
    for one in asked:
        for step in of_model.get(questions[one.question].model, ()):
            if step.from_s <= one.sent_s and one.done_s <= step.to_s and not one.fault:
                yield one, step


def _cycles(running: Gateway, trainings: Trainings, seconds: float | None) -> list[Step]:
    """All cycles, or those that fit into so many seconds."""
    steps: list[Step] = []
    end_s = math.inf if seconds is None else time.monotonic() + seconds
    for cycle in range(CYCLES):
        steps += _cycle(running, trainings, RECIPES[cycle % len(RECIPES)])
        if time.monotonic() > end_s:
            break
    return steps


def _cycle(running: Gateway, trainings: Trainings, recipe: str) -> list[Step]:
    """One cycle of one model."""
    before = _state(running, recipe)["version"]
    new = before + 1
    steps = (
        ("publish", lambda: trainings.publish(recipe), Rollout(new)),
        ("roll back", lambda: _roll(trainings, recipe, Rollout(before)), Rollout(before)),
        (
            "canary",
            lambda: _roll(trainings, recipe, Rollout(before, new, CANARY)),
            Rollout(before, new, CANARY),
        ),
        ("latest", lambda: _roll(trainings, recipe, Rollout()), Rollout(new)),
    )
    return [_step(running, name, recipe, do, goal) for name, do, goal in steps]


def _roll(trainings: Trainings, recipe: str, rollout: Rollout) -> None:
    """Roll all forms of a model, whose versions have equal numbers; its own name comes last."""
    forms = [p.parent for p in trainings.repository.glob(f"{recipe}-*/config.pbtxt")]
    asked = [folder for folder in forms if not folder.name.endswith("-encode")]
    for folder in (*asked, trainings.repository / recipe):
        write_rollout(folder, rollout)


def _step(running: Gateway, name: str, model: str, do: Any, goal: Rollout) -> Step:
    """Take a step, and wait until the gateway says that it is in effect."""
    began_s = time.monotonic()
    do()
    took_s = float("inf")
    while time.monotonic() < began_s + EFFECT_TIMEOUT_S:
        if _is(_state(running, model), goal):
            took_s = time.monotonic() - began_s
            break
        time.sleep(0.02)
    from_s = time.monotonic()
    time.sleep(STAY_S)
    return Step(name, model, goal, took_s, from_s, time.monotonic())


def _is(state: dict[str, Any], goal: Rollout) -> bool:
    canary = state.get("canary") or {}
    return (state.get("version"), canary.get("version")) == (goal.stable, goal.canary)


def _state(running: Gateway, model: str) -> dict[str, Any]:
    status, body = running.get(f"/v1/models/{model}")
    found: dict[str, Any] = json.loads(body) if status == 200 else {}
    return found
