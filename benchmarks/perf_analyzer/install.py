"""Finds perf_analyzer: unpacked from a wheel into the cache, never installed.

tritonclient 2.44.0        the binary; later wheels hold none
libcudart.so.12            of another wheel; the binary is linked to it and does not use it here
libb64.so.0d               of the system, else of Debian's package libb64-0d, into the cache
"""

from __future__ import annotations

import ctypes.util
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environments import ComparisonError, last_line
from serving.wheels import Wheel, unpacked
from zoo.artifact import staging

BINARY = "tritonclient-2.44.0.data/data/bin/perf_analyzer"
CUDA = "nvidia/cuda_runtime/lib"
CLIENT_WHEEL = Wheel(
    project="tritonclient==2.44.0",
    file="tritonclient-2.44.0-py3-none-manylinux1_x86_64.whl",
    sha256="ed8a64ecbb7594ea196dfdc9678d6356b24fdf484995f53400004a195ef33749",
    size_mb=13,
    wanted=(BINARY,),
    executables=("perf_analyzer",),
)
CUDA_WHEEL = Wheel(
    project="nvidia-cuda-runtime-cu12==12.4.127",
    file="nvidia_cuda_runtime_cu12-12.4.127-py3-none-manylinux2014_x86_64.whl",
    sha256="64403288fa2136ee8e467cdc9c9427e0434110899d07c779f25b5c068934faa5",
    size_mb=1,
    wanted=(f"{CUDA}/libcudart.so.12",),
)
B64, B64_PACKAGE = "libb64.so.0d", "libb64-0d"
ADVICE = f"perf_analyzer needs {B64}: install the package {B64_PACKAGE} (Debian, Ubuntu)"
APT_TIMEOUT_S = 120


@dataclass(frozen=True)
class Install:
    """A perf_analyzer on this machine.

    Attributes:
        binary: the executable.
        libraries: folders that its libraries are in, beyond the system's.
    """

    binary: Path
    libraries: tuple[Path, ...]

    @property
    def environment(self) -> dict[str, str]:
        """Under which it starts."""
        folders = [*map(str, self.libraries), os.environ.get("LD_LIBRARY_PATH", "")]
        return {**os.environ, "LD_LIBRARY_PATH": ":".join(filter(None, folders))}


def find(cache: Path | None = None) -> Install:
    """perf_analyzer, fetched into ``cache`` on first use.

    Args:
        cache: default ``LEANZOO_CACHE``, else ``~/.cache/leanzoo``.

    Raises:
        ServerMissing: a wheel cannot be fetched, or is not the file expected.
        ComparisonError: a library is missing, naming the package to install.
    """
    cache = Path(cache or os.environ.get("LEANZOO_CACHE") or Path.home() / ".cache" / "leanzoo")
    binary = unpacked(CLIENT_WHEEL, cache) / BINARY
    libraries = [unpacked(CUDA_WHEEL, cache) / CUDA]
    if ctypes.util.find_library("b64") != B64:
        libraries.append(_b64(cache))
    return Install(binary, tuple(libraries))


def _b64(cache: Path) -> Path:
    """The folder with Debian's libb64, unpacked without being installed."""
    target = cache / B64_PACKAGE
    if not target.is_dir():
        for tool in ("apt-get", "dpkg-deb"):
            if shutil.which(tool) is None:
                raise ComparisonError(f"{ADVICE}; there is no {tool} here that would fetch it")
        with tempfile.TemporaryDirectory(dir=cache, prefix=".apt-") as scratch:
            _run(["apt-get", "download", B64_PACKAGE], Path(scratch))
            packages = [*Path(scratch).glob("*.deb")]
            with staging(target) as folder:
                _run(["dpkg-deb", "-x", str(packages[0]), str(folder)], Path(scratch))
    found = [*target.glob(f"usr/lib/*/{B64}")]
    if not found:
        raise ComparisonError(f"{ADVICE}; {target} does not hold it: remove that folder")
    return found[0].parent


def _run(command: list[str], folder: Path) -> None:
    """Raises: ComparisonError: the command failed."""
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=APT_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        raise ComparisonError(f"{ADVICE}; {command[0]} did not end within its time") from None
    if done.returncode:
        raise ComparisonError(f"{ADVICE}; {command[0]} failed ({last_line(done.stderr)})")
