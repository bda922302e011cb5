"""Tiny published models, and one running server for the tests that need it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.triton import Triton
from tests.serving.tiny_model import TinyModel
from tests.serving.tiny_models import ALL


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known where these tests are run by themselves."""
    config.addinivalue_line("markers", "triton: starts a tritonserver")


@pytest.fixture(scope="session")
def tiny_models() -> dict[str, TinyModel]:
    """The tiny models, by name."""
    return {model.name: model for model in ALL}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A fresh repository of all tiny models, to be damaged."""
    for model in ALL:
        model.publish(tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture(scope="session")
def shared_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of all tiny models, to be left as it is."""
    root = tmp_path_factory.mktemp("shared") / "models"
    for model in ALL:
        model.publish(root)
    return root


@pytest.fixture(scope="session")
def server(shared_repository: Path) -> Iterator[Triton]:
    """One running server over the shared repository."""
    with Triton(shared_repository) as triton:
        yield triton
