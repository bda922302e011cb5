"""Every model in every precision: size, latency, what it costs, and its TensorRT engines.

    python -m benchmarks.exports mlp-cora finalmlp-ml100k quantile_mlp-etth1

Each recipe, trained before, is exported through all gates, its variants are asked in turns, and
engines of TensorRT-RTX are built for four architectures. ``results/exports.json`` keeps what was
measured before of other recipes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from benchmarks.conditions import Watch, git_sha
from export.choice import Variant, choose_all
from export.engines import export_engines
from export.errors import ExportError
from export.precision import PRECISIONS
from export.report import read_report
from export.to_onnx import Exported, export_checkpoint
from export.to_tensorrt import RTX, load_tensorrt
from zoo.artifact import Artifact, versions
from zoo.contract import LeanzooError
from zoo.results import result_of, write_json

RESULTS = Path(__file__).parent / "results" / "exports.json"
SMS = (80, 86, 89, 120)


def main() -> None:
    """Measure recipes and write down what was found."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("recipes", nargs="+")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    with Progress(console=Console(stderr=True)) as progress:
        for recipe in progress.track(asked.recipes, description="exports"):
            try:
                found = measure(recipe, asked.runs)
            except LeanzooError as error:
                parser.error(str(error))
            known = json.loads(asked.out.read_text()) if asked.out.exists() else {"recipes": {}}
            known["recipes"][recipe] = found
            write_json(asked.out, known)


def measure(recipe: str, runs: Path) -> dict[str, Any]:
    """What became of one recipe's forms.

    Args:
        recipe: trained before.
        runs: folder of checkpoints.

    Raises:
        ArtifactError: not trained.
        ExportError: fp32 fails a gate, or TensorRT-RTX is not installed.
    """
    tensorrt = load_tensorrt(RTX)
    run, watch = runs / result_of(runs, recipe)["run"], Watch(threads=1)
    made_from = Artifact.load(run, verify=False).digest
    with tempfile.TemporaryDirectory(prefix="leanzoo-exports-") as scratch:
        out = Path(scratch)
        exported = export_checkpoint(run, None, out / "onnx", None, [*PRECISIONS.values()])
        models = [_model(choice, exported, out) for choice in choose_all(out / "onnx", made_from)]
    return {
        "models": [model for model in models if model["variants"]],
        "machine": watch.machine(),
        "versions": versions("onnxruntime", "onnx") | {"tensorrt_rtx": tensorrt.__version__},
        "git_sha": git_sha(),
    }


def _model(choice: Any, exported: Exported, out: Path) -> dict[str, Any]:
    """One model's variants; a vocabulary or an ensemble has none."""
    made = {a.metrics["precision"]: a for a in exported.artifacts if a.model == choice.model}
    costs = {one.precision: one.task for one in exported.refused if one.model == choice.model}
    return {
        "model": choice.model,
        "published": choice.artifact.metrics["precision"],
        "variants": [
            _variant(one, made.get(one.precision), costs.get(one.precision), out)
            for one in choice.variants
        ],
    }


def _variant(
    variant: Variant, artifact: Artifact | None, cost: dict[str, Any] | None, out: Path
) -> dict[str, Any]:
    said = asdict(variant)
    if artifact is None:
        return {**said, "task": cost, "engines": [], "unbuilt": ""}
    report = read_report(artifact.path)
    engines, unbuilt = _engines(artifact, out / "tensorrt" / variant.precision, SMS)
    return {
        **said,
        "max_abs_diff": report["numeric"]["max_abs_diff"],
        "rows": report["numeric"]["rows"],
        "task": report["task"],
        "engines": engines,
        "unbuilt": unbuilt,
    }


def _engines(artifact: Artifact, out: Path, sms: Sequence[int]) -> tuple[list[Any], str]:
    """What was built, or which node was not."""
    try:
        made = export_engines(artifact, out, RTX, sms)
    except ExportError as error:
        return [], str(error)
    return list(made.metrics["engines"]), ""


if __name__ == "__main__":
    main()
