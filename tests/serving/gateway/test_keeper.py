"""What looks after a gateway: versions that come, and such as must not answer."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from serving.errors import ServerUnreachable, ServingError
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
from tests.serving.tiny_models import CLICKS, MLP, SPARSE
from zoo.artifact import Artifact
from zoo.rollout import ROLLOUT_FILE, Rollout, write_rollout

pytestmark = pytest.mark.usefixtures("fast")
BASE, OTHER = "mlp-tiny", "mlp-tiny-sparse"
TRIAL = Rollout(1, 2, 1.0)


async def fails_in_two(served: Served, _: Any) -> None:
    if served.version == 2:
        raise ServingError("secret text of a backend")


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
