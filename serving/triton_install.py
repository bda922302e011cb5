"""Finds a tritonserver, in this order:

LEANZOO_TRITON            a binary, or the folder that holds bin/tritonserver
PATH, /opt/tritonserver   an installed server, such as in NVIDIA's container
the cache                 the server inside the wheel nvidia-pytriton, fetched once, never
                          installed: Triton 2.51 of 2024, for development and loopback only
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from serving.errors import ServerMissing
from serving.wheels import Wheel, unpacked

VARIABLE = "LEANZOO_TRITON"
SYSTEM_BINARY = Path("/opt/tritonserver/bin/tritonserver")
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

SERVER_WHEEL = Wheel(
    project="nvidia-pytriton==0.7.0",
    file="nvidia_pytriton-0.7.0-py3-none-manylinux_2_35_x86_64.whl",
    sha256="21f063ff93bb426d0c06b7a55e7eb9efcfe62c0dddd9a908e9877e18710128df",
    size_mb=55,
    wanted=("pytriton/tritonserver/", "nvidia_pytriton.libs/"),
    executables=("tritonserver", "triton_python_backend_stub"),
)
NUMPY_SHA256 = {
    "3.10": "ffa75af20b44f8dba823498024771d5ac50620e6915abac414251bd971b4529f",
    "3.11": "666dbfb6ec68962c033a450943ded891bed2d54e6755e35e5835d63f4f6931d5",
    "3.12": "675d61ffbfa78604709862923189bad94014bef562cc35cf61d3a07bba02a7ed",
}


@dataclass(frozen=True)
class ServerInstall:
    """A tritonserver on this machine.

    Attributes:
        binary: the executable.
        backends: the folder of its backends.
        stub: the wheel's Python stub for this Python; None where the server brings its own.
        numpy: the folder of a numpy that the wheel's stub can work with.
    """

    binary: Path
    backends: Path
    stub: Path | None = None
    numpy: Path | None = None

    @property
    def has_onnxruntime(self) -> bool:
        """Whether it brings NVIDIA's C++ backend for ONNX models."""
        return (self.backends / "onnxruntime" / "libtriton_onnxruntime.so").exists()

    @property
    def runs_onnx_in(self) -> str:
        """What answers ONNX models, in words."""
        return "NVIDIA's backend" if self.has_onnxruntime else "Triton's Python-based backend"


def find_server(cache: Path | None = None) -> ServerInstall:
    """Find a tritonserver, fetching one into ``cache`` if there is none.

    Args:
        cache: default ``LEANZOO_CACHE``, else ``~/.cache/leanzoo``.

    Raises:
        ServerMissing: naming every place tried and how to supply a server by hand.
    """
    cache = Path(cache or os.environ.get("LEANZOO_CACHE") or Path.home() / ".cache" / "leanzoo")
    if given := os.environ.get(VARIABLE):
        return _describe(_binary_in(Path(given)), cache)
    installed = shutil.which("tritonserver")
    if installed or SYSTEM_BINARY.exists():
        return _describe(Path(installed or SYSTEM_BINARY), cache)
    try:
        folder = unpacked(SERVER_WHEEL, cache)
    except ServerMissing as error:
        raise ServerMissing(
            f"no tritonserver: {VARIABLE} is not set, none on PATH or in {SYSTEM_BINARY.parent}, "
            f"and {error}, or set {VARIABLE} to a server"
        ) from None
    return _describe(folder / "pytriton" / "tritonserver" / "bin" / "tritonserver", cache)


def _binary_in(given: Path) -> Path:
    """The executable that ``LEANZOO_TRITON`` means."""
    for candidate in (given, given / "tritonserver", given / "bin" / "tritonserver"):
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate
    raise ServerMissing(
        f"{VARIABLE} is {given}, which is no tritonserver and no folder with bin/tritonserver: "
        "correct it, or unset it to search elsewhere"
    )


def _describe(binary: Path, cache: Path) -> ServerInstall:
    """What lies around an executable.

    Raises:
        ServerMissing: no backends, or nothing for this Python.
    """
    binary = binary.resolve()
    root = binary.parents[1]
    backends, stubs = root / "backends", root / "python_backend_stubs"
    if not backends.is_dir():
        raise ServerMissing(f"{binary} has no {backends}: set {VARIABLE} to a complete server")
    if not stubs.is_dir():
        return ServerInstall(binary, backends)
    stub = stubs / PYTHON / "triton_python_backend_stub"
    if not stub.is_file() or PYTHON not in NUMPY_SHA256:
        raise ServerMissing(
            f"{binary} cannot serve from Python {PYTHON}: use one of {sorted(NUMPY_SHA256)}, "
            f"or set {VARIABLE} to a server with its own onnxruntime backend"
        )
    return ServerInstall(binary, backends, stub, unpacked(_numpy_wheel(), cache))


def _numpy_wheel() -> Wheel:
    """A numpy below 2: with a newer one the wheel's stub, built with pybind11 < 2.12, hands
    over tensors that hold their first element only, without an error."""
    tag = f"cp{PYTHON.replace('.', '')}"
    return Wheel(
        project="numpy==1.26.4",
        file=f"numpy-1.26.4-{tag}-{tag}-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        sha256=NUMPY_SHA256[PYTHON],
        size_mb=18,
    )
