"""What goes into a model and what comes out (stdlib + numpy only).

Every error a user can cause is a ``LeanzooError`` with a message of one line:

    LeanzooError
    ├── SignatureError    arrays that a model does not accept
    ├── ArtifactError     zoo.artifact: a missing, half-written or changed artifact
    ├── RecipeError       zoo.recipes: an unknown recipe, model or key
    ├── DataError         zoo.sources: a dataset that cannot be had or used
    ├── ExportError       export: a graph that fails a gate
    └── ServingError      serving: no server, no such model, a failed call
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


class LeanzooError(Exception):
    """A failure whose message says what was wrong, what was expected and what to do."""


class SignatureError(LeanzooError):
    """Arrays that do not fit a model's signature."""


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
        high: exclusive upper bound of ids; an axis name bounds them by that axis' size, a tuple
            holds one bound per column.
        columns: what the entries of the last axis are, such as the fields of a row; a name that
            repeats belongs to a list.
        missing: NaN, or in strings the empty one, is accepted and means that a value is missing.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    doc: str
    high: int | str | tuple[int, ...] | None = None
    columns: tuple[str, ...] = ()
    missing: bool = False


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

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON; a tensor says nothing of columns and missing values where it has none."""
        raw = asdict(self)
        for tensor in (*raw["inputs"], *raw["outputs"]):
            for key in ("columns", "missing"):
                if not tensor[key]:
                    del tensor[key]
        return raw

    @staticmethod
    def from_dict(raw: Mapping[str, Any]) -> Signature:
        """The inverse of ``to_dict`` and of ``dataclasses.asdict``."""

        def tensors(key: str) -> tuple[TensorSpec, ...]:
            return tuple(TensorSpec(**{k: _frozen(v) for k, v in t.items()}) for t in raw[key])

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


def _frozen(value: Any) -> Any:
    """JSON's lists as the tuples they were."""
    return tuple(value) if isinstance(value, list) else value


def _check_values(spec: TensorSpec, array: np.ndarray, sizes: Mapping[str, int]) -> None:
    """Refuse NaN, infinities and ids out of range."""
    if array.size == 0:
        return
    if np.issubdtype(array.dtype, np.floating):
        _check_numbers(spec, array)
    elif array.dtype == np.dtype(object):
        for item in array.ravel():
            if not isinstance(item, str):
                raise SignatureError(f"input '{spec.name}' holds {item!r}: expected strings only")
    elif spec.high is not None:
        _check_ids(spec, array, sizes[spec.high] if isinstance(spec.high, str) else spec.high)


def _check_numbers(spec: TensorSpec, array: np.ndarray) -> None:
    wrong = np.isinf(array) if spec.missing else ~np.isfinite(array)
    if wrong.any():
        at = np.argwhere(np.atleast_1d(wrong))[0]
        kind = "infinite" if spec.missing else "NaN or infinite"
        raise SignatureError(f"{_where(spec, at)} is {kind} in row {at[0]}: clean it")


def _check_ids(spec: TensorSpec, array: np.ndarray, high: int | tuple[int, ...]) -> None:
    wrong = (array < 0) | (array >= np.asarray(high))
    if wrong.any():
        at = np.argwhere(np.atleast_1d(wrong))[0]
        bound = high[at[-1]] if isinstance(high, tuple) else high
        raise SignatureError(
            f"{_where(spec, at)} holds id {np.atleast_1d(array)[tuple(at)]}: expected 0 <= id < "
            f"{bound}; drop ids the model was not trained with"
        )


def _where(spec: TensorSpec, at: np.ndarray) -> str:
    """The input, and where its columns have names the column, of the entry at an index."""
    column = f"field '{spec.columns[at[-1]]}' of " if spec.columns else ""
    return f"{column}input '{spec.name}'"
