"""MovieLens-100k as a click log: a rating with its user's and its film's fields.

Split by time, nine of ten test rows are of users that training never saw. So a row also says what
its user had liked and passed over before, as a service would know it: strictly earlier ratings.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from zoo.downloads import Wheel
from zoo.sources import DatasetFile

LIKED = 4  # stars from which on a rating counts as a click
HISTORY = 10  # earlier films of each kind that a row remembers
RECBOLE = Wheel(
    "recbole==1.2.1", "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"
)
SHA256 = {
    "inter": "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
    "user": "4f670007d9cfbeb9807e757209af1555b9bcc186bde25e767f67cb67c6dd5972",
    "item": "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
}
FILES = tuple(
    DatasetFile(
        f"ctr/ml-100k/ml-100k.{kind}",
        sha256,
        wheel=RECBOLE,
        member=f"recbole/dataset_example/ml-100k/ml-100k.{kind}",
    )
    for kind, sha256 in SHA256.items()
)
SCHEMA: dict[str, Any] = {
    "label": "click",
    "split": {"by": "time", "column": "when"},
    "fields": {
        **{name: {} for name in ("user", "age", "gender", "occupation", "zip")},
        **{name: {"kind": "multi", "length": HISTORY} for name in ("liked", "passed")},
        "item": {"role": "item"},
        "release_year": {"role": "item"},
        "genres": {"kind": "multi", "role": "item"},
    },
}


def make_ml100k(paths: Sequence[Path], target: Path, rows: int) -> None:
    """Write the log, in the order of time.

    Args:
        paths: of the ratings, the users and the films, as in ``FILES``.
        target: Parquet file to write.
        rows: not asked for: it has the rows that it has.
    """
    ratings, users, films = (_atomic(path) for path in paths)
    log = ratings.join(users, "user_id").join(films, "item_id")
    stamp = log["timestamp"].cast(pa.int64()).cast(pa.timestamp("s"))
    liked = pc.greater_equal(log["rating"].cast(pa.float64()), LIKED)
    table = pa.table(
        {
            "click": liked.cast(pa.int8()),
            "when": stamp,
            "user": log["user_id"],
            "age": log["age"],
            "gender": log["gender"],
            "occupation": log["occupation"],
            "zip": log["zip_code"],
            "item": log["item_id"],
            "release_year": log["release_year"],
            "genres": pc.split_pattern(log["class"], " "),
        }
    )
    order = [("when", "ascending"), ("user", "ascending"), ("item", "ascending")]
    table = table.take(pc.sort_indices(table, order))
    for name, films in _histories(table).items():
        table = table.append_column(name, pa.array(films, pa.list_(pa.string())))
    pq.write_table(table, target)


def _histories(log: pa.Table) -> dict[str, list[list[str]]]:
    """Of each row the films that its user had liked and passed over before, the latest first.

    Ratings of the same second are of one page: none of them knows the others.

    Args:
        log: in the order of time.
    """
    known: defaultdict[str, tuple[deque[str], deque[str]]] = defaultdict(_empty)
    found: dict[str, list[list[str]]] = {"liked": [], "passed": []}
    waiting: list[tuple[str, str, int]] = []
    columns = (log[name].to_pylist() for name in ("when", "user", "item", "click"))
    now = None
    for when, user, item, click in zip(*columns, strict=True):
        if when != now:
            for earlier_user, earlier_item, clicked in waiting:
                liked, passed = known[earlier_user]
                (liked if clicked else passed).appendleft(earlier_item)
            now, waiting = when, []
        liked, passed = known[user]
        found["liked"].append(list(liked))
        found["passed"].append(list(passed))
        waiting.append((user, item, click))
    return found


def _empty() -> tuple[deque[str], deque[str]]:
    return deque(maxlen=HISTORY), deque(maxlen=HISTORY)


def _atomic(path: Path) -> pa.Table:
    """A file in RecBole's form: tab-separated, ``name:type`` in its header; all of it as text."""
    with path.open() as stream:
        names = [name.split(":")[0] for name in stream.readline().rstrip("\n").split("\t")]
    return pyarrow.csv.read_csv(
        path,
        pyarrow.csv.ReadOptions(use_threads=False, column_names=names, skip_rows=1),
        pyarrow.csv.ParseOptions(delimiter="\t", quote_char=False),
        pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
        ),
    )
