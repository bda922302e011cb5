"""A Triton that is kept running, and what a gateway in front of it answers meanwhile."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import pytest
from structlog.testing import capture_logs

from serving import supervisor
from serving.errors import ServerFailed
from serving.gateway import keeper
from serving.gateway.app import Gateway
from serving.gateway.backends import OverTriton
from serving.gateway.catalogue import named
from serving.local import Local
from serving.supervisor import Supervisor
from tests.serving.gateway.inside import (
    CLASSIFY,
    ONE_ROW,
    PREDICT,
    entered,
    settings,
    until,
)
from tests.serving.test_triton import children_of, wait_until
from tests.serving.tiny_models import CLICKS, CODES, MLP, RAW
from zoo.rollout import Rollout, write_rollout

CLICK = {"rows": [{"user": "a", "item": "a", "price": 0.5}]}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ensemble with its steps, and a model by itself."""
    root = tmp_path_factory.mktemp("supervised") / "models"
    for model in (MLP, CODES, CLICKS, RAW):
        model.publish(root)
    return root


@pytest.fixture(scope="module")
def kept(root: Path) -> Iterator[Supervisor]:
    """A supervised Triton over it."""
    with Supervisor(root) as found:
        yield found


def server_of(kept: Supervisor) -> int:
    """The process of the tritonserver."""
    (found,) = children_of(kept._triton.guard_pid)
    return found


@pytest.mark.triton
def test_a_server_that_is_killed_comes_back_where_it_was(kept: Supervisor) -> None:
    restarted = threading.Event()
    kept.restarted = restarted.set
    addresses = kept.grpc_url, kept.http_url
    before = server_of(kept)

    async def scene() -> None:
        gateway = Gateway(
            settings(kept.repository, deadline_s=5.0), OverTriton(kept.grpc_url, loads=True)
        )
        async with entered(gateway) as client:
            assert (await client.post(CLASSIFY, json=ONE_ROW)).status_code == 200
            os.kill(before, signal.SIGKILL)
            answers = []
            async with asyncio.timeout(60):
                while not answers or answers[-1].status_code != 200 or not restarted.is_set():
                    answers.append(await client.post(CLASSIFY, json=ONE_ROW))
                    await asyncio.sleep(0.05)
            lost = [one for one in answers if one.status_code != 200]
            assert lost and {one.status_code for one in lost} == {503}
            for one in lost:
                assert one.headers["retry-after"] == "1"
                assert not {"grpc", "127.0.0.1", "Triton"} & set(one.json()["detail"].split())
                assert kept.grpc_url not in one.text
            await until(lambda: not gateway.core.router.faults())
            assert (await client.get("/readyz")).status_code == 200

    with capture_logs() as logs:
        asyncio.run(scene())
    assert (kept.grpc_url, kept.http_url) == addresses
    assert server_of(kept) != before
    (line,) = [line for line in logs if line["event"] == "triton ended"]
    assert "tritonserver ended" in line["why"] and "\n" not in line["why"]


@pytest.mark.triton
def test_an_older_version_of_an_ensemble_is_answered_by_its_steps(
    kept: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "SCAN_S", 0.05)
    root = kept.repository
    newer = replace(CLICKS, weights={**CLICKS.weights, "w": -CLICKS.weights["w"]})
    steps = tuple(replace(step, version=2) for step in RAW.steps)

    async def answer(client: httpx.AsyncClient, **params: Any) -> tuple[int, float]:
        found = await client.post(PREDICT, json=CLICK, params=params)
        assert found.status_code == 200, found.text
        return found.json()["version"], found.json()["scores"][0]

    async def scene() -> None:
        backend = OverTriton(kept.grpc_url, loads=True)
        async with entered(Gateway(settings(root, deadline_s=5.0), backend)) as client:
            first = await answer(client)
            for model in (CODES, newer, replace(RAW, steps=steps, parts=(CODES, newer))):
                model.publish(root, 2)
            async with asyncio.timeout(30):
                while (await answer(client))[0] == 1:
                    await asyncio.sleep(0.05)
            assert abs((await answer(client))[1] - first[1]) > 0.01
            assert await answer(client, version=1) == pytest.approx(first)
            for name in ("clicks", "clicks-raw"):
                write_rollout(root / name, Rollout(1))
            await asyncio.sleep(0.3)
            assert await answer(client) == pytest.approx(first)
            with Local(root) as local:
                expected = local.predict("clicks-raw", CLICK["rows"], "2")
            assert await answer(client, version=2) == pytest.approx((2, expected[0]))

    asyncio.run(scene())


class Scene:
    """A server that is none: it ends when it is told to, or does not start."""

    started: list[Any]
    refuse: int

    def __init__(
        self, repository: Path, names: list[str], http_port: int, grpc_port: int, lenient: bool
    ) -> None:
        assert lenient
        self.names = names
        self.http_port, self.grpc_port = http_port or 1001, grpc_port or 1002
        self.over = threading.Event()

    @property
    def grpc_url(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def http_url(self) -> str:
        return f"127.0.0.1:{self.http_port}"

    def __enter__(self) -> Self:
        if Scene.started and Scene.refuse:
            Scene.refuse -= 1
            raise ServerFailed("port taken")
        Scene.started.append(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.over.set()

    def wait(self) -> None:
        self.over.wait()
        raise ServerFailed("tritonserver ended: signal 9")


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> type[Scene]:
    """In place of Triton, without pauses."""
    Scene.started, Scene.refuse = [], 0
    monkeypatch.setattr(supervisor, "Triton", Scene)
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_S", 0.001)
    return Scene


def test_it_is_started_again_until_it_runs(scene: type[Scene], offered: Path) -> None:
    calls = []
    with capture_logs() as logs, Supervisor(offered, lambda: ["clicks"]) as kept:
        kept.restarted = lambda: calls.append(kept.grpc_url)
        scene.refuse = 3
        scene.started[0].over.set()
        wait_until(lambda: bool(calls))
    assert calls == ["127.0.0.1:1002"] and len(scene.started) == 2
    assert scene.started[1].names == ["clicks"] and scene.started[1].over.is_set()
    said = [line["event"] for line in logs]
    assert said == ["triton ended"] + ["triton does not start"] * 3


def test_it_ends_while_it_waits(
    scene: type[Scene], offered: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_S", 600.0)
    with Supervisor(offered) as kept:
        scene.started[0].over.set()
    assert not kept._thread.is_alive() and len(scene.started) == 1


def test_a_log_that_is_gone_is_no_fault(
    scene: type[Scene], offered: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(self: Scene) -> None:
        self.over.wait()
        raise FileNotFoundError("triton.log")

    monkeypatch.setattr(scene, "wait", gone)
    with Supervisor(offered) as kept:
        pass
    assert not kept._thread.is_alive()  # and its error would be one of this test


@pytest.mark.triton
def test_a_damaged_version_stops_no_other_model(tmp_path: Path) -> None:
    for model in (MLP, CLICKS):
        model.publish(tmp_path)
    shutil.copytree(tmp_path / "mlp-tiny" / "1", tmp_path / "mlp-tiny" / "2")
    (tmp_path / "mlp-tiny" / "2" / "model.onnx").write_bytes(b"damaged")
    shutil.copytree(tmp_path / "clicks" / "1", tmp_path / "clicks" / "2")
    (tmp_path / "clicks" / "2" / "artifact.json").unlink()
    assert named(tmp_path, ["clicks", "mlp-tiny"])[1] == ["clicks", "mlp-tiny"]

    async def scene(kept: Supervisor) -> None:
        gateway = Gateway(settings(tmp_path), OverTriton(kept.grpc_url, loads=True))
        async with entered(gateway) as client:
            found = await client.get("/v1/models")
            ready = {one["name"]: one["ready"] for one in found.json()["models"]}
            assert ready == {"mlp-tiny": False, "clicks": True}  # Triton loads all of a model
            assert (await client.post(CLASSIFY, json=ONE_ROW)).status_code == 503

    with Supervisor(tmp_path) as kept:
        asyncio.run(scene(kept))
