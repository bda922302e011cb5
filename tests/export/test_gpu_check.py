"""gpu_check: what it takes, says and refuses; on a machine with a GPU, a plan too."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from export import gpu_check
from zoo.artifact import Artifact


def test_gpu_check_says_in_one_line_that_there_is_no_gpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu_check", "--runs", str(tmp_path)])
    with pytest.raises(SystemExit, match="^gpu_check: no NVIDIA GPU is seen here"):
        gpu_check.main()


def test_gpu_check_takes_served_graphs_of_numbers(
    exported_clicks: dict[str, Artifact], tmp_path: Path
) -> None:
    shutil.copytree(exported_clicks["toy-clicks"].path.parents[1], tmp_path / "toy" / "onnx")
    found = [artifact.model for artifact in gpu_check.list_exports(tmp_path)]
    assert found == ["toy-clicks", "toy-clicks-rank"]
    assert gpu_check.line(gpu_check.Row("a", "fp32", "it failed")).endswith("it failed")
    timed = gpu_check.line(gpu_check.Row("a", "fp16", "", 21, 50))
    assert "TensorRT 21 µs, ONNX Runtime on the CPU 50 µs" in timed


@pytest.mark.gpu
def test_plans_answer_as_recorded(exported: dict[str, Artifact], tmp_path: Path) -> None:
    """Needs the package tensorrt too."""
    row = gpu_check.check(exported["mlp-toy-sparse"], tmp_path)
    assert not row.said and row.tensorrt_us > 0
