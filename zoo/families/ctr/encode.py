"""The second pass over a log: ids and numbers in files that are mapped into memory.

    $LEANZOO_CACHE/ctr/<key>/                   key: hash of the log, its schema and this code
      encoded.json                              layout, rows, clicks, scales, digest
      vocabulary.json                           field → values
      {train,val,test}-{ids,numeric,y}.npy      (rows, slots) int32, (rows, numerics) and (rows,)
                                                float32
      test-unseen.arrow                         the test rows' values that the vocabulary lacks

Both passes stream, so memory holds some batches and the vocabulary, whatever the log's size. The
folder is written beside its place and renamed; it is found again as long as its key is the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from zoo.artifact import sha256_bytes, staging
from zoo.families.ctr.cells import Coded, clicks, listed, numbers, strings
from zoo.families.ctr.parts import Part, PartWriter
from zoo.families.ctr.schema import LogField
from zoo.families.ctr.split import PARTS
from zoo.families.ctr.survey import Chunk, Source, Survey, survey
from zoo.families.ctr.waiting import progress

FACTS, VOCABULARY, UNSEEN = "encoded.json", "vocabulary.json", "test-unseen.arrow"
TEST = PARTS.index("test")
UNSEEN_SCHEMA = pa.schema([("key", pa.int64()), ("value", pa.string())])


def encode(source: Source, target: Path) -> None:
    """Encode a log into a folder.

    Raises:
        DataError: the log cannot be used.
        ArtifactError: the folder cannot be written.
    """
    with staging(target) as folder, progress(source.logs[0].path.name) as advance:
        advance.begin("counting", source.rows)
        found = survey(source, advance)
        advance.begin("encoding", sum(found.rows))
        digest = _write_rows(folder, found, source, advance)
        vocabulary = found.vocabulary.to_bytes()
        (folder / VOCABULARY).write_bytes(vocabulary)
        facts = {
            "layout": found.layout.to_dict(),
            "rows": dict(zip(PARTS, found.rows, strict=True)),
            "clicks": dict(zip(PARTS, found.clicks, strict=True)),
            "scales": found.scales,
            "digest": sha256_bytes(digest.encode() + vocabulary),
        }
        (folder / FACTS).write_text(json.dumps(facts, indent=1, allow_nan=False) + "\n")


def _write_rows(folder: Path, found: Survey, source: Source, advance: Callable[[int], None]) -> str:
    """Write the files of all parts; return what identifies their content."""
    slots, numerics, tested = len(found.layout.slots), len(found.layout.numerics), 0
    with ExitStack() as stack:
        writers = [
            stack.enter_context(PartWriter(folder, name, rows, slots, numerics))
            for name, rows in zip(PARTS, found.rows, strict=True)
        ]
        note = stack.enter_context(_unseen_writer(folder / UNSEEN))
        for chunk in source.chunks(advance):
            rows, unseen = encode_rows(chunk, source, found)
            for part, writer in enumerate(writers):
                writer.append(rows.take(chunk.parts == part))
            is_test = chunk.parts == TEST
            note(unseen, np.where(is_test, tested + np.cumsum(is_test) - 1, -1), slots)
            tested += int(is_test.sum())
    return "".join(writer.digest for writer in writers)


@dataclass(frozen=True)
class Unseen:
    """Values that a vocabulary lacks, and where they stand.

    Shapes: row (values,), slot (values,).
    """

    row: np.ndarray
    slot: np.ndarray
    values: pa.StringArray


def encode_rows(chunk: Chunk, source: Source, found: Survey) -> tuple[Part, list[Unseen]]:
    """The rows of a chunk, and what is unseen in each field."""
    n, layout = chunk.batch.num_rows, found.layout
    ids = np.zeros((n, len(layout.slots)), dtype=np.int32)
    numeric = np.zeros((n, len(layout.numerics)), dtype=np.float32)
    unseen, slot, number = [], 0, 0
    for field, known in zip(source.schema.fields, layout.fields, strict=True):
        if field.kind == "numeric":
            numeric[:, number] = numbers(*chunk.column(field.name))
            number += 1
            continue
        values, row, position = _spread(chunk, field, known.length)
        encoded = found.vocabulary.encode(field.name, values.values)[values.codes]
        ids[row, slot + position] = encoded
        new = np.flatnonzero((encoded == known.size - 1) & values.present)
        texts = values.values.take(pa.array(values.codes[new]))
        unseen.append(Unseen(row[new], slot + position[new], texts))
        slot += known.length
    return Part(ids, numeric, clicks(*chunk.column(source.schema.label))), unseen


def _spread(chunk: Chunk, field: LogField, most: int) -> tuple[Coded, np.ndarray, np.ndarray]:
    """The first ``most`` values of each row, their rows and their positions in it."""
    column, place = chunk.column(field.name)
    if field.kind == "categorical":
        row = np.arange(len(column))
        return strings(column, place), row, np.zeros_like(row)
    values, lengths = listed(column, field.separator, place)
    row = np.repeat(np.arange(len(lengths)), lengths)
    position = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    kept = position < most
    return values.take(kept), row[kept], position[kept]


@contextmanager
def _unseen_writer(path: Path) -> Iterator[Callable[[list[Unseen], np.ndarray, int], None]]:
    """A function that notes unseen values of test rows by row · slots + slot, ascending."""
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, UNSEEN_SCHEMA) as stream:

        def note(unseen: list[Unseen], number: np.ndarray, slots: int) -> None:
            """``number`` is the test row of each row, -1 for one of another part."""
            keys, values = [], []
            for field in unseen:
                tested = number[field.row] >= 0
                keys.append(number[field.row[tested]] * slots + field.slot[tested])
                values.append(field.values.filter(pa.array(tested)))
            key = np.concatenate([np.zeros(0, dtype=np.int64), *keys])
            order = np.argsort(key)
            texts = pa.concat_arrays([pa.array([], pa.string()), *values])
            columns = [pa.array(key[order]), texts.take(pa.array(order))]
            stream.write_batch(pa.record_batch(columns, schema=UNSEEN_SCHEMA))

        yield note


def read_unseen(folder: Path) -> tuple[np.ndarray, pa.StringArray]:
    """What ``_unseen_writer`` wrote: keys and values."""
    with pa.memory_map(str(folder / UNSEEN)) as file:
        table = pa.ipc.open_file(file).read_all().combine_chunks()
    return table["key"].to_numpy(), pa.concat_arrays(
        [pa.array([], pa.string()), *table["value"].chunks]
    )
