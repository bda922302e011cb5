"""Reads the cause of a failure from tritonserver's log."""

from __future__ import annotations

import re
from pathlib import Path

from serving.errors import one_line

CAUSES = (  # the first that occurs tells most
    re.compile(r"\"(failed to load .+?: .+?)(?:\\n|\"$)", re.MULTILINE),
    re.compile(r"^E\d{4} \S+ \d+ \S+\] \"?(?!CudaDriverHelper)(.+?)(?:\\n|\"?$)", re.MULTILINE),
    re.compile(r"^error: (.+)$", re.MULTILINE),
    re.compile(r"^\s*what\(\):\s+(.+)$", re.MULTILINE),
    re.compile(r"tritonserver: (.+)$", re.MULTILINE),
)


def log_cause(log: Path) -> str:
    """One line on why the server that wrote ``log`` failed."""
    text = log.read_text(errors="replace")
    for pattern in CAUSES:
        if found := pattern.search(text):
            return one_line(found.group(1))
    lines = text.strip().splitlines()
    return one_line(lines[-1]) if lines else "it wrote nothing"


def log_tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
