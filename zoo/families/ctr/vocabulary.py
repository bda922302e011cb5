"""Which id each value of a field has: frequent ones first.

Id 0 is padding, 1..m are the values of the training part by falling frequency, the first seen
first among equals, and m + 1 is any other value, a missing one included.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from zoo.families.ctr.cells import Coded

MERGE_AT = 1 << 19  # counts that wait before they are added up


@dataclass(frozen=True)
class Vocabulary:
    """The values of every categorical and multi-valued field.

    Attributes:
        values: field → canonical strings in the order of their ids, from 1.
    """

    values: Mapping[str, pa.StringArray]

    def size(self, name: str) -> int:
        """Ids of a field, padding and unknown included."""
        return len(self.values[name]) + 2

    def encode(self, name: str, values: pa.StringArray) -> np.ndarray:
        """Ids of canonical strings. Shapes: (values,) int32."""
        found = pc.index_in(values, value_set=self.values[name])
        return pc.add(pc.fill_null(found, len(self.values[name])), 1).to_numpy().astype(np.int32)

    def decode(self, name: str) -> np.ndarray:
        """Strings by id; padding and unknown are empty. Shapes: (size,) object."""
        return np.array(["", *self.values[name].to_pylist(), ""], dtype=object)

    def to_bytes(self) -> bytes:
        """Field → values, as canonical JSON."""
        plain = {name: values.to_pylist() for name, values in self.values.items()}
        return (json.dumps(plain, ensure_ascii=False, separators=(",", ":")) + "\n").encode()

    @staticmethod
    def from_bytes(data: bytes) -> Vocabulary:
        """The inverse of ``to_bytes``."""
        plain = json.loads(data)
        return Vocabulary({name: pa.array(v, pa.string()) for name, v in plain.items()})


@dataclass
class Counter:
    """Counts the values of one field, batch by batch.

    Attributes:
        values: distinct ones, the first seen first.
        counts: of ``values``.
        waiting: counts of batches that are yet to be added up.
    """

    values: pa.StringArray = field(default_factory=lambda: pa.array([], pa.string()))
    counts: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    waiting: list[tuple[pa.StringArray, np.ndarray]] = field(default_factory=list)

    def add(self, found: Coded) -> None:
        """Count the values of more rows."""
        codes, distinct = found.codes, len(found.values)
        counts = np.bincount(codes, minlength=distinct)
        first = np.full(distinct, len(codes))
        first[codes[::-1]] = np.arange(len(codes))[::-1]  # the last assignment stays
        order = np.argsort(first, kind="stable")[: np.count_nonzero(counts)]
        self.waiting.append((found.values.take(pa.array(order)), counts[order]))
        if sum(len(values) for values, _ in self.waiting) > max(MERGE_AT, len(self.values)):
            self._merge()

    def _merge(self) -> None:
        parts = [(self.values, self.counts), *self.waiting]
        every = pa.concat_arrays([values for values, _ in parts]).dictionary_encode()
        weights = np.concatenate([counts for _, counts in parts])
        self.counts = np.bincount(every.indices.to_numpy(), weights=weights).astype(np.int64)
        self.values, self.waiting = every.dictionary, []

    def most_frequent(self, min_count: int) -> pa.StringArray:
        """The values seen ``min_count`` times or more, in the order of their ids."""
        self._merge()
        kept = pc.not_equal(self.values, "").to_numpy(zero_copy_only=False)
        kept = kept & (self.counts >= min_count)
        order = np.argsort(-self.counts, kind="stable")
        return self.values.take(pa.array(order[kept[order]]))
