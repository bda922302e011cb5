"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def table(head: Sequence[str], body: Sequence[Sequence[str]], texts: int) -> str:
    """A Markdown table.

    Args:
        head: headings.
        body: rows of cells.
        texts: how many columns, from the left, hold text; the others hold numbers, flush right.
    """
    rule = ["---" if column < texts else "---:" for column in range(len(head))]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *body))
