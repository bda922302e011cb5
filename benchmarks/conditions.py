"""Under which conditions something was measured: machine, load, versions, commit."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import psutil

from zoo.artifact import versions

REPOSITORY = Path(__file__).parents[1]


def machine() -> dict[str, Any]:
    """Processor, cores, memory, and the load average of the last minute."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_average": round(os.getloadavg()[0], 2),
    }


class Watch:
    """Records the machine's state from now on.

    Args:
        threads: of the measured runtime.
    """

    def __init__(self, threads: int) -> None:
        self._before = {**machine(), "threads": threads}
        self._times = psutil.cpu_times()

    def machine(self) -> dict[str, Any]:
        """The machine as it was at the start; ``steal`` is the fraction of the time since."""
        now = psutil.cpu_times()
        stolen = getattr(now, "steal", 0.0) - getattr(self._times, "steal", 0.0)
        return self._before | {"steal": round(stolen / max(sum(now) - sum(self._times), 1e-9), 4)}


def software() -> dict[str, str]:
    """Versions of what was measured and of what measured it."""
    packages = ("onnxruntime", "torch", "tritonclient", "mlcommons-loadgen", "numpy", "scipy")
    return {"python": platform.python_version(), **versions(*packages)}


def git_sha() -> str:
    """The commit, with ``-dirty`` where files differ from it; ``unknown`` outside a repository."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def available_bytes() -> int:
    """Memory that can be had without swapping."""
    return int(psutil.virtual_memory().available)


def _cpu() -> str:
    """The processor's name, on Linux with family and model: virtual machines hide the rest."""
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return platform.processor() or platform.machine()
    lines = (line.partition(":") for line in info.read_text().splitlines())
    found = {key.strip(): value.strip() for key, _, value in lines}
    name = found.get("model name", platform.machine())
    return f"{name} (family {found.get('cpu family', '?')}, model {found.get('model', '?')})"
