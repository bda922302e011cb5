"""Versions on trial, and how their trials end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from serving.errors import ServingError
from serving.gateway import keeper
from serving.gateway.app import Gateway
from serving.gateway.catalogue import Served
from tests.serving.gateway.inside import (
    Asked,
    Scripted,
    counted,
    play,
    retrained,
    until,
)
from tests.serving.tiny_models import MLP, SPARSE
from zoo.artifact import ArtifactError
from zoo.rollout import Rollout, read_rollout, write_rollout

pytestmark = pytest.mark.usefixtures("fast")
BASE, OTHER = "mlp-tiny", "mlp-tiny-sparse"
TRIAL = Rollout(1, 2, 1.0)


def try_two(root: Path) -> None:
    """Publish second versions of both forms, and put them on trial."""
    for model in (MLP, SPARSE):
        retrained(model).publish(root, 2)
        write_rollout(root / model.name, TRIAL)


async def fails_in_two(served: Served, _: Any) -> None:
    if served.version == 2:
        raise ServingError("secret text of a backend")


async def is_over(gateway: Gateway, asked: Asked) -> None:
    router = gateway.core.router
    await until(lambda: router.rollout(BASE).canary is None)
    assert router.rollout(OTHER) == router.rollout(BASE) == Rollout(1)
    answer = await asked()
    assert (answer.status_code, answer.json()["version"]) == (200, 1)
    assert counted(gateway.measures, "leanzoo_canary_rolled_back_total", model=BASE) == 1


def test_a_trial_that_fails_ends_for_all_forms(root: Path) -> None:
    try_two(root)

    async def scene(gateway: Gateway, backend: Scripted, asked: Asked) -> None:
        backend.before = fails_in_two
        for _ in range(keeper.MIN_FAILED):
            answer = await asked()
            assert answer.status_code == 503 and "secret" not in answer.text
        await is_over(gateway, asked)
        await until(lambda: read_rollout(root / OTHER) == read_rollout(root / BASE) == Rollout(1))

    logs = play(root, scene)
    (why,) = [line["why"] for line in logs if line["event"] == "canary rolled back"]
    assert why == "5 of 5 requests failed" and "secret" not in str(logs)


def test_a_trial_ends_where_nothing_can_be_written(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise ArtifactError("read-only")

    try_two(root)
    monkeypatch.setattr(keeper, "write_rollout", refuse)

    async def scene(gateway: Gateway, backend: Scripted, asked: Asked) -> None:
        backend.before = fails_in_two
        for _ in range(keeper.MIN_FAILED):
            await asked()
        await is_over(gateway, asked)
        await asyncio.sleep(0.1)
        await is_over(gateway, asked)
        assert read_rollout(root / BASE) == TRIAL

    play(root, scene)


def test_a_trial_beside_the_latest_is_written_as_what_answered_before(root: Path) -> None:
    try_two(root)
    for name in (BASE, OTHER):
        write_rollout(root / name, Rollout(None, 2, 1.0))

    async def scene(gateway: Gateway, backend: Scripted, asked: Asked) -> None:
        backend.before = fails_in_two
        for _ in range(keeper.MIN_FAILED):
            await asked()
        await is_over(gateway, asked)
        await until(lambda: read_rollout(root / OTHER) == read_rollout(root / BASE) == Rollout(1))
        await asyncio.sleep(0.1)
        assert (await asked()).json()["version"] == 1

    play(root, scene)


def test_a_trial_that_never_answers_in_time_ends(root: Path) -> None:
    async def hangs_in_two(served: Served, _: Any) -> None:
        if served.version == 2:
            await asyncio.sleep(60)

    try_two(root)

    async def scene(gateway: Gateway, backend: Scripted, asked: Asked) -> None:
        backend.before = hangs_in_two
        answers = await asyncio.gather(*[asked() for _ in range(keeper.MIN_FAILED)])
        assert {one.status_code for one in answers} == {504}
        assert backend.cancelled == keeper.MIN_FAILED
        await is_over(gateway, asked)

    play(root, scene, deadline_s=1.0)


def test_a_slow_trial_ends(root: Path) -> None:
    try_two(root)

    async def scene(gateway: Gateway, _: Scripted, asked: Asked) -> None:
        for version, seconds in ((1, 0.001), (2, 0.1)):
            state = gateway.core.router.state[BASE, version]
            state.outcomes.extend([(True, seconds)] * keeper.MIN_JUDGED)
        await is_over(gateway, asked)

    logs = play(root, scene)
    (why,) = [line["why"] for line in logs if line["event"] == "canary rolled back"]
    assert why == "p99 100.0 ms against 1.0 ms"


GOOD, FAILED = (True, 0.001), (False, 0.001)


@pytest.mark.parametrize(
    ("trial", "stable", "why"),
    [
        ([], [], ""),
        ([GOOD] * 50, [], ""),
        ([FAILED] * 4, [GOOD] * 500, ""),  # too few to tell
        ([FAILED] * 5, [], "5 of 5 requests failed"),
        ([FAILED] * 5 + [GOOD] * 195, [GOOD] * 500, "5 of 200 requests failed"),
        ([FAILED] * 5 + [GOOD] * 295, [GOOD] * 500, ""),  # 1.7 %
        ([FAILED] * 50 + [GOOD] * 50, [FAILED] * 500 + [GOOD] * 500, ""),  # both alike
        ([(True, 0.02)] * 100, [GOOD] * 99, ""),
        ([(True, 0.02)] * 99, [GOOD] * 100, ""),
        ([(True, 0.02)] * 100, [GOOD] * 100, "p99 20.0 ms against 1.0 ms"),
        ([(True, 0.006)] * 100, [GOOD] * 100, ""),  # of little account
        ([(True, 0.4)] * 100, [(True, 0.3)] * 100, ""),  # less than twice as long
        ([GOOD] * 97 + [(True, 1.0)] * 3, [GOOD] * 100, "p99 1000.0 ms against 1.0 ms"),
    ],
)
def test_verdicts(trial: list[Any], stable: list[Any], why: str) -> None:
    assert keeper.verdict(trial, stable) == why
