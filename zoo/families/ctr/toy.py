"""``clicks``: a generated log that trains in seconds, for tests and demos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SEED = 0
COUNTRIES = ("de", "fr", "it", "jp", "us")
CATEGORIES = ("books", "films", "games", "music", "news", "shoes", "tools", "toys")
TAGS = ("big", "blue", "cheap", "classic", "fast", "green", "new", "old", "rare", "red", "used")
USERS, ITEMS = 800, 120

SCHEMA: dict[str, Any] = {
    "label": "click",
    "fields": {
        "user": {},
        "country": {},
        "item": {"role": "item"},
        "category": {"role": "item"},
        "tags": {"kind": "multi", "role": "item"},
        "price": {"kind": "numeric", "role": "item"},
    },
}


def make_clicks(paths: Sequence[Path], target: Path, rows: int) -> None:
    """Write a small log: who likes what depends on country and category, tags and price.

    Users are drawn unevenly, so that some of the test part are not in the training part; a tenth
    of the items has no price.

    Args:
        paths: none; the log is generated.
        target: Parquet file to write.
        rows: how many.
    """
    rng = np.random.default_rng(SEED)
    country = rng.integers(0, len(COUNTRIES), USERS)
    category = rng.integers(0, len(CATEGORIES), ITEMS)
    tagged = rng.random((ITEMS, len(TAGS))) < 0.2
    price = np.where(rng.random(ITEMS) < 0.1, np.nan, np.round(rng.lognormal(3, 0.6, ITEMS), 2))
    taste = rng.normal(0, 1.6, (len(COUNTRIES), len(CATEGORIES)))
    likes = tagged @ rng.normal(0, 0.6, len(TAGS)) - 0.03 * np.nan_to_num(price - 20)
    user = (USERS * rng.random(rows) ** 3).astype(int)
    item = (ITEMS * rng.random(rows) ** 1.7).astype(int)
    logit = taste[country[user], category[item]] + likes[item] + rng.normal(0, 0.5, USERS)[user]
    table = pa.table(
        {
            "click": (rng.random(rows) < 1 / (1 + np.exp(0.3 - logit))).astype(np.int8),
            "user": np.char.add("u", user.astype(str)),
            "country": np.array(COUNTRIES)[country[user]],
            "item": item,
            "category": np.array(CATEGORIES)[category[item]],
            "tags": [[TAGS[t] for t in np.flatnonzero(tagged[i])] for i in item],
            "price": pa.array(price[item], from_pandas=True),
        }
    )
    pq.write_table(table, target)
