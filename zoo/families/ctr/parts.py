"""Encoded rows in ``.npy`` files that are mapped into memory, and their folds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.artifact import staging

ARRAYS = ("ids", "numeric", "y")
DTYPES = ("<i4", "<f4", "<f4")
FOLD_SEED = 20230802  # the same folds whatever the seed of a training
COPY_ROWS = 1 << 18  # at a time


@dataclass(frozen=True)
class Part:
    """Rows of a log, encoded.

    Shapes: ids (rows, slots) int32, numeric (rows, numerics) float32 with NaN where a number is
    missing, y (rows,) float32 of 0 and 1.
    """

    ids: np.ndarray
    numeric: np.ndarray
    y: np.ndarray

    @staticmethod
    def load(folder: Path, name: str) -> Part:
        """The rows in the files ``<name>-*.npy``.

        What is written into them stays in memory: torch shares such arrays without a warning.
        """
        paths = (folder / f"{name}-{array}.npy" for array in ARRAYS)
        return Part(*(np.load(path, mmap_mode="c", allow_pickle=False) for path in paths))

    def take(self, rows: np.ndarray | slice) -> Part:
        """Some rows, by position, mask or range."""
        return Part(self.ids[rows], self.numeric[rows], self.y[rows])


class PartWriter:
    """Writes the files of one part, some rows at a time.

    Args:
        folder: where.
        name: of the part.
        rows: how many there will be.
        slots: columns of ids.
        numerics: columns of numbers.
    """

    def __init__(self, folder: Path, name: str, rows: int, slots: int, numerics: int) -> None:
        self._files, self._hashes = [], [hashlib.sha256() for _ in ARRAYS]
        shapes = ((rows, slots), (rows, numerics), (rows,))
        for array, dtype, shape in zip(ARRAYS, DTYPES, shapes, strict=True):
            file = (folder / f"{name}-{array}.npy").open("wb")
            header = {"descr": dtype, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            self._files.append(file)

    def append(self, rows: Part) -> None:
        """Write the next rows."""
        for k, (array, dtype) in enumerate(zip(ARRAYS, DTYPES, strict=True)):
            data = np.ascontiguousarray(getattr(rows, array), dtype=dtype).data
            self._files[k].write(data)
            self._hashes[k].update(data)

    @property
    def digest(self) -> str:
        """What identifies the rows so far, however they were cut into batches."""
        return "".join(found.hexdigest() for found in self._hashes)

    def __enter__(self) -> PartWriter:
        return self

    def __exit__(self, *error: object) -> None:
        for file in self._files:
            file.close()


def fold_rows(rows: int, folds: int, fold: int) -> np.ndarray:
    """Positions of one of several random, equally large parts of the training rows, ascending."""
    return np.sort(np.random.default_rng(FOLD_SEED).permutation(rows)[fold::folds])


def fold_folder(folder: Path, train: Part, folds: int, fold: int) -> Path:
    """A folder beside ``folder`` with the training rows cut in two.

    Its parts are ``held``, the rows of the fold, and ``train``, all others. It is written unless
    it is there.
    """
    target = folder.with_name(f"{folder.name}-fold-{fold}-of-{folds}")
    if target.exists():
        return target
    held = np.zeros(len(train.y), dtype=bool)
    held[fold_rows(len(held), folds, fold)] = True
    slots, numerics = train.ids.shape[1], train.numeric.shape[1]
    with staging(target) as scratch:
        for name, mask in (("held", held), ("train", ~held)):
            with PartWriter(scratch, name, int(mask.sum()), slots, numerics) as writer:
                for start in range(0, len(mask), COPY_ROWS):
                    rows = slice(start, start + COPY_ROWS)
                    writer.append(train.take(rows).take(mask[rows]))
    return target
