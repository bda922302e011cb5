"""The first pass over a log: its vocabulary, its sizes, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from zoo.families.ctr.cells import clicks, listed, numbers, strings
from zoo.families.ctr.layout import Field, Layout
from zoo.families.ctr.log import Log, Place, open_log
from zoo.families.ctr.schema import MAX_LENGTH, LogField, Schema
from zoo.families.ctr.split import PARTS, Assign, assigner, check_parts
from zoo.families.ctr.vocabulary import Counter, Vocabulary
from zoo.sources import DataError

ROUNDING = 1e-6  # of the mean: a smaller deviation is no more than float32's rounding

Advance = Callable[[int], None]


@dataclass(frozen=True)
class Chunk:
    """Some rows of a log.

    Attributes:
        log: they are from.
        start: rows before them.
        batch: their columns.
        parts: which of ``PARTS`` each belongs to. Shapes: (rows,).
    """

    log: Log
    start: int
    batch: pa.RecordBatch
    parts: np.ndarray

    def column(self, name: str) -> tuple[pa.Array, Place]:
        """A column, and where it stands."""
        return self.batch.column(name), Place(self.log.path, name, self.start)


class Source:
    """The logs of one data set under one schema; each pass gives the same rows.

    Args:
        paths: the log, or the logs of train, val and test where the split is by files.
        schema: what their columns mean.

    Raises:
        DataError: a file that cannot be read, or a column that one of them lacks.
    """

    def __init__(self, paths: tuple[Path, ...], schema: Schema) -> None:
        self.schema = schema
        self.logs = tuple(open_log(path) for path in paths)
        self._begin: list[Callable[[], Assign]] = []
        for part, log in enumerate(self.logs):
            next(log.batches(schema.columns))
            self._begin.append(_always(part) if len(paths) > 1 else assigner(log, schema))

    @property
    def rows(self) -> int | None:
        """Rows of all logs, where known before they are read."""
        counts = [log.rows for log in self.logs]
        return None if None in counts else sum(filter(None, counts))

    def chunks(self, advance: Advance) -> Iterator[Chunk]:
        """One pass; ``advance`` is told the rows that are done."""
        for log, begin in zip(self.logs, self._begin, strict=True):
            assign = begin()
            for start, batch in log.batches(self.schema.columns):
                yield Chunk(log, start, batch, assign(batch, start))
                advance(batch.num_rows)


def _always(part: int) -> Callable[[], Assign]:
    return lambda: lambda batch, start: np.full(batch.num_rows, part, dtype=np.int8)


@dataclass(frozen=True)
class Survey:
    """What a pass over a log found.

    Attributes:
        layout: fields with their sizes.
        vocabulary: made from the training part.
        rows: of each of ``PARTS``.
        clicks: of each of ``PARTS``.
        scales: numeric field → mean and standard deviation over the training part.
    """

    layout: Layout
    vocabulary: Vocabulary
    rows: tuple[int, ...]
    clicks: tuple[int, ...]
    scales: dict[str, tuple[float, float]]


class _Tally:
    """What is found in one field.

    ``present`` counts rows with a value, by part; ``longest`` the values of a training row.
    """

    def __init__(self, field: LogField) -> None:
        self.field, self.counter = field, Counter()
        self.present, self.longest = np.zeros(len(PARTS), dtype=np.int64), 0
        self.n, self.mean, self.square = 0, 0.0, 0.0

    def add(self, chunk: Chunk) -> None:
        """Count the rows of a chunk."""
        column, place = chunk.column(self.field.name)
        train = chunk.parts == 0
        if self.field.kind == "numeric":
            found = numbers(column, place)
            present = ~np.isnan(found)
            self._add_numbers(found[present & train])
        elif self.field.kind == "categorical":
            values = strings(column, place)
            present = values.present
            self.counter.add(values.take(train))
        else:
            values, lengths = listed(column, self.field.separator, place)
            present = lengths > 0
            self.longest = max(self.longest, int(lengths[train].max(initial=0)))
            self.counter.add(values.take(np.repeat(train, lengths)))
        self.present += np.bincount(chunk.parts[present], minlength=len(PARTS))

    def _add_numbers(self, found: np.ndarray) -> None:
        """Merge mean and sum of squared differences (Chan et al. 1979)."""
        if not len(found):
            return
        total, mean = self.n + len(found), float(found.mean())
        shift = mean - self.mean
        self.square += float(((found - mean) ** 2).sum()) + shift**2 * self.n * len(found) / total
        self.mean += shift * len(found) / total
        self.n = total

    def scale(self) -> tuple[float, float]:
        """Mean and standard deviation; 1 for the latter where all numbers are equal."""
        std = float(np.sqrt(self.square / self.n))
        return self.mean, std if std > ROUNDING * abs(self.mean) else 1.0

    def to_field(self, vocabulary: Vocabulary) -> Field:
        """The field of the layout."""
        field = self.field
        if field.kind == "numeric":
            return Field(field.name, field.kind, field.role, 0, 0)
        length = 1
        if field.kind == "multi":
            length = field.length or min(max(self.longest, 2), MAX_LENGTH)
        return Field(field.name, field.kind, field.role, vocabulary.size(field.name), length)


def survey(source: Source, advance: Advance) -> Survey:
    """Read all rows once.

    Raises:
        DataError: a cell, a column or a part that cannot be used.
    """
    tallies = [_Tally(field) for field in source.schema.fields]
    rows, clicked = np.zeros(len(PARTS), dtype=np.int64), np.zeros(len(PARTS), dtype=np.int64)
    for chunk in source.chunks(advance):
        labels = clicks(*chunk.column(source.schema.label))
        rows += np.bincount(chunk.parts, minlength=len(PARTS))
        clicked += np.bincount(chunk.parts[labels > 0], minlength=len(PARTS))
        for tally in tallies:
            tally.add(chunk)
    path = source.logs[0].path
    check_parts(path, rows, clicked)
    for tally in tallies:
        _check_present(source, tally, rows)
    vocabulary = Vocabulary(
        {
            t.field.name: t.counter.most_frequent(t.field.min_count)
            for t in tallies
            if t.field.kind != "numeric"
        }
    )
    layout = Layout(tuple(tally.to_field(vocabulary) for tally in tallies))
    scales = {t.field.name: t.scale() for t in tallies if t.field.kind == "numeric"}
    return Survey(layout, vocabulary, tuple(rows.tolist()), tuple(clicked.tolist()), scales)


def _check_present(source: Source, tally: _Tally, rows: np.ndarray) -> None:
    """Refuse a field without any value in one of the parts."""
    for part, present in enumerate(tally.present):
        if not present:
            log = source.logs[part] if len(source.logs) > 1 else source.logs[0]
            raise DataError(
                f"{log.path}: column '{tally.field.name}' is empty in all {rows[part]} rows of the "
                f"{PARTS[part]} part: expected values; leave it out of the schema or mend the log"
            )
