"""Raw values beside ids through Triton: ``python -m benchmarks.raw_path finalmlp-ml100k``.

One client asks a real server over gRPC, one request after the other, in turns: with ids, with
arrays of strings, which the server turns into ids, and with records, which the client makes arrays
of. The recipe is trained and exported. Writes ``results/raw_path.json``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.comparison import Plan, draw_queries
from benchmarks.conditions import Watch, git_sha
from benchmarks.intervals import median_ratio, percentile
from benchmarks.timing import Ask, interleave
from export.example import ranking, records
from export.repository import publish_all
from export.trained import Trained, model_id
from serving.client import Client
from serving.triton import Triton
from serving.triton_install import find_server
from zoo.artifact import ArtifactError, versions
from zoo.contract import LeanzooError
from zoo.results import result_of, write_json

RESULTS = Path(__file__).parent / "results" / "raw_path.json"
ROWS, RANK, RAW = "rows", "rank", "-raw"
DISTINCT = 50  # requests, repeated
WARM_UP = 40


def main() -> None:
    """Publish into a scratch repository, serve, measure, write down."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("recipe")
    parser.add_argument("--rows", type=int, default=100, help="rows or candidates per request")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    try:
        result = measure(asked.recipe, asked.runs, asked.rows, asked.requests)
    except LeanzooError as error:
        parser.error(str(error))
    write_json(asked.out, result)
    print(json.dumps(result, indent=1))


def measure(recipe: str, runs: Path, rows: int, requests: int) -> dict[str, Any]:
    """What each path takes, by form.

    Args:
        recipe: trained and exported.
        runs: folder of checkpoints and exports.
        rows: per request, or candidates.
        requests: timed ones per path.

    Raises:
        ArtifactError: not trained or not exported.
    """
    trained = Trained(runs / result_of(runs, recipe)["run"])
    exports = sorted(p.parent for p in (runs / recipe / "onnx" / "fp32").glob("*/artifact.json"))
    if not any(folder.name.endswith(RAW) for folder in exports):
        raise ArtifactError(
            f"'{recipe}' has no export for raw values: run 'leanzoo export {recipe}'"
        )
    watch = Watch(threads=1)
    return {
        "recipe": recipe,
        "paths": serve(trained, exports, rows, requests),
        "requests": requests,
        "server": find_server().runs_onnx_in,
        "machine": watch.machine(),
        "versions": versions("onnxruntime", "numpy", "tritonclient"),
        "git_sha": git_sha(),
    }


def serve(trained: Trained, exports: list[Path], rows: int, requests: int) -> list[dict[str, Any]]:
    """Serve all exports of a recipe, and measure every form that takes raw values."""
    plan = Plan(budget_s=0, least=0, most=DISTINCT)
    few = draw_queries(trained.data.n_rows, rows, plan)
    queries = [few[k % DISTINCT] for k in range(requests)]
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        names = [one.model for one in publish_all(exports, Path(scratch), lambda _: None)]
        with Triton(Path(scratch), names) as triton, Client(triton.grpc_url) as client:
            for form in (ROWS, RANK):
                if form in trained.forms:
                    asks = paths_of(client, trained, form, few)
                    interleave([*asks.values()], queries[:WARM_UP])
                    took = interleave([*asks.values()], queries)
                    found.append(summary(form, rows, dict(zip(asks, took, strict=True))))
    return found


def paths_of(client: Client, trained: Trained, form: str, few: list[np.ndarray]) -> dict[str, Ask]:
    """What asks for the scores of row ids in each way; all inputs are made here."""
    export, model = trained.forms[form], model_id(trained.artifact.model, form, trained.spec)
    assert export.raw is not None
    signature = client.signature(f"{model}{RAW}")
    own = [spec.name for spec in client.signature(model).inputs]
    coded, raw, given = {}, {}, {}
    for ids in few:
        coded[ids.tobytes()] = export.rows(trained.data, trained.config, ids)
        texts = export.raw(trained.data, trained.config, ids)
        arrays = {to.name: texts[of] for of, to in zip(own, signature.inputs, strict=True)}
        raw[ids.tobytes()] = arrays
        given[ids.tobytes()] = (records if signature.max_batch else ranking)(signature, arrays)

    def with_records(ids: np.ndarray) -> Any:
        found = given[ids.tobytes()]
        if isinstance(found, tuple):
            return client.rank(f"{model}{RAW}", *found)
        return client.predict(f"{model}{RAW}", found)

    return {
        "ids": lambda ids: client.infer(model, coded[ids.tobytes()]),
        "raw": lambda ids: client.infer(f"{model}{RAW}", raw[ids.tobytes()]),
        "records": with_records,
    }


def summary(form: str, rows: int, took_ms: dict[str, np.ndarray]) -> dict[str, Any]:
    """Medians with their intervals, and how much longer raw values take than ids."""
    p50_ms = {f"{path}_p50_ms": percentile(took, 0.5) for path, took in took_ms.items()}
    ratios = {
        f"{path}_over_ids": median_ratio(took_ms[path], took_ms["ids"])
        for path in ("raw", "records")
    }
    found = {name: asdict(at) if at else None for name, at in {**p50_ms, **ratios}.items()}
    return {"form": form, "rows": rows, **found}


if __name__ == "__main__":
    main()
