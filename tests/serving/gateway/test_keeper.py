"""What looks after a gateway: trials that end, versions that come, and such as must not answer."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from serving.errors import ServerUnreachable, ServingError
from serving.gateway import keeper
from serving.gateway.app import Gateway
from serving.gateway.catalogue import Served
from tests.serving.gateway.inside import (
    CLASSIFY,
    ONE_ROW,
    Scripted,
    counted,
    entered,
    retrained,
    settings,
    until,
)
from tests.serving.tiny_models import CLICKS, MLP, SPARSE
from zoo.artifact import Artifact, ArtifactError
from zoo.rollout import ROLLOUT_FILE, Rollout, read_rollout, write_rollout

BASE, OTHER = "mlp-tiny", "mlp-tiny-sparse"
TRIAL = Rollout(1, 2, 1.0)
Asked = Callable[[], Coroutine[Any, Any, httpx.Response]]
Scene = Callable[[Gateway, Scripted, Asked], Coroutine[Any, Any, None]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One model in two forms; to be published into."""
    root = tmp_path / "models"
    MLP.publish(root)
    SPARSE.publish(root)
    return root


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks often."""
    monkeypatch.setattr(keeper, "SCAN_S", 0.02)


def play(root: Path, scene: Scene, **more: Any) -> list[Any]:
    """Run a scene in a gateway over ``root``; the lines of its log."""

    async def playing() -> None:
        backend = Scripted(root)
        gateway = Gateway(settings(root, **more), backend)
        async with entered(gateway) as client:

            async def asked() -> httpx.Response:
                return await client.post(CLASSIFY, json=ONE_ROW)

            await scene(gateway, backend, asked)

    with capture_logs() as logs:
        asyncio.run(playing())
    assert not [line for line in logs if line["event"] == "keeper failed"]
    return logs


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

    play(root, scene, deadline_s=0.3)


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


def test_a_version_that_answers_its_golden_rows_wrongly_is_never_asked(root: Path) -> None:
    folder = retrained(MLP).publish(root, 2)
    golden = json.loads((folder / "golden.json").read_text())
    golden["outputs"]["probabilities"][0][0] += 0.5
    (folder / "golden.json").write_text(json.dumps(golden))
    Artifact.load(folder, verify=False).write(folder)
    write_rollout(root / BASE, TRIAL)

    async def scene(gateway: Gateway, backend: Scripted, asked: Asked) -> None:
        for _ in range(3):
            assert (await asked()).json()["version"] == 1
            await asyncio.sleep(0.1)
        assert set(backend.asked) == {(BASE, 1)}
        state = gateway.core.router.state[BASE, 2]
        assert not state.answers and "wrongly (output 'probabilities' differs by" in state.fault
        labels = {"model": BASE, "version": "2"}
        assert counted(gateway.measures, "leanzoo_model_ready", **labels) == 0
        assert counted(gateway.measures, "leanzoo_model_ready", **{**labels, "version": "1"}) == 1

    play(root, scene)


def test_a_new_version_answers_once_it_has_answered_its_golden_rows(root: Path) -> None:
    async def scene(_: Gateway, backend: Scripted, asked: Asked) -> None:
        probed, go = asyncio.Event(), asyncio.Event()

        async def waits(served: Served, _: Any) -> None:
            if served.version == 2:
                probed.set()
                await go.wait()

        backend.probed = waits
        assert (await asked()).json()["version"] == 1
        retrained(MLP).publish(root, 2)
        retrained(SPARSE).publish(root, 2)
        await probed.wait()
        assert set(backend.loaded) == {BASE, OTHER}
        assert (await asked()).json()["version"] == 1
        assert set(backend.asked) == {(BASE, 1)}
        go.set()
        async with asyncio.timeout(10):
            while (await asked()).json()["version"] == 1:
                await asyncio.sleep(0.01)

    play(root, scene)


def test_a_half_written_version_is_named_and_left_out_until_it_is_whole(
    root: Path, tmp_path: Path
) -> None:
    whole = retrained(MLP).publish(tmp_path / "elsewhere", 2)
    half = root / BASE / "2"
    half.mkdir()
    shutil.copy(whole / "artifact.json", half)

    async def scene(gateway: Gateway, backend: Scripted, asked: Asked) -> None:
        found = gateway.core.router.found[BASE]
        assert list(found.versions) == [1] and "golden.json is missing" in found.faults[2]
        assert (await asked()).json()["version"] == 1
        for name in ("golden.json", "model.onnx"):  # as a copy does it, file by file
            shutil.copy(whole / name, half)
            await asyncio.sleep(0.05)
        await until(lambda: gateway.core.router.stable(BASE) == 2)
        assert (await asked()).json()["version"] == 2
        assert BASE in backend.loaded

    logs = play(root, scene)
    named = [line for line in logs if line["event"] == "cannot be asked"]
    assert {(line["model"], line["version"]) for line in named} == {(BASE, 2)}
    assert 1 <= len(named) <= 3  # once for each change, not for each look


def test_a_rollout_that_cannot_be_read_changes_nothing(root: Path) -> None:
    retrained(MLP).publish(root, 2)
    write_rollout(root / BASE, Rollout(1))

    async def scene(_: Gateway, backend: Scripted, asked: Asked) -> None:
        assert (await asked()).json()["version"] == 1
        (root / BASE / ROLLOUT_FILE).write_text("{")
        await asyncio.sleep(0.2)
        answer = await asked()
        assert answer.status_code == 200 and answer.json()["version"] == 1
        write_rollout(root / BASE, Rollout(2))
        await asyncio.sleep(0.2)
        assert (await asked()).json()["version"] == 2

    logs = play(root, scene)
    assert [1 for line in logs if line["event"] == "cannot be asked" and "rollout" in line["why"]]


def test_models_come_and_go(root: Path) -> None:
    async def scene(gateway: Gateway, backend: Scripted, asked: Asked) -> None:
        CLICKS.publish(root)
        await until(lambda: "clicks" in gateway.core.router.bases)
        await until(lambda: not gateway.core.router.faults())
        assert backend.loaded == ["clicks"]
        shutil.rmtree(root / BASE)
        shutil.rmtree(root / OTHER)
        await until(lambda: BASE not in gateway.core.router.bases)
        assert (await asked()).status_code == 404

    play(root, scene)


def test_models_beyond_the_list_are_neither_offered_nor_loaded(root: Path) -> None:
    async def scene(gateway: Gateway, backend: Scripted, asked: Asked) -> None:
        CLICKS.publish(root)
        retrained(MLP).publish(root, 2)
        await until(lambda: backend.loaded)
        await asyncio.sleep(0.1)
        assert backend.loaded == [BASE] and list(gateway.core.router.bases) == [BASE]
        assert (await asked()).status_code == 200

    play(root, scene, models=(BASE,))


def test_what_does_not_load_is_tried_again_and_said_once(root: Path) -> None:
    async def scene(gateway: Gateway, backend: Scripted, _: Asked) -> None:
        tries = []

        async def refuses(name: str) -> None:
            tries.append(name)
            if len(tries) < 5:
                raise ServerUnreachable("nobody there")

        backend.load = refuses  # type: ignore[method-assign]
        retrained(MLP).publish(root, 2)
        await until(lambda: len(tries) >= 5)
        await asyncio.sleep(0.1)
        assert tries == [BASE] * 5

    logs = play(root, scene)
    assert [line["why"] for line in logs if line["event"] == "not loaded"] == ["nobody there"]


def test_a_model_that_is_lost_is_not_ready_and_comes_back(root: Path) -> None:
    async def scene(gateway: Gateway, backend: Scripted, asked: Asked) -> None:
        async def lost(*_: Any) -> None:
            raise ServerUnreachable("nobody at 10.0.0.1:8001")

        router = gateway.core.router
        assert router.faults() == {}
        backend.before = backend.probed = lost
        answer = await asked()
        assert answer.status_code == 503 and answer.headers["retry-after"] == "1"
        assert "10.0.0.1" not in answer.text
        await until(lambda: len(router.faults()) == 2)
        backend.before = backend.probed = fails_in_two
        await until(lambda: not router.faults())
        assert (await asked()).status_code == 200

    play(root, scene)
