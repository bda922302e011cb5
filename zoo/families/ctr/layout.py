"""Which fields a click log has, and which columns of its encoded arrays they take.

A *slot* is one column of the ids matrix: a categorical field takes one, a multi-valued field
``length`` of them, padded with id 0, a numeric field none: it is a column of ``numeric``.
Ids of a field: 0 is padding, 1..size-2 are known values, size-1 is any other value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

KINDS = ("categorical", "multi", "numeric")
ROLES = ("request", "item")


@dataclass(frozen=True)
class Field:
    """One field of a click log.

    Attributes:
        name: of the field.
        kind: ``categorical``, ``multi`` or ``numeric``.
        role: ``request``: a user's or a context's, the same for all candidates; or ``item``.
        size: ids, padding and unknown included; 0 for a numeric field.
        length: slots: 1, for a multi-valued field the most values kept, 0 for a numeric one.
    """

    name: str
    kind: str
    role: str
    size: int
    length: int

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.role not in ROLES:
            raise ValueError(
                f"field '{self.name}' is {self.kind} of {self.role}: expected one of "
                f"{', '.join(KINDS)} of one of {', '.join(ROLES)}"
            )
        if self.kind == "numeric" and (self.size or self.length):
            raise ValueError(f"numeric field '{self.name}' has ids: expected size = length = 0")
        if self.kind != "numeric" and (self.size < 2 or self.length < 1):
            raise ValueError(f"field '{self.name}': expected size >= 2 and length >= 1")
        if self.kind == "categorical" and self.length != 1:
            raise ValueError(f"categorical field '{self.name}': expected length = 1")


@dataclass(frozen=True)
class Layout:
    """All fields in the order of the schema, without the label."""

    fields: tuple[Field, ...]

    def __post_init__(self) -> None:
        names = [field.name for field in self.fields]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"fields are {names}: expected at least one, each once")

    @cached_property
    def slots(self) -> tuple[str, ...]:
        """Field of each column of the ids matrix."""
        return tuple(field.name for field in self.fields for _ in range(field.length))

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Number of ids of each column of the ids matrix."""
        return tuple(field.size for field in self.fields for _ in range(field.length))

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Where the ids of each column of the ids matrix begin in a table of all fields."""
        offsets, begin = [], 0
        for field in self.fields:
            offsets += [begin] * field.length
            begin += field.size
        return tuple(offsets)

    @cached_property
    def numerics(self) -> tuple[str, ...]:
        """Field of each column of the numeric matrix."""
        return tuple(field.name for field in self.fields if field.kind == "numeric")

    @property
    def rows(self) -> int:
        """Rows of a table of all fields' ids."""
        return sum(field.size for field in self.fields)

    def columns(self, names: tuple[str, ...]) -> tuple[list[int], list[int]]:
        """Columns of the ids matrix and of the numeric matrix that belong to some fields."""
        return (
            [column for column, name in enumerate(self.slots) if name in names],
            [column for column, name in enumerate(self.numerics) if name in names],
        )

    def of(self, role: str) -> Layout:
        """The fields of one role.

        Raises:
            ValueError: there is none.
        """
        return self.select(tuple(field.name for field in self.fields if field.role == role))

    def select(self, names: tuple[str, ...]) -> Layout:
        """Some of the fields, in this layout's order.

        Raises:
            ValueError: naming a field that is not in this layout.
        """
        known = {field.name for field in self.fields}
        if unknown := [name for name in names if name not in known]:
            raise ValueError(f"unknown field '{unknown[0]}': expected some of {sorted(known)}")
        return Layout(tuple(field for field in self.fields if field.name in names))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"fields": [asdict(field) for field in self.fields]}

    @staticmethod
    def from_dict(raw: Mapping[str, Any]) -> Layout:
        """The inverse of ``to_dict``."""
        return Layout(tuple(Field(**field) for field in raw["fields"]))
