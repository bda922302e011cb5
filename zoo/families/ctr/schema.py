"""What the columns of a click log mean: a TOML file, checked key by key.

    label = "click"                      # a column of 0 and 1

    [split]                              # may be left out: random
    by = "time"                          # random | time | column | files
    column = "when"                      # time: cut in its order; column: says train, val or test
    fractions = [0.8, 0.1, 0.1]          # of random and time; these are the default
    # val = "val.csv", test = "test.csv"     files: beside the log, which is the training part

    [fields]                             # one line per column that is used; others are left out
    user = {}                            # categorical, of the request
    hour = { min_count = 5 }             # values rarer than this in training count as unknown
    price = { kind = "numeric", role = "item" }
    genres = { kind = "multi", role = "item", separator = "|", length = 6 }

``role`` is ``request`` (a user or a context: the same for all candidates of a request, the
default) or ``item``. A multi-valued column is a list, or text with a separator (``|`` unless
given); the first ``length`` values are kept, by default the most seen in training, 2 to 16.

Ids are laid out in the order of the fields. A recipe's tables keep no order once they are written,
so ``read_schema`` gives it a list of tables with a ``name`` each; a table of fields that stands in
a recipe is taken in the order of their names.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zoo.artifact import sha256_file
from zoo.families.ctr.layout import KINDS, ROLES
from zoo.recipes import RecipeError, from_table
from zoo.sources import DataError

SEPARATOR = "|"  # of multi-valued text, unless the schema says otherwise
MAX_LENGTH = 16  # values kept of a multi-valued field, unless the schema says otherwise
SPLITS = ("random", "time", "column", "files")


@dataclass(frozen=True)
class LogField:
    """One field of the schema; ``Field`` of ``layout.py`` is what it becomes on encoding.

    Attributes:
        name: of the field and its column.
        kind: ``categorical``, ``multi`` or ``numeric``.
        role: ``request`` or ``item``.
        separator: of a multi-valued text; empty for the default.
        length: most values kept of a multi-valued field; 0 for the most seen in training.
        min_count: values seen more rarely count as unknown; 0 leaves it to the recipe.
    """

    name: str
    kind: str = "categorical"
    role: str = "request"
    separator: str = ""
    length: int = 0
    min_count: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is '{self.kind}': expected one of {', '.join(KINDS)}")
        if self.role not in ROLES:
            raise ValueError(f"role is '{self.role}': expected one of {', '.join(ROLES)}")
        if self.kind != "multi" and (self.separator or self.length):
            raise ValueError(f"a {self.kind} field has one value: leave out separator and length")
        if self.kind == "numeric" and self.min_count:
            raise ValueError("a numeric field has no vocabulary: leave out min_count")
        if min(self.length, self.min_count) < 0:
            raise ValueError("expected length and min_count >= 0")
        if self.length == 1:
            raise ValueError("length is 1: keep 2 values or more, or make the field categorical")


@dataclass(frozen=True)
class Split:
    """Which rows are for training, validation and test.

    Attributes:
        by: ``random``, ``time``, ``column`` or ``files``.
        column: of the time, or of the part's name.
        fractions: of train, val and test, for ``random`` and ``time``.
        val: file of the validation rows, beside the log, for ``files``.
        test: file of the test rows.
        val_sha256: of the file ``val``; filled in by ``read_schema``.
        test_sha256: of the file ``test``.
    """

    by: str = "random"
    column: str = ""
    fractions: tuple[float, ...] = (0.8, 0.1, 0.1)
    val: str = ""
    test: str = ""
    val_sha256: str = ""
    test_sha256: str = ""

    def __post_init__(self) -> None:
        if self.by not in SPLITS:
            raise ValueError(f"by is '{self.by}': expected one of {', '.join(SPLITS)}")
        if bool(self.column) != (self.by in ("time", "column")):
            raise ValueError("'column' belongs to a split by time or column: give it there only")
        files = bool(self.val), bool(self.test)
        if files != (self.by == "files",) * 2:
            raise ValueError("'val' and 'test' name the files of a split by files: both, there")
        if (self.val_sha256 or self.test_sha256) and self.by != "files":
            raise ValueError("'val_sha256' and 'test_sha256' belong to a split by files")
        default = Split.__dataclass_fields__["fractions"].default
        if self.fractions != default and self.by not in ("random", "time"):
            raise ValueError(f"a split by {self.by} has its own sizes: leave out fractions")
        if not all(isinstance(f, int | float) for f in self.fractions):
            raise ValueError(f"fractions are {list(self.fractions)}: expected three numbers")
        if (
            len(self.fractions) != 3
            or min(self.fractions) <= 0
            or abs(sum(self.fractions) - 1) > 1e-6
        ):
            raise ValueError(f"fractions are {list(self.fractions)}: expected three > 0, of sum 1")


@dataclass(frozen=True)
class Schema:
    """A checked schema.

    Attributes:
        label: column of clicks, 0 or 1.
        fields: in the order of the file.
        split: which rows are for what.
    """

    label: str
    fields: tuple[LogField, ...]
    split: Split = Split()

    @property
    def columns(self) -> list[str]:
        """Columns that are read, each once: label, fields, and the one that says the part."""
        part = [self.split.column] if self.split.by == "column" else []
        return list(dict.fromkeys([self.label, *(f.name for f in self.fields), *part]))

    def with_min_count(self, min_count: int) -> Schema:
        """This schema, with a minimum for categorical and multi fields that state none."""
        fields = (
            f if f.min_count or f.kind == "numeric" else replace(f, min_count=min_count)
            for f in self.fields
        )
        return replace(self, fields=tuple(fields))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON, every default written out."""
        return dataclasses.asdict(self)


def parse(table: Mapping[str, Any], where: str) -> Schema:
    """A schema from a parsed TOML table.

    Raises:
        RecipeError: an unknown key, a wrong type or a contradiction, naming where.
    """
    for key in ("label", "fields"):
        if key not in table:
            raise RecipeError(f"{where} lacks '{key}'; add it, or draft one: leanzoo data schema")
    if unknown := sorted(set(table) - {"label", "fields", "split"}):
        raise RecipeError(f"unknown key '{unknown[0]}' in {where}: expected label, split, fields")
    label, fields, split = table["label"], table["fields"], table.get("split", {})
    if not isinstance(label, str) or not label:
        raise RecipeError(f"'label' in {where} is {label!r}: expected the name of a column")
    if not isinstance(split, dict):
        raise RecipeError(f"'split' in {where} is {split!r}: expected a table")
    parsed = tuple(_field(entry, where) for entry in _in_a_list(fields, where))
    names = [field.name for field in parsed]
    if not names or label in names or len(set(names)) < len(names):
        raise RecipeError(
            f"[fields] in {where} are {names}: expected one column or more, each once, without "
            "the label"
        )
    if all(field.kind == "numeric" for field in parsed):
        raise RecipeError(f"[fields] in {where} has no categorical or multi field: add one")
    split = {k: tuple(v) if isinstance(v, list) else v for k, v in split.items()}
    if not isinstance(split.get("fractions", ()), tuple):
        raise RecipeError(f"'fractions' in {where} [split]: expected a list of three numbers")
    return Schema(label, parsed, from_table(Split, split, f"{where} [split]"))


def _in_a_list(fields: Any, where: str) -> list[dict[str, Any]]:
    """Fields as tables with a name each."""
    if isinstance(fields, list) and all(isinstance(e, dict) and "name" in e for e in fields):
        return fields
    if not isinstance(fields, dict):
        raise RecipeError(f"'fields' in {where} is {fields!r}: expected a table, a line per column")
    for name, entry in fields.items():
        if not isinstance(entry, dict):
            raise RecipeError(
                f"field '{name}' in {where} is {entry!r}: expected a table such as "
                '{ kind = "numeric" }, or {} for a categorical one'
            )
        if "name" in entry:
            raise RecipeError(f"unknown key 'name' in {where} [fields.{name}]: its key is its name")
    return [{"name": name, **entry} for name, entry in fields.items()]


def _field(entry: dict[str, Any], where: str) -> LogField:
    field: LogField = from_table(LogField, entry, f"{where} [fields.{entry['name']}]")
    return field


def read_schema(path: Path, log: Path) -> dict[str, Any]:
    """The schema of a log as a recipe holds it: fields in a list, further files with checksums.

    Args:
        path: of the TOML file.
        log: the log that it describes.

    Raises:
        RecipeError: broken TOML, or a schema at fault.
        DataError: no such file.
    """
    try:
        table = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read schema {path}: {error}; name a TOML file") from None
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path} is not TOML ({error}); mend it") from None
    split = parse(table, str(path)).split
    for part, name in (("val", split.val), ("test", split.test)):
        if name:
            file = log.parent / name
            if not file.is_file():
                raise DataError(f"no file {file}, which {path} names for '{part}': put it there")
            table["split"][f"{part}_sha256"] = sha256_file(file)
    return {**table, "fields": _in_a_list(table["fields"], str(path))}
