"""TensorRT plans of every export, built and run on this machine's GPU (not run so far: none here).

For each ONNX artifact of the runs: build a plan, ask it the golden rows, hold the answers against
those recorded, and time both it and ONNX Runtime for the same rows. One table for a person.

    python -m export.gpu_check --runs runs
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from export.candidate import Arrays, open_session
from export.engines import export_engines, load_engine
from export.errors import ExportError
from export.onnx_file import load_graph
from export.speed import p50s_us
from export.to_tensorrt import PLAN, load_tensorrt, present_sm
from zoo.artifact import Artifact
from zoo.contract import LeanzooError
from zoo.golden import Golden

FOLDER = "tensorrt-plan"  # of a recipe's run


@dataclass(frozen=True)
class Row:
    """What became of one artifact.

    Attributes:
        model, precision: of the artifact.
        said: what failed, in one line; empty where nothing did.
        tensorrt_us, onnxruntime_us: median of the golden rows' request, on the GPU and on one
            thread of the CPU.
    """

    model: str
    precision: str
    said: str = ""
    tensorrt_us: float = 0.0
    onnxruntime_us: float = 0.0


def main() -> None:
    """Check all exports; exit code 1 where one fails, or where there is no GPU."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of exports")
    asked = parser.parse_args()
    try:
        load_tensorrt(PLAN)
        rows = []
        for artifact in list_exports(asked.runs):
            rows.append(check(artifact, asked.runs))
            print(line(rows[-1]), flush=True)
    except LeanzooError as error:
        sys.exit(f"gpu_check: {error}")
    if not rows:
        sys.exit(f"gpu_check: no exports in {asked.runs}: run 'leanzoo export RECIPE' first")
    sys.exit(1 if any(row.said for row in rows) else 0)


def list_exports(runs: Path) -> Iterator[Artifact]:
    """Every exported graph that is served and takes no strings."""
    for file in sorted(runs.glob("*/onnx/*/*/artifact.json")):
        artifact = Artifact.load(file.parent)
        assert artifact.signature is not None
        text = any(spec.dtype == "object" for spec in artifact.signature.inputs)
        if artifact.kind == "onnx" and artifact.metrics["served"] and not text:
            yield artifact


def check(artifact: Artifact, runs: Path) -> Row:
    """Build, run, compare and time one."""
    precision = artifact.metrics["precision"]
    assert artifact.signature is not None
    try:
        golden = Golden.load(artifact.path, artifact.signature)
        recipe = artifact.path.parents[2].name
        made = export_engines(artifact, runs / recipe / FOLDER / precision, PLAN, [])
        tensorrt = load_tensorrt(PLAN)
        engine = load_engine(made.path, PLAN, present_sm(), tensorrt.__version__)
        plan = Plan(tensorrt, engine, artifact)
        if wrong := golden.mismatch(plan.run(dict(golden.inputs))):
            raise ExportError(f"golden rows: {wrong}")
    except LeanzooError as error:
        return Row(artifact.model, precision, str(error))
    session = open_session(load_graph(artifact))
    asks = [plan.run, lambda arrays: session.run(None, arrays)]
    return Row(artifact.model, precision, "", *p50s_us(asks, [dict(golden.inputs)]))


def line(row: Row) -> str:
    """A row of the table."""
    found = row.said or (
        f"answers as recorded; TensorRT {row.tensorrt_us:.0f} µs, ONNX Runtime on the CPU "
        f"{row.onnxruntime_us:.0f} µs"
    )
    return f"{row.model:32} {row.precision:13} {found}"


class Plan:
    """A plan in TensorRT's runtime; inputs are copied to the GPU and answers back.

    Args:
        tensorrt: the module.
        content: the plan.
        artifact: whose tensors it takes and gives.
    """

    def __init__(self, tensorrt: Any, content: bytes, artifact: Artifact) -> None:
        runtime = tensorrt.Runtime(tensorrt.Logger(tensorrt.Logger.ERROR))
        self._engine = runtime.deserialize_cuda_engine(content)
        if self._engine is None:
            raise ExportError(f"TensorRT cannot load its own plan of {artifact.model}")
        self._context = self._engine.create_execution_context()
        assert artifact.signature is not None
        self._outputs = artifact.signature.outputs

    def run(self, arrays: Arrays) -> Arrays:
        """The answer to one request."""
        import torch

        stream = torch.cuda.current_stream()
        held = {
            name: torch.from_numpy(np.ascontiguousarray(a)).cuda() for name, a in arrays.items()
        }
        for name, tensor in held.items():
            self._context.set_input_shape(name, tuple(tensor.shape))
            self._context.set_tensor_address(name, tensor.data_ptr())
        answers = {}
        for spec in self._outputs:
            shape = tuple(self._context.get_tensor_shape(spec.name))
            tensor = torch.empty(shape, dtype=getattr(torch, spec.dtype), device="cuda")
            answers[spec.name] = tensor
            self._context.set_tensor_address(spec.name, tensor.data_ptr())
        if not self._context.execute_async_v3(stream.cuda_stream):
            raise ExportError("TensorRT could not run its plan")
        stream.synchronize()
        return {name: tensor.cpu().numpy() for name, tensor in answers.items()}


if __name__ == "__main__":
    main()
