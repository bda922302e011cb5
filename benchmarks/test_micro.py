"""Micro-benchmarks of the exported students: ``pytest benchmarks/ --benchmark-only``.

For developers, who compare one machine with itself; published numbers come from ``ladder``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.subjects import MODEL_FILE, open_session, ready_forms
from zoo import checkpoint
from zoo.artifact import Artifact
from zoo.recipes import Recipe
from zoo.registry import get_spec
from zoo.spec import config_of

RUNS = Path(__file__).parents[1] / "runs"
TOY = Recipe("mlp-toy", "mlp", "toy", config={"layers": 2, "hidden": 64, "dropout": 0.5})
BATCHES = (1, 10)


def _students() -> list[Path]:
    """The graphs that ``bench`` exported and that answer row by row."""
    paths = sorted(RUNS.glob("*/bench/*/artifact.json"))
    found = [Artifact.load(path.parent, verify=False) for path in paths]
    return [a.path for a in found if a.kind == "onnx" and a.signature and a.signature.max_batch]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One case per exported student, or per form of the toy's where there is none."""
    toys = [f"toy-{form}" for form in get_spec(TOY.model).exports]
    cases: Sequence[Path | str] = _students() or toys
    names = [case.name if isinstance(case, Path) else case for case in cases]
    metafunc.parametrize("case", cases, ids=names)
    metafunc.parametrize("batch", BATCHES)


@pytest.fixture(scope="session")
def toys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Artifacts of the toy's student, untrained, by case."""
    scratch = tmp_path_factory.mktemp("toy")
    spec = get_spec(TOY.model)
    data = spec.data(TOY)
    config = config_of(spec, TOY, data.sizes)
    model = spec.build(config)
    checkpoint.save(scratch / "run", model, config, TOY, {}, data.attachments, {})
    ready = ready_forms(scratch / "run", "student", scratch, data, threads=1)
    return {f"toy-{form}": open_form().file.parent for form, open_form in ready.items()}


def test_student(
    benchmark: Any, case: Path | str, batch: int, request: pytest.FixtureRequest
) -> None:
    """One call in process, on one thread."""
    folder = case if isinstance(case, Path) else request.getfixturevalue("toys")[case]
    artifact = Artifact.load(folder)
    assert artifact.signature is not None
    session = open_session(folder / MODEL_FILE, threads=1)
    answer = benchmark(session.run, None, artifact.signature.sample(batch))[0]
    assert len(answer) == batch
