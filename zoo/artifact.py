"""What stages hand to each other: folders whose every file is known by its sha256.

    <folder>/
      artifact.json     kind, model, signature, recipe, metrics, parents, made_with, files
      <file> ...        each named in ``files`` with its sha256

An artifact is written beside its place and renamed into it, and is checked whenever it is read:
first what its files may be (``zoo.intake``), then that they are the ones that were written.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from zoo.contract import LeanzooError, Signature
from zoo.intake import file_fault, name_fault, size_fault

ARTIFACT_FILE = "artifact.json"


class ArtifactError(LeanzooError):
    """An artifact that is missing, half-written or not what its manifest says."""


@dataclass(frozen=True)
class Artifact:
    """A folder a stage wrote, and why it can be trusted.

    Attributes:
        path: the folder.
        kind: ``checkpoint``, ``onnx`` or ``published``.
        model: model id, such as ``mlp-citeseer``.
        signature: what goes in and out; None where the kind has none.
        recipe: how the weights were made, as plain JSON.
        metrics: what was measured about it, as plain JSON.
        parents: role → identity of the artifacts it came from.
        made_with: package → version.
        files: file name → sha256.
    """

    path: Path
    kind: str
    model: str
    signature: Signature | None
    recipe: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    made_with: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """sha256 over the manifest's file hashes: the identity children refer to."""
        return sha256_bytes(json.dumps(self.files, sort_keys=True).encode())

    def write(self, folder: Path) -> Artifact:
        """Hash every file in ``folder`` and write its ``artifact.json``.

        Args:
            folder: a staging folder holding the finished files.

        Returns:
            This artifact with ``files`` filled; its ``path`` is unchanged.
        """
        files = {
            str(p.relative_to(folder)): sha256_file(p)
            for p in sorted(folder.rglob("*"))
            if p.is_file() and p != folder / ARTIFACT_FILE
        }
        raw = {**asdict(self), "files": files}
        raw["signature"] = self.signature.to_dict() if self.signature else None
        del raw["path"]
        text = json.dumps(raw, indent=1, sort_keys=True, allow_nan=False) + "\n"
        (folder / ARTIFACT_FILE).write_text(text)
        return replace(self, files=files)

    @staticmethod
    def load(path: Path | str, verify: bool = True) -> Artifact:
        """Read an artifact and check that its files are the ones that were written.

        Raises:
            ArtifactError: no manifest, a missing, extra or changed file, a link, or a file that
                artifacts may not hold.
        """
        path = Path(path)
        try:
            raw = json.loads(_read_manifest(path / ARTIFACT_FILE))
            signature = Signature.from_dict(raw.pop("signature")) if raw["signature"] else None
            raw.pop("signature", None)
            artifact = Artifact(path=path, signature=signature, **raw)
            if not all(isinstance(value, dict) for value in (artifact.recipe, artifact.files)):
                raise TypeError("recipe and files must be tables")
        except (FileNotFoundError, NotADirectoryError):
            raise ArtifactError(
                f"{path} has no {ARTIFACT_FILE}: not an artifact, or half-written; make it again"
            ) from None
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ArtifactError(
                f"{path / ARTIFACT_FILE} cannot be read ({error}); make the artifact again"
            ) from None
        if verify:
            artifact.verify()
        return artifact

    def verify(self) -> None:
        """Check every file against the manifest.

        Raises:
            ArtifactError: naming the first file at fault.
        """
        for name in self.files:
            _check_name(self.path, name)
        for name in sorted(_present(self.path) - set(self.files) - {ARTIFACT_FILE}):
            raise ArtifactError(f"{self.path / name} is not in the manifest; remove it")
        for name, digest in self.files.items():
            check_file(self.path, name, digest)


def check_file(folder: Path, name: str, digest: str) -> None:
    """Check one file against what a manifest says of it.

    Args:
        folder: in which the file must be.
        name: of the file, from the manifest.
        digest: its sha256.

    Raises:
        ArtifactError: it is missing, a link, of a kind that artifacts may not hold, or changed.
    """
    _check_name(folder, name)
    file = folder / name
    if not file.is_file():
        raise ArtifactError(f"{file} is missing; make the artifact again")
    _check_link(file)
    if fault := file_fault(folder, name):
        raise ArtifactError(f"{file} {fault}")
    if sha256_file(file) != digest:
        raise ArtifactError(f"{file} was changed (sha256 differs); make the artifact again")


def _check_name(folder: Path, name: str) -> None:
    if fault := name_fault(name):
        raise ArtifactError(
            f"{folder} is said to hold '{name}', which {fault}: expected names within it; make the "
            "artifact again"
        )


def _check_link(path: Path) -> None:
    if path.is_symlink() or (path.is_file() and path.stat().st_nlink > 1):
        raise ArtifactError(f"{path} is a link: artifacts hold plain files; copy it")


def _read_manifest(file: Path) -> str:
    """The manifest's text.

    Raises:
        OSError: there is none.
        ValueError: it is too large, or no text.
    """
    if fault := size_fault(file):
        raise ValueError(fault)
    return file.read_text()


def _present(folder: Path) -> set[str]:
    """Names of all that is in a folder and is no folder itself.

    Raises:
        ArtifactError: a link, to a file or a folder.
    """
    names = set()
    for path in sorted(folder.rglob("*")):
        _check_link(path)
        if not path.is_dir():
            names.add(str(path.relative_to(folder)))
    return names


def sha256_bytes(data: bytes) -> str:
    """sha256 of bytes, in hex."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """sha256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def versions(*packages: str) -> dict[str, str]:
    """Installed versions of ``packages``, for ``Artifact.made_with``."""
    return {name: metadata.version(name) for name in packages}


@contextlib.contextmanager
def staging(target: Path) -> Iterator[Path]:
    """A scratch folder beside ``target`` that becomes ``target`` when the block succeeds.

    An existing ``target`` is replaced. When the block fails nothing is left behind.

    Raises:
        ArtifactError: the folder cannot be written (disk full, no permission).
    """
    scratch: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        yield scratch
        scratch.chmod(0o755)
        if target.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent))
            os.rename(target, old / "old")
            os.rename(scratch, target)
            shutil.rmtree(old)
        else:
            os.rename(scratch, target)
    except OSError as error:
        raise ArtifactError(
            f"cannot write {target}: {error.strerror or error}; free space or choose another folder"
        ) from error
    finally:
        if scratch is not None and scratch.exists():
            shutil.rmtree(scratch, ignore_errors=True)
