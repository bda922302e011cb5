"""Finds a tritonserver, in this order:

    LEANZOO_TRITON            a binary, or the folder that holds bin/tritonserver
    PATH, /opt/tritonserver   an installed server, such as in NVIDIA's container
    the cache                 the server inside the wheel nvidia-pytriton, fetched once, never
                              installed: Triton 2.51 of 2024, for development and loopback only
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from serving.errors import ServerMissing, one_line
from zoo.contract import sha256_file, staging

VARIABLE = "LEANZOO_TRITON"
SYSTEM_BINARY = Path("/opt/tritonserver/bin/tritonserver")
WHEEL = "nvidia_pytriton-0.7.0-py3-none-manylinux_2_35_x86_64.whl"
WHEEL_PROJECT = "nvidia-pytriton==0.7.0"
WHEEL_SHA256 = "21f063ff93bb426d0c06b7a55e7eb9efcfe62c0dddd9a908e9877e18710128df"
FETCH_TIMEOUT_S = 900.0


@dataclass(frozen=True)
class ServerInstall:
    """A tritonserver on this machine.

    Attributes:
        binary: the executable.
        backends: the folder of its backends.
        stub: the Python backend's stub for this Python; None where the server has its own.
    """

    binary: Path
    backends: Path
    stub: Path | None

    @property
    def has_onnxruntime(self) -> bool:
        """Whether it brings NVIDIA's C++ backend for ONNX models."""
        return (self.backends / "onnxruntime" / "libtriton_onnxruntime.so").exists()


def find_server(cache: Path | None = None) -> ServerInstall:
    """Find a tritonserver, fetching one into ``cache`` if there is none.

    Args:
        cache: default ``LEANZOO_CACHE``, else ``~/.cache/leanzoo``.

    Raises:
        ServerMissing: naming every place tried and how to supply a server by hand.
    """
    if given := os.environ.get(VARIABLE):
        return _describe(_binary_in(Path(given)))
    installed = shutil.which("tritonserver")
    if installed or SYSTEM_BINARY.exists():
        return _describe(Path(installed or SYSTEM_BINARY))
    default = os.environ.get("LEANZOO_CACHE") or Path.home() / ".cache" / "leanzoo"
    return _describe(_fetched(Path(cache or default)))


def _binary_in(given: Path) -> Path:
    """The executable that ``LEANZOO_TRITON`` means."""
    for candidate in (given, given / "tritonserver", given / "bin" / "tritonserver"):
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate
    raise ServerMissing(
        f"{VARIABLE} is {given}, which is no tritonserver and no folder with bin/tritonserver: "
        "correct it, or unset it to search elsewhere"
    )


def _describe(binary: Path) -> ServerInstall:
    """What lies around an executable.

    Raises:
        ServerMissing: no backends, or no stub for this Python.
    """
    root = binary.resolve().parents[1]
    backends = root / "backends"
    if not backends.is_dir():
        raise ServerMissing(f"{binary} has no {backends}: set {VARIABLE} to a complete server")
    stubs = root / "python_backend_stubs"
    if not stubs.is_dir():
        return ServerInstall(binary, backends, None)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = stubs / python / "triton_python_backend_stub"
    if not stub.is_file():
        known = sorted(p.name for p in stubs.iterdir())
        raise ServerMissing(f"{root} has no stub for Python {python}: use one of {known}")
    return ServerInstall(binary, backends, stub)


def _fetched(cache: Path) -> Path:
    """The executable in the cache, put there on first use."""
    target = cache / "triton-2.51"
    binary = target / "pytriton" / "tritonserver" / "bin" / "tritonserver"
    if not binary.exists():
        with _lock(cache / "triton.lock"):
            if not binary.exists():
                _unpack(cache, target)
    return binary


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """One process at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _unpack(cache: Path, target: Path) -> None:
    """Unpack the wheel: one laid into the cache by hand, else one from the package index."""
    with tempfile.TemporaryDirectory(dir=cache, prefix=".wheel-") as scratch:
        wheel = cache / WHEEL
        if not wheel.exists():
            wheel = Path(scratch) / WHEEL
            _download(wheel, cache)
        if sha256_file(wheel) != WHEEL_SHA256:
            raise ServerMissing(f"{wheel} is not the wheel expected (sha256 differs): remove it")
        with staging(target) as folder, zipfile.ZipFile(wheel) as archive:
            wanted = ("pytriton/tritonserver/", "nvidia_pytriton.libs/")
            archive.extractall(folder, [n for n in archive.namelist() if n.startswith(wanted)])
            for name in ("tritonserver", "triton_python_backend_stub"):
                for file in folder.rglob(name):
                    file.chmod(0o755)


def _download(wheel: Path, cache: Path) -> None:
    """Fetch the wheel with pip, into the folder of ``wheel``.

    Raises:
        ServerMissing: with pip's last word.
    """
    print(f"fetching a Triton server ({WHEEL_PROJECT}, 55 MB, once) into {cache}", file=sys.stderr)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--no-input", "--disable-pip-version-check", "--quiet"]
    command += ["--dest", str(wheel.parent), WHEEL_PROJECT]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_TIMEOUT_S)
        cause = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    except subprocess.TimeoutExpired:
        cause = f"not finished after {FETCH_TIMEOUT_S:g} s"
    if not wheel.exists():
        raise ServerMissing(
            f"no tritonserver: {VARIABLE} is not set, none on PATH or in {SYSTEM_BINARY.parent}, "
            f"and pip cannot fetch {WHEEL_PROJECT} ({one_line(cause)}); set {VARIABLE} to a "
            f"server, or put {WHEEL} into {cache}"
        )
