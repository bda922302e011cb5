"""A log of the user's own with every kind of field, as a file and its recipe."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from zoo.artifact import sha256_file
from zoo.recipes import Recipe

ROWS = 2000
SCHEMA: dict[str, Any] = {
    "label": "click",
    "split": {"by": "time", "column": "when"},
    "fields": {
        "tags": {"kind": "multi", "role": "item"},
        "price": {"kind": "numeric", "role": "item"},
        "user": {"min_count": 2},
        "hour": {},
        "age": {"kind": "numeric"},
    },
}


def columns(seed: int = 0) -> dict[str, list[Any]]:
    """A log with missing values, lists, and users that come late."""
    rng = np.random.default_rng(seed)
    tags = [rng.permutation(list("abcdefg"))[: rng.integers(0, 5)].tolist() for _ in range(ROWS)]
    user = (ROWS * rng.random(ROWS) ** 3).astype(int)
    price = rng.integers(0, 99, ROWS).astype(float).tolist()
    return {
        "click": rng.integers(0, 2, ROWS).tolist(),
        "when": rng.permutation(ROWS).tolist(),
        "tags": [row if k % 50 else None for k, row in enumerate(tags)],
        "price": [number if k % 3 else None for k, number in enumerate(price)],
        "user": [f"u{u}" if u % 11 else None for u in user],
        "hour": rng.integers(0, 24, ROWS).tolist(),
        "age": rng.normal(40, 10, ROWS).round(1).tolist(),
    }


def own(path: Path, log: dict[str, list[Any]] | None = None, **data: Any) -> Recipe:
    """A recipe for a log, written as the path's ending says."""
    log = log or columns()
    if path.suffix == ".parquet":
        pq.write_table(pa.table(log), path, row_group_size=700)
    else:
        text = {k: ["|".join(c or []) if k == "tags" else c for c in v] for k, v in log.items()}
        plain = path.with_name("plain.csv")
        pyarrow.csv.write_csv(pa.table(text), plain)
        pack = gzip.compress if path.suffix == ".gz" else bytes
        path.write_bytes(pack(plain.read_bytes()))
    schema = data.pop("schema", SCHEMA)
    if "fields" in schema:
        fields = [{"name": name, **entry} for name, entry in schema["fields"].items()]
        schema = {**schema, "fields": fields}
    data = {"schema": schema, **data}
    return Recipe("own", "finalmlp", str(path), sha256_file(path), data=data)
