"""The least time that a graph's work takes on this machine: its roofline.

The work is the larger of two times, since a processor computes while it reads: all operations at
the rate of matrix products, and the bytes that must move at the bandwidth of the level that holds
them. That is the smallest cache in which weights, inputs and outputs fit together, since each call
finds there what the last one left; what no cache holds comes from memory.

It is a bound, not a forecast. Additions or exponentials do not run at the rate of matrix products,
and operators that are not fused do move their results. What a call costs by itself is not in it:
``Rates.call_ms`` says that, and an identity model.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.floor.costs import Cost
from benchmarks.floor.rates import Rates

ARITHMETIC, CACHE, MEMORY = "arithmetic", "cache", "memory"


@dataclass(frozen=True)
class Floor:
    """The least time, and what it is spent on.

    Attributes:
        ms: the time.
        bound: ``arithmetic``, or reads and writes of a ``cache`` or of ``memory``.
    """

    ms: float
    bound: str


def floor_of(cost: Cost, rates: Rates) -> Floor:
    """The least time of some work.

    Args:
        cost: what has to be done.
        rates: of the machine.
    """
    whole, moved = cost.int8_ops, cost.bytes_read + cost.bytes_written
    arithmetic_ms = ((cost.flops - whole) / rates.gemm_gflops + whole / rates.int8_gops) / 1e6
    gb_s, level = rates.memory_gb_s, MEMORY
    if moved <= rates.l2_bytes:
        gb_s, level = rates.l2_gb_s, CACHE
    elif moved <= rates.l3_bytes:
        gb_s, level = rates.l3_gb_s, CACHE
    moving_ms = moved / gb_s / 1e6
    if arithmetic_ms >= moving_ms:
        return Floor(arithmetic_ms, ARITHMETIC)
    return Floor(moving_ms, level)
