"""Files of series, written as users write them, and read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from zoo.families.forecast.files import read_file
from zoo.families.forecast.series import Series

START = datetime(2024, 1, 1)
HOUR, DAY = 3600, 86_400


def stamps(n: int = 10, step_s: int = HOUR, form: str = "%Y-%m-%d %H:%M:%S") -> list[str]:
    """Times of evenly spaced rows."""
    return [(START + timedelta(seconds=step_s * i)).strftime(form) for i in range(n)]


def wide(
    times: Sequence[str] = (), header: str = "date,a,b", cells: Callable[[int], str] | None = None
) -> str:
    """A column per channel, behind one of times."""
    cells = cells or (lambda i: f"{i},{i % 3 + 0.5}")
    rows = [f"{time},{cells(i)}" for i, time in enumerate(times or stamps())]
    return "\n".join([header, *rows]) + "\n"


def column_b(*values: object) -> str:
    """Such a file whose column b begins with these values."""
    return wide(cells=lambda i: f"{i},{values[i] if i < len(values) else i % 3}")


def long(times: Sequence[str], ids: Sequence[object], header: str = "time,id,value") -> str:
    """A row per time and id."""
    rows = [
        f"{time},{name},{10 * k + i}" for i, time in enumerate(times) for k, name in enumerate(ids)
    ]
    return "\n".join([header, *rows]) + "\n"


def read(tmp_path: Path, text: str | bytes, time: str = "", columns: Sequence[str] = ()) -> Series:
    """The series in ``my.csv`` with this text."""
    path = tmp_path / "my.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_file(path, time, columns)


TIMES = stamps()
