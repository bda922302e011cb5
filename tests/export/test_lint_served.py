"""What lint calls an error a real Triton refuses, and what is clean it serves."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from export.repository import publish_all
from serving.client import Client
from serving.errors import ServingError
from serving.triton import Triton
from tests.export.lint_mistakes import DENSE, ENSEMBLE, MISTAKES, seal
from zoo.artifact import Artifact

POLL = "failed to poll"
REFUSED = {  # rule → what Triton says; mistakes that fail in a warm-up can end it, so none of them
    "config-unreadable": POLL,
    "field-unknown": POLL,
    "field-newer": POLL,
    "name-differs": POLL,
    "backend-unknown": "unable to find backend library",
    "version-missing": "at least one version must be available",
    "version-empty": "version 2 is at UNAVAILABLE state",
    "labels-missing": "failed to open text file",
    "model-file-missing": "model.onnx",
    "ordering-priorities": POLL,
    "default-priority": POLL,
    "preferred-size": POLL,
    "ensemble-instances": POLL,
    "step-missing": "models that are not available",
    "step-version": "required version 9 is not loaded",
    "step-tensor": "non-existing output numbers",
    "tensor-unwritten": POLL,
    "step-dtype": "inconsistent data type",
    "step-dims": "inconsistent shape",
    "ensemble-batch": "allows maximum batch size 2048",
}


@dataclass(frozen=True)
class Server:
    """A client of a server, its repository, and the repository as it was."""

    client: Client
    root: Path
    before: Path


@pytest.fixture(scope="module")
def server(
    exported: dict[str, Artifact],
    exported_clicks: dict[str, Artifact],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """A server of the clean repository, which has answered its golden rows."""
    root, before = (tmp_path_factory.mktemp("served") / name for name in ("models", "before"))
    for artifacts in (exported, exported_clicks):
        publish_all([one.path for one in artifacts.values()], root, lambda _: None)
    shutil.copytree(root, before)
    with Triton(root, [DENSE, ENSEMBLE]) as triton, Client(triton.grpc_url, timeout_s=30) as client:
        yield Server(client, root, before)


@pytest.mark.triton
@pytest.mark.parametrize("name", REFUSED)
def test_triton_refuses_the_mistake(server: Server, name: str) -> None:
    mistake = MISTAKES[name]
    folder = server.root / mistake.model
    server.client.unload(mistake.model)
    try:
        mistake.make(folder)
        seal(folder)
        with pytest.raises(ServingError, match=REFUSED[name]):
            server.client.load(mistake.model)
    finally:
        shutil.rmtree(folder)
        shutil.copytree(server.before / mistake.model, folder)
    server.client.load(mistake.model)
