"""A repository of one model of every form, and a gateway over it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.gateway import keeper
from serving.gateway.app import Gateway
from serving.gateway.backends import InProcess
from tests.serving.gateway.inside import Scripted, settings
from tests.serving.tiny_models import MLP, OFFERED, SPARSE


@pytest.fixture(scope="session")
def offered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of every form, to be left as it is."""
    root = tmp_path_factory.mktemp("offered") / "models"
    for model in OFFERED:
        model.publish(root)
    return root


@pytest.fixture
def repository(offered: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(offered, tmp_path / "models"))


@pytest.fixture
def scripted(offered: Path) -> Scripted:
    """What answers in place of a server."""
    return Scripted(offered)


class _Kept(InProcess):
    """Stays open when a gateway closes, so that the gateway can be started again."""

    async def close(self) -> None:
        return None


@pytest.fixture
def gateway(offered: Path) -> Iterator[Gateway]:
    """An open gateway that answers in process; it can be started several times."""
    backend = _Kept(offered, 2)
    yield Gateway(settings(offered), backend)
    asyncio.run(InProcess.close(backend))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One model in two forms; to be published into."""
    root = tmp_path / "models"
    MLP.publish(root)
    SPARSE.publish(root)
    return root


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks often."""
    monkeypatch.setattr(keeper, "SCAN_S", 0.02)
