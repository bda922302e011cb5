"""What must hold on a machine with a CUDA device."""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = pytest.mark.gpu


def test_training_on_cuda_reaches_the_accuracy_of_the_cpu(tmp_path: Path) -> None:
    from rich.progress import Progress

    from zoo import distill
    from zoo.registry import get_recipe

    accuracy = {}
    for device in ("cpu", "cuda"):
        distill.prepare(1, device)
        with Progress(disable=True) as bars:
            shop = distill.Workshop(tmp_path / device, device, bars)
            trained = distill.train(get_recipe("mlp-toy"), [2022], ["ffg2m"], False, shop)
        accuracy[device] = trained["metrics"]["student"]["test_accuracy"]
    assert accuracy["cuda"] == pytest.approx(accuracy["cpu"], abs=0.05)


def test_exported_student_answers_on_cuda_as_on_the_cpu(tmp_path: Path) -> None:
    import numpy as np
    import onnxruntime as ort
    from rich.progress import Progress

    from export.to_onnx import export_checkpoint
    from zoo import distill
    from zoo.registry import get_recipe

    with Progress(disable=True) as bars:
        shop = distill.Workshop(tmp_path, "cpu", bars)
        result = distill.train(get_recipe("mlp-toy"), [2022], ["ffg2m"], False, shop)
    for artifact in export_checkpoint(tmp_path / result["run"], None, tmp_path / "onnx").artifacts:
        assert artifact.signature is not None
        rows = artifact.signature.sample(7)
        answers = [
            ort.InferenceSession(artifact.path / "model.onnx", providers=[provider]).run(None, rows)
            for provider in ("CUDAExecutionProvider", "CPUExecutionProvider")
        ]
        np.testing.assert_allclose(answers[0][0], answers[1][0], atol=1e-4)
