"""Micro-benchmarks of every exported model: ``pytest benchmarks/ --benchmark-only``.

Students, teachers, vocabularies and ranking graphs, in every precision that lies in ``runs``; where
nothing is exported, untrained toys of all families. Inputs are random. For developers, who compare
one machine with itself; published numbers come from ``ladder``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from benchmarks.subjects import MODEL_FILE, open_session
from export.precision import FP32
from export.trained import Trained
from zoo import checkpoint
from zoo.artifact import Artifact
from zoo.registry import get_recipe, get_spec
from zoo.spec import config_of

RUNS = Path(__file__).parents[1] / "runs"
EXPORTS = ("onnx", "bench")  # of a recipe; what both hold is timed once
TOYS = ("mlp-toy", "finalmlp-clicks", "quantile_mlp-waves")
BATCHES = (1, 100)


def exported_models(runs: Path) -> dict[str, Path]:
    """The folders of all exported graphs, by recipe, model and precision."""
    found: dict[str, Path] = {}
    for kind in EXPORTS:
        for file in sorted(runs.glob(f"*/{kind}/**/artifact.json")):
            artifact = Artifact.load(file.parent, verify=False)
            if artifact.kind == "onnx":
                recipe = file.relative_to(runs).parts[0]
                precision = artifact.metrics.get("precision", FP32.name)
                found.setdefault(f"{recipe}/{artifact.model}-{precision}", file.parent)
    return found


def toy_cases() -> list[str]:
    """The forms of every toy's student."""
    return [f"{toy}/{form}" for toy in TOYS for form in get_spec(get_recipe(toy).model).exports]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One case per exported model, or per form of a toy where there is none."""
    found = exported_models(RUNS)
    if "case" in metafunc.fixturenames:
        cases = list(found) or toy_cases()
        metafunc.parametrize("case", [found.get(case, case) for case in cases], ids=cases)
        metafunc.parametrize("batch", BATCHES)


@pytest.fixture(scope="session")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Folders of the toys' graphs, by case; no gate would pass what is not trained."""
    found: dict[str, Path] = {}
    for toy in TOYS:
        scratch, recipe = tmp_path_factory.mktemp(toy), get_recipe(toy)
        spec = get_spec(recipe.model)
        data = spec.data(recipe)
        config = config_of(spec, recipe, data.sizes)
        model = spec.build(config)
        checkpoint.save(scratch / "run", model, config, recipe, {}, data.attachments, {})
        trained = Trained(scratch / "run", data)
        for form in trained.forms:
            candidate, folder = trained.candidate(form), scratch / form
            folder.mkdir()
            onnx.save(candidate.graph, folder / MODEL_FILE)
            Artifact(folder, "onnx", candidate.name, candidate.signature).write(folder)
            found[f"{toy}/{form}"] = folder
    return found


def test_model(
    benchmark: Any, case: Path | str, batch: int, request: pytest.FixtureRequest
) -> None:
    """One call in process, on one thread; named axes are as long as the batch."""
    folder = case if isinstance(case, Path) else request.getfixturevalue("toys")[case]
    artifact = Artifact.load(folder)
    assert artifact.signature is not None
    session = open_session(folder / MODEL_FILE, threads=1)
    rows = min(batch, artifact.signature.max_batch or batch)
    answers = benchmark(session.run, None, artifact.signature.sample(rows))
    lead = (rows,) if artifact.signature.max_batch else ()
    for spec, answer in zip(artifact.signature.outputs, answers, strict=True):
        assert np.shape(answer) == (*lead, *(rows if isinstance(n, str) else n for n in spec.shape))
