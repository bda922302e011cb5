"""What stages hand to each other: tensor signatures and artifacts on disk (stdlib + numpy only).

Every folder a stage writes is an artifact:

    <folder>/
      artifact.json     kind, model, signature, recipe, metrics, parents, made_with, files
      <file> ...        each named in ``files`` with its sha256

and every error a user can cause is a ``LeanzooError`` with a message of one line:

    LeanzooError
    ├── SignatureError    arrays that a model does not accept
    ├── ArtifactError     a missing, half-written or changed artifact
    ├── RecipeError       zoo.spec: an unknown recipe, model or key
    ├── DataError         zoo.sources: a dataset that cannot be had or used
    ├── ExportError       export: a graph that fails a gate
    └── ServingError      serving: no server, no such model, a failed call
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

ARTIFACT_FILE = "artifact.json"


class LeanzooError(Exception):
    """A failure whose message says what was wrong, what was expected and what to do."""


class SignatureError(LeanzooError):
    """Arrays that do not fit a model's signature."""


class ArtifactError(LeanzooError):
    """An artifact that is missing, half-written or not what its manifest says."""


def near(name: str, known: Iterable[str]) -> str:
    """A hint naming the entries of ``known`` that look like ``name``."""
    options = sorted(known)
    close = difflib.get_close_matches(name, options, n=3, cutoff=0.4) or options[:8]
    return f"did you mean {', '.join(close)}?" if close else "there is none yet"


@dataclass(frozen=True)
class TensorSpec:
    """One named tensor.

    Attributes:
        name: its name in ONNX, Triton and requests.
        dtype: a numpy dtype name, such as ``float32``; ``object`` holds strings.
        shape: its axes without the batch axis; a string is a named dynamic axis.
        doc: meaning and unit.
        high: exclusive upper bound of ids; an axis name bounds them by that axis' size.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    doc: str
    high: int | str | None = None


@dataclass(frozen=True)
class Signature:
    """What goes into a model and what comes out.

    ``max_batch`` > 0: axis 0 of every tensor is the batch and is left out of the shapes.
    ``max_batch`` = 0: the model has no batch axis; shapes are complete.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    max_batch: int

    def check(self, arrays: Mapping[str, np.ndarray]) -> int:
        """Check a request against the inputs.

        Args:
            arrays: one array per input, by name.

        Returns:
            The batch size; 0 for a model without a batch axis.

        Raises:
            SignatureError: naming the first input at fault and the remedy.
        """
        names = [spec.name for spec in self.inputs]
        for name in arrays:
            if name not in names:
                raise SignatureError(f"unknown input '{name}': {near(name, names)}")
        sizes: dict[str, int] = {}
        for spec in self.inputs:
            if spec.name not in arrays:
                raise SignatureError(f"input '{spec.name}' is missing: expected {names}")
            _check_shape(spec, np.asarray(arrays[spec.name]), self.max_batch, sizes)
        for spec in self.inputs:
            _check_values(spec, np.asarray(arrays[spec.name]), sizes)
        return sizes["batch"] if self.max_batch else 0

    def sample(self, batch: int, seed: int = 0) -> dict[str, np.ndarray]:
        """Random arrays that pass ``check``; every named axis gets the size ``batch``."""
        rng = np.random.default_rng(seed)
        lead = (batch,) if self.max_batch else ()
        arrays: dict[str, np.ndarray] = {}
        for spec in self.inputs:
            shape = lead + tuple(batch if isinstance(n, str) else n for n in spec.shape)
            if np.issubdtype(np.dtype(spec.dtype), np.integer):
                high = batch if isinstance(spec.high, str) else (spec.high or 2)
                arrays[spec.name] = rng.integers(0, high, shape).astype(spec.dtype)
            elif spec.dtype == "object":
                arrays[spec.name] = rng.integers(0, 1000, shape).astype(str).astype(object)
            else:
                arrays[spec.name] = rng.random(shape).astype(spec.dtype)
        return arrays

    @staticmethod
    def from_dict(raw: Mapping[str, Any]) -> Signature:
        """The inverse of ``dataclasses.asdict``."""

        def tensors(key: str) -> tuple[TensorSpec, ...]:
            return tuple(TensorSpec(**{**t, "shape": tuple(t["shape"])}) for t in raw[key])

        return Signature(tensors("inputs"), tensors("outputs"), int(raw["max_batch"]))


def _check_shape(
    spec: TensorSpec, array: np.ndarray, max_batch: int, sizes: dict[str, int]
) -> None:
    """Check dtype and axes; ``sizes`` collects the named axes seen so far."""
    if array.dtype != np.dtype(spec.dtype):
        raise SignatureError(
            f"input '{spec.name}' has dtype {array.dtype}: expected {spec.dtype}; convert it first"
        )
    axes: tuple[int | str, ...] = (("batch",) if max_batch else ()) + spec.shape
    expected = "(" + ", ".join(map(str, axes)) + ")"
    if array.ndim != len(axes):
        raise SignatureError(f"input '{spec.name}' has shape {array.shape}: expected {expected}")
    for axis, size in zip(axes, array.shape, strict=True):
        want = sizes.setdefault(axis, size) if isinstance(axis, str) else axis
        if size != want:
            raise SignatureError(
                f"input '{spec.name}' has shape {array.shape}: expected {expected}"
                + (f" with {axis} = {want}" if isinstance(axis, str) else "")
            )
    if max_batch and not 1 <= array.shape[0] <= max_batch:
        raise SignatureError(
            f"input '{spec.name}' has {array.shape[0]} rows: expected 1 to {max_batch}; split it"
        )


def _check_values(spec: TensorSpec, array: np.ndarray, sizes: Mapping[str, int]) -> None:
    """Refuse NaN, infinities and ids out of range."""
    if array.size == 0:
        return
    if np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all():
            row = np.argwhere(~np.isfinite(np.atleast_1d(array)))[0][0]
            raise SignatureError(f"input '{spec.name}' is NaN or infinite in row {row}: clean it")
    elif array.dtype == np.dtype(object):
        for item in array.ravel():
            if not isinstance(item, str):
                raise SignatureError(f"input '{spec.name}' holds {item!r}: expected strings only")
    elif spec.high is not None:
        high = sizes[spec.high] if isinstance(spec.high, str) else spec.high
        low_id, high_id = int(array.min()), int(array.max())
        if low_id < 0 or high_id >= high:
            bad = low_id if low_id < 0 else high_id
            raise SignatureError(
                f"input '{spec.name}' holds id {bad}: expected 0 <= id < {high}; "
                "drop ids the model was not trained with"
            )


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
        del raw["path"]
        text = json.dumps(raw, indent=1, sort_keys=True, allow_nan=False) + "\n"
        (folder / ARTIFACT_FILE).write_text(text)
        return replace(self, files=files)

    @staticmethod
    def load(path: Path | str, verify: bool = True) -> Artifact:
        """Read an artifact and check that its files are the ones that were written.

        Raises:
            ArtifactError: no manifest, a missing, extra or changed file, or a link.
        """
        path = Path(path)
        try:
            raw = json.loads((path / ARTIFACT_FILE).read_text())
            signature = Signature.from_dict(raw.pop("signature")) if raw["signature"] else None
            raw.pop("signature", None)
            artifact = Artifact(path=path, signature=signature, **raw)
            if not all(isinstance(value, dict) for value in (artifact.recipe, artifact.files)):
                raise TypeError("recipe and files must be tables")
        except (FileNotFoundError, NotADirectoryError):
            raise ArtifactError(
                f"{path} has no {ARTIFACT_FILE}: not an artifact, or half-written; make it again"
            ) from None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
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
        present = {
            str(p.relative_to(self.path))
            for p in self.path.rglob("*")
            if p.is_symlink() or not p.is_dir()
        }
        for name in sorted(present - set(self.files) - {ARTIFACT_FILE}):
            raise ArtifactError(f"{self.path / name} is not in the manifest; remove it")
        for name, digest in self.files.items():
            file = self.path / name
            if not file.is_file():
                raise ArtifactError(f"{file} is missing; make the artifact again")
            if file.is_symlink() or file.stat().st_nlink > 1:
                raise ArtifactError(f"{file} is a link: artifacts hold plain files; copy it")
            if sha256_file(file) != digest:
                raise ArtifactError(f"{file} was changed (sha256 differs); make the artifact again")


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
