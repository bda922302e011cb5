"""The last gate before publishing: a real Triton answers golden rows as this process does."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from serving.client import Client
    from serving.local import Local

SMOKE_FILE = "smoke.json"  # in the folder of the recipe's run
MOST = 1e-6  # of a row's unit, between the same graph in Triton and in this process


def smoke(folders: Sequence[Path]) -> dict[str, Any]:
    """Publish artifacts into a scratch repository, serve it, and ask.

    Args:
        folders: of the artifacts.

    Returns:
        ``server`` and ``models``: each ``model``, ``rows``, ``max_abs_diff`` between the answers
        of Triton, over gRPC, and of ONNX Runtime in this process.

    Raises:
        ExportError: they differ, or an artifact is refused.
        ServingError: Triton does not load a model, or it answers its golden rows wrongly.
    """
    from export.repository import publish_all
    from serving.client import Client
    from serving.local import Local
    from serving.triton_install import find_server
    from zoo.cli.deploy import running

    with tempfile.TemporaryDirectory(prefix="leanzoo-smoke-") as scratch:
        root = Path(scratch)
        names = [one.model for one in publish_all(folders, root, lambda _: None)]
        with (
            running(root, names) as triton,
            Client(triton.grpc_url) as client,
            Local(root) as local,
        ):
            models = [_ask(name, root, client, local) for name in names]
        server = find_server().runs_onnx_in
    return {"server": server, "models": models}


def _ask(model: str, root: Path, client: Client, local: Local) -> dict[str, Any]:
    """One model's golden rows, asked in both ways."""
    import numpy as np

    from export.errors import ExportError
    from serving.repository import load_golden
    from zoo.golden import distances

    golden = load_golden(root, model)
    served, known = (way.infer(model, dict(golden.inputs)) for way in (client, local))
    largest = 0.0
    for name, expected in known.items():
        if np.issubdtype(expected.dtype, np.floating):
            found = distances(served[name], expected, golden.unit).max(initial=0)
        else:
            found = float((served[name] != expected).any())
        largest = max(largest, float(found))
        if not found <= MOST:
            raise ExportError(
                f"{model}: expected Triton to answer {name} as this process does, measured a "
                f"difference of {found:.3g}: the server runs another graph or runtime"
            )
    rows = len(next(iter(golden.outputs.values())))
    return {"model": model, "rows": rows, "max_abs_diff": largest}
