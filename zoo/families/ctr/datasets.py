"""The known click logs: where their files are, and what their columns mean."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.artifact import sha256_bytes, staging
from zoo.contract import near
from zoo.families.ctr import movielens, toy, widelog
from zoo.sources import DataError, DatasetFile, fetch_all

GENERATED = "generated here, free of any"
# Modules that decide what is in the cache: in the logs that are made, and in the encoded ones.
MAKERS = ("movielens", "toy", "widelog")
ENCODERS = (
    *("cells", "encode", "layout", "log", "parts", "schema", "split", "survey", "times"),
    "vocabulary",
    "../../values",  # of zoo: how a value is written
)


@dataclass(frozen=True)
class KnownLog:
    """A published or generated click log.

    Attributes:
        schema: what its columns mean, as ``schema.parse`` takes it.
        licence: of the data.
        files: its files, as published; those of train, val and test where nothing makes a log.
        make: (paths of ``files``, Parquet file to write, rows) → writes the log.
        rows: how many a generated one has, unless the recipe says otherwise.
    """

    schema: dict[str, Any]
    licence: str
    files: tuple[DatasetFile, ...] = ()
    make: Callable[[Sequence[Path], Path, int], None] | None = None
    rows: int = 0


FRAPPE_SHA256 = {
    "train": "be596294c01c7a6dfa7c6a935ccee7fee2a992894c66578bd3b8a5b1e1f7e8d5",
    "valid": "641af7e2cd99525ee4e3f7624dfa8d3ab2c223acff906e5318ffb2a501c64e60",
    "test": "1f5681adf55ea3b797b12ed48d4e523bc60ca185c4b52e6ec3ab4e96b7cf5be3",
}
FRAPPE_CONTEXT = (
    *("daytime", "weekday", "isweekend", "homework"),
    *("cost", "weather", "country", "city"),
)
FRAPPE = KnownLog(
    {
        "label": "label",
        "split": {"by": "files", "val": "valid.csv.gz", "test": "test.csv.gz"},
        "fields": {"user": {}, "item": {"role": "item"}, **{name: {} for name in FRAPPE_CONTEXT}},
    },
    "research use only: no redistribution, no commercial use (Baltrunas et al. 2015)",
    files=tuple(
        DatasetFile(f"ctr/frappe_x1r/{part}.csv.gz", sha256)
        for part, sha256 in FRAPPE_SHA256.items()
    ),
)
ML100K = KnownLog(
    movielens.SCHEMA,
    "GroupLens research licence: no redistribution, no commercial use without permission",
    movielens.FILES,
    movielens.make_ml100k,
)
LOGS = {
    "clicks": KnownLog(toy.SCHEMA, GENERATED, make=toy.make_clicks, rows=6000),
    "wide-log": KnownLog(widelog.SCHEMA, GENERATED, make=widelog.make_wide_log, rows=50_000),
    "ml100k": ML100K,
    "frappe": FRAPPE,
}


@dataclass(frozen=True)
class Found:
    """The files of a data set.

    Attributes:
        paths: the log, or the logs of train, val and test.
        identity: what their content follows from, such as checksums.
        schema: what their columns mean.
        licence: of the data.
    """

    paths: tuple[Path, ...]
    identity: tuple[str, ...]
    schema: dict[str, Any] = field(repr=False)
    licence: str


def cache_folder() -> Path:
    """Where encoded logs are kept."""
    return Path(os.environ.get("LEANZOO_CACHE") or "~/.cache/leanzoo").expanduser() / "ctr"


@functools.cache
def _code_version(modules: tuple[str, ...]) -> str:
    folder = Path(__file__).parent
    return sha256_bytes(b"".join((folder / f"{name}.py").read_bytes() for name in modules))


def key_of(facts: Any, modules: tuple[str, ...]) -> str:
    """Name of a folder whose content follows from facts and from the code of some modules."""
    text = json.dumps([facts, _code_version(modules)], sort_keys=True)
    return sha256_bytes(text.encode())[:24]


def find_known(name: str, rows: int) -> Found:
    """A known data set, fetched or generated.

    Args:
        name: in ``LOGS``.
        rows: of a generated one; 0 for its own number.

    Raises:
        DataError: an unknown name, rows asked of a log that is not generated, or no source.
    """
    if name not in LOGS:
        raise DataError(
            f"unknown click log '{name}': {near(name, LOGS)} A log of your own is a path ending "
            "in .csv, .csv.gz or .parquet"
        )
    known = LOGS[name]
    if rows and not known.rows:
        raise DataError(f"'rows' is {rows}: '{name}' is not generated; leave it out")
    paths = tuple(fetch_all(known.files))
    sums = tuple(str(file.sha256) for file in known.files)
    if known.make is None:
        return Found(paths, sums, known.schema, known.licence)
    rows = rows or known.rows
    key = key_of([name, rows, sums], MAKERS)
    folder = cache_folder() / f"log-{name}-{key}"
    if not folder.exists():
        with staging(folder) as scratch:
            known.make(paths, scratch / "log.parquet", rows)
    return Found((folder / "log.parquet",), (key,), known.schema, known.licence)
