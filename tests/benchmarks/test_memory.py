"""The estimate of a graph's memory, against a graph that can be counted by hand."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from benchmarks.memory import peak_bytes


def test_peak_of_a_small_graph(tmp_path: Path) -> None:
    """x → x·w → its ReLU → its sum: both middles are alive at the peak."""
    weight = onnx.numpy_helper.from_array(np.ones((8, 32), np.float32), "w")
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["h"]),
            helper.make_node("Relu", ["h"], ["r"]),
            helper.make_node("ReduceSum", ["r"], ["y"], keepdims=0),
        ],
        "toy",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["nodes", 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [weight],
    )
    file = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), file)
    nodes = 1000
    assert peak_bytes(file, {"x": (nodes, 8)}) == 4 * 2 * nodes * 32
