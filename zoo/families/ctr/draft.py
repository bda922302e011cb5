"""A first schema for a log, from what its columns look like; a person reads it and mends it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from zoo.families.ctr.facts import Facts, look
from zoo.families.ctr.split import NAMES
from zoo.sources import DataError

ITEM_WORDS = (
    "item product sku ad ads adv advertiser advertisement campaign creative banner offer movie "
    "film title genre genres category categories brand price article news song track artist album "
    "video book author publisher listing hotel restaurant release tag tags content doc document "
    "merchant shop seller color size"
)
REQUEST_WORDS = "user member customer visitor session device query context"
NAME_WORDS = "id ids uid code zip postcode key hash no type class user item"
AMOUNT_WORDS = (
    "price cost amount count counts num number total sum avg mean rate ratio score duration age "
    "length size weight distance views visits quantity qty revenue income balance days"
)
TIME_WORDS = "time timestamp ts date datetime when created event epoch unix at"
PART_WORDS = "split part fold set subset partition"
EPOCHS = ((3e8, 3e9), (3e11, 3e12), (3e14, 3e15), (3e17, 3e18))  # seconds to nanoseconds
FEW = 50  # different whole numbers that are rather names than amounts
FEW_AMOUNTS = 10  # the same where the column is named like an amount
UNIQUE = 0.98  # of the rows having a value of their own: an id of the row
USELESS = {
    "date": "dates; write them as 2024-05-31 to split by them",
    "span": "times of day or durations; make numbers of them to use them",
    "infinite": "numbers, not all of them finite; clean them to use them",
    "bytes": "bytes that are no UTF-8 text; decode them to use them",
    "nested": "nested: flatten it to use it",
    "strange": "of a type that cannot be read; convert it to use it",
}
RARE = 0.5  # of the values standing in one row alone: worth a minimum count


@dataclass(frozen=True)
class Line:
    """What is drafted for one column.

    Attributes:
        name: of the column.
        table: of its field, in TOML; empty where it is left out.
        why: the comment behind it.
    """

    name: str
    table: str
    why: str


def draft(path: Path, label: str) -> str:
    """A schema for a log, in TOML, with a comment behind every column.

    Args:
        path: of the log.
        label: its column of clicks.

    Raises:
        DataError: a log that cannot be read, or without any column to learn from.
    """
    found = look(path, label)
    part = next((facts for facts in found if _names_parts(facts)), None)
    clock = None if part else _clock(found)
    lines = [_line(facts) for facts in found if facts not in (part, clock)]
    if not any(line.table for line in lines):
        raise DataError(f"{path} has no column to learn from beside '{label}': add some")
    rows = found[0].rows
    text = [f"# Drafted from {rows:,} rows of {path.name}. Kinds and roles are guesses: read them."]
    text += [f"label = {_text(label)}", "", "[split]", *_split(part, clock), "", "[fields]"]
    text += [f"{_key(line.name)} = {line.table}  # {line.why}" for line in lines if line.table]
    left_out = [f"# {_key(line.name)}: {line.why}" for line in lines if not line.table]
    return "\n".join([*text, *(["", "# Left out:", *left_out] if left_out else [])]) + "\n"


def _split(part: Facts | None, clock: Facts | None) -> list[str]:
    """The lines of the table ``split``."""
    if part:
        return ['by = "column"', f"column = {_text(part.name)}"]
    if clock:
        return [
            'by = "time"',
            f"column = {_text(clock.name)}  # the last tenth is for testing",
        ]
    return ['by = "random"  # no column of times was found']


def _names_parts(facts: Facts) -> bool:
    """Whether a column says which part a row belongs to."""
    named = _says(PART_WORDS, facts.name) and facts.example.lower() in NAMES
    return named and facts.present == facts.rows and 2 <= facts.distinct <= 4


def _clock(found: list[Facts]) -> Facts | None:
    """The column of the rows' times: complete, and the one with the most different times."""
    times = [f for f in found if _is_time(f) and f.present == f.rows and f.distinct > 2]
    named = [f for f in times if _says(TIME_WORDS, f.name)] or times
    return max(named, key=lambda f: f.distinct, default=None)


def _is_time(facts: Facts) -> bool:
    if facts.kind == "time":
        return True
    epoch = any(low < facts.low and facts.high < high for low, high in EPOCHS)
    return facts.kind == "number" and epoch and _says(TIME_WORDS, facts.name)


def _line(facts: Facts) -> Line:
    """What becomes of a column."""
    if not facts.present:
        return Line(facts.name, "", "empty")
    if facts.distinct == 1 and facts.present == facts.rows:
        return Line(facts.name, "", f"always {_quoted(facts.example)}")
    if facts.kind in USELESS:
        return Line(facts.name, "", USELESS[facts.kind])
    if _is_time(facts):
        return Line(facts.name, "", "a time; make an hour, a weekday or an age of it to use it")
    kind = _kind(facts)
    if kind == "categorical" and facts.distinct >= UNIQUE * facts.present and facts.present > FEW:
        return Line(facts.name, "", "unique per row: nothing can be learnt about such a value")
    entries = [] if kind == "categorical" else [f'kind = "{kind}"']
    if _is_item(facts.name):
        entries.append('role = "item"')
    if facts.separator:
        entries.append(f"separator = {_quoted(facts.separator)}")
    if kind == "categorical" and facts.distinct > 1000 and facts.once > RARE * facts.distinct:
        entries.append("min_count = 2")
    table = "{ " + ", ".join(entries) + " }" if entries else "{}"
    return Line(facts.name, table, _described(facts, kind))


def _kind(facts: Facts) -> str:
    if facts.kind == "list" or facts.separator:
        return "multi"
    if facts.kind != "number":
        return "categorical"
    if not facts.whole:
        return "numeric"
    amount = _says(AMOUNT_WORDS, facts.name)
    if facts.distinct <= (FEW_AMOUNTS if amount else FEW) or _says(NAME_WORDS, facts.name):
        return "categorical"
    long_tail = facts.median - facts.low < 0.1 * (facts.high - facts.low)
    return "numeric" if amount or facts.low < -1 or long_tail else "categorical"


def _is_item(name: str) -> bool:
    return _says(ITEM_WORDS, name) and not _says(REQUEST_WORDS, name)


def _described(facts: Facts, kind: str) -> str:
    """What was seen, in a few words."""
    if kind == "numeric":
        seen = f"{facts.low:g} to {facts.high:g}"
    else:
        seen = f"{facts.distinct:,} values such as {_quoted(facts.example)}"
    missing = 1 - facts.present / facts.rows
    return seen + (f", {max(missing, 0.01):.0%} missing" if missing else "")


def _says(words: str, name: str) -> bool:
    """Whether a column's name has one of some words: ``userId`` and ``User ID`` have ``user``."""
    found = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
    return not set(words.split()).isdisjoint(word.lower() for word in found)


def _quoted(example: str) -> str:
    return _text(example if len(example) < 60 else example[:59] + "…")


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _text(name)
