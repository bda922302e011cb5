"""What this machine does at most, measured: the roofs under which any graph runs here.

Arithmetic is that of ONNX Runtime's own MatMul, since that is what the models run on; bandwidth
that of numpy's maximum over integers, which reads as fast as anything here and lets go of the
interpreter, each thread over numbers of its own. Both are the best of several repeats: what was
lost to others on the machine is no property of it. A call is the median, as latencies are.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.floor.identity import identity
from benchmarks.floor.sessions import session_of
from export.graph import IR_VERSION, OPSET
from zoo.contract import Signature, TensorSpec

SIZES = ((256, 256, 256), (512, 512, 512), (1024, 512, 512), (1000, 1024, 512))  # rows, in, out
LEAST_REPEATS, REPEATED_S = 5, 0.3
CALLS = 2000
CHAIN, NUMBERS = 32, 16  # operators, each on so many numbers
READ_BYTES = 2**26  # per repeat, at least
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
USUAL_BYTES = {2: 2**20, 3: 2**25}  # of a cache that the system does not tell of
BEYOND = 8  # times the last cache is memory
SHARE = 8  # part of the last cache that is surely its own


@dataclass(frozen=True)
class Rates:
    """The roofs.

    Attributes:
        threads: with which they were measured.
        gemm_gflops: of fp32 matrix products, 10⁹ operations per second.
        int8_gops: of int8 ones.
        memory_gb_s: reads of far more than the caches hold, 10⁹ bytes per second.
        l3_gb_s: reads of an eighth of the cache that all cores share: others use it too.
        l2_gb_s: reads of half of every core's own cache.
        call_ms: median of a call in process that computes nothing, with one number.
        node_ms: median that one more operator adds to a call, with 16 numbers.
        l2_bytes: what the threads' own caches hold together.
        l3_bytes: what the shared cache holds.
    """

    threads: int
    gemm_gflops: float
    int8_gops: float
    memory_gb_s: float
    l3_gb_s: float
    l2_gb_s: float
    call_ms: float
    node_ms: float
    l2_bytes: int
    l3_bytes: int


def measure_rates(threads: int) -> Rates:
    """Measure this machine, in seconds.

    Args:
        threads: of every session, and how many read at once.
    """
    l2, l3 = cache_bytes(2), cache_bytes(3)
    return Rates(
        threads=threads,
        gemm_gflops=max(_product(size, np.dtype(np.float32), threads) for size in SIZES),
        int8_gops=max(_product(size, np.dtype(np.uint8), threads) for size in SIZES),
        memory_gb_s=_read(BEYOND * l3 // threads, threads),
        l3_gb_s=_read(l3 // SHARE // threads, threads),
        l2_gb_s=_read(l2 // 2, threads),
        call_ms=_call_ms(threads),
        node_ms=(_chain_ms(CHAIN + 1, threads) - _chain_ms(1, threads)) / CHAIN,
        l2_bytes=l2 * threads,
        l3_bytes=l3,
    )


def cache_bytes(level: int) -> int:
    """Size of a core's cache of a level, or of the one that it shares; the usual where untold."""
    for index in sorted(CACHES.glob("index*")):
        if int((index / "level").read_text()) == level:
            return int((index / "size").read_text().strip().removesuffix("K")) * 2**10
    return USUAL_BYTES[level]


def product(size: tuple[int, int, int], dtype: np.dtype) -> onnx.ModelProto:
    """A matrix product as a graph, with constant weights.

    Args:
        size: rows, entries of a row, entries of an answer's row.
        dtype: of the rows: ``float32``, or ``uint8`` with weights of int8, as quantised models have
            them.
    """
    _, inner, outer = size
    whole = dtype != np.float32
    numbers = np.random.default_rng(0).integers(-100, 100, (inner, outer))
    weight = numbers.astype(np.int8 if whole else dtype)
    kind = helper.np_dtype_to_tensor_dtype(dtype)
    answer = TensorProto.INT32 if whole else kind
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger" if whole else "MatMul", ["x", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", kind, ["rows", inner])],
        [helper.make_tensor_value_info("y", answer, ["rows", outer])],
        [numpy_helper.from_array(weight, "w")],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def _product(size: tuple[int, int, int], dtype: np.dtype, threads: int) -> float:
    """10⁹ operations per second."""
    session = session_of(product(size, dtype), threads)
    x = np.ones(size[:2], dtype)
    least_s = _least_s(lambda: session.run(None, {"x": x}))
    return 2 * float(np.prod(size, dtype=np.int64)) / least_s / 1e9


def _read(size_bytes: int, threads: int) -> float:
    """10⁹ bytes per second, of threads that each read so many again and again."""
    times = max(1, READ_BYTES // size_bytes)
    # of ones: zeros that nobody wrote are one page of memory
    arrays = [np.ones(size_bytes // 4, np.int32) for _ in range(threads)]
    # one call reads the same numbers several times, so that calls do not count
    views = [np.broadcast_to(array, (times, array.size)) for array in arrays]
    with ThreadPoolExecutor(threads) as pool:
        least_s = _least_s(lambda: list(pool.map(lambda view: view.max(axis=1), views)))
    return threads * times * arrays[0].nbytes / least_s / 1e9


def _call_ms(threads: int) -> float:
    spec = TensorSpec("x", "float32", (1,), "")
    graph = identity(Signature((spec,), (TensorSpec("y", "float32", (1,), ""),), max_batch=1))
    return _median_ms(session_of(graph, threads), np.zeros((1, 1), np.float32))


def _chain_ms(nodes: int, threads: int) -> float:
    """Median of a call that adds the same numbers again and again."""
    names = ["x", *(f"sum_{node}" for node in range(1, nodes)), "y"]
    graph = helper.make_graph(
        [helper.make_node("Add", [a, "b"], [c]) for a, c in itertools.pairwise(names)],
        "chain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", NUMBERS])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", NUMBERS])],
        [numpy_helper.from_array(np.ones(NUMBERS, np.float32), "b")],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    return _median_ms(session_of(model, threads), np.ones((1, NUMBERS), np.float32))


def _median_ms(session: onnxruntime.InferenceSession, x: np.ndarray) -> float:
    took_s = [_seconds(lambda: session.run(None, {"x": x})) for _ in range(CALLS)]
    return float(np.median(took_s)) * 1000


def _least_s(what: Callable[[], object]) -> float:
    """The shortest of several repeats, long enough that one of them is undisturbed."""
    took_s: list[float] = []
    while len(took_s) < LEAST_REPEATS or sum(took_s) < REPEATED_S:
        took_s.append(_seconds(what))
    return min(took_s)


def _seconds(what: Callable[[], object]) -> float:
    began = time.perf_counter()
    what()
    return time.perf_counter() - began
