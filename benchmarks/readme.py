"""The tables in README.md: ``python -m benchmarks.readme`` writes them anew from ``results/``.

    <!-- accuracy --> … <!-- /accuracy -->   results/accuracy.json, of benchmarks.accuracy
    <!-- latency --> … <!-- /latency -->     results/<recipe>.json, of ``leanzoo bench --out``

Everything between two markers is generated; with ``--check`` nothing is written.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.table import markdown_table
from zoo.contract import LeanzooError

README = Path(__file__).parents[1] / "README.md"
RESULTS = Path(__file__).parent / "results"
ACCURACY_FILE = "accuracy.json"
NOT_RUN = "not run"
ROLES = {"teacher": "teacher", "student": "student", "vanilla": "vanilla MLP"}
ABLATIONS = {"glnn": "GLNN", "low": "low only", "high": "high only"}


class ReadmeError(LeanzooError):
    """A README whose blocks cannot be found, or results that cannot be read."""


def main() -> None:
    """Write the tables, or with ``--check`` say whether they are up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if outdated")
    asked = parser.parse_args()
    try:
        problem = outdated(README, RESULTS)
        if problem and not asked.check:
            README.write_text(render(README.read_text(), RESULTS))
            problem = ""
    except ReadmeError as error:
        problem = str(error)
    if problem:
        print(f"benchmarks.readme: {problem}", file=sys.stderr)
        sys.exit(1)


def outdated(readme: Path, results: Path) -> str:
    """One line naming the blocks that differ from the results; empty where none does."""
    text = readme.read_text()
    found, expected = blocks(text), blocks(render(text, results))
    names = [name for name in expected if found[name] != expected[name]]
    if not names:
        return ""
    return f"{readme.name} is not what {results.name}/ says ({', '.join(names)}): run 'make tables'"


def blocks(text: str) -> dict[str, str]:
    """What stands between each pair of markers, by name."""
    return dict(re.findall(r"<!-- (\w+) -->\n(.*?)<!-- /\1 -->", text, re.DOTALL))


def render(text: str, results: Path) -> str:
    """The README with its blocks written anew.

    Raises:
        ReadmeError: a pair of markers is missing, or a result cannot be read.
    """
    for name, block in (("accuracy", accuracy(results)), ("latency", latency(results))):
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        if name not in blocks(text):
            raise ReadmeError(f"README.md lacks the lines '{begin.strip()}' and '{end}'; add them")
        head, rest = text.split(begin, 1)
        text = f"{head}{begin}\n{block}\n\n{end}{rest.split(end, 1)[1]}"
    return text


def accuracy(results: Path) -> str:
    """The accuracy block: a row per recipe, the averages, and the ablations."""
    found = _read(results / ACCURACY_FILE) if (results / ACCURACY_FILE).exists() else {}
    rows: dict[str, Any] = found.get("recipes", {})
    if not rows:
        return f"Accuracy: {NOT_RUN}."
    ablated = {name: row for name, row in rows.items() if set(ABLATIONS) <= set(row["roles"])}
    parts = [_main_table(rows), averages(rows)]
    if ablated:
        parts += ["The same student by what it learns from:", _ablation_table(ablated)]
    return "\n\n".join(parts)


def latency(results: Path) -> str:
    """The latency block: a table per recipe that was measured."""
    files = sorted(path for path in results.glob("*.json") if path.name != ACCURACY_FILE)
    measured = [_read(path) for path in files]
    return markdown_table(measured).strip() or f"Latency: {NOT_RUN}."


def averages(rows: Mapping[str, Any]) -> str:
    """One sentence on the mean differences over rows, and on what they rest."""
    paper = [row for row in rows.values() if not row["beyond_paper"]]
    counts = [len(row["seeds"]) for row in paper]
    seeds = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    teacher = statistics.fmean(_difference(row, "teacher") for row in paper)
    vanilla = statistics.fmean(_difference(row, "vanilla") for row in paper)
    return (
        f"Mean over the paper's {len(paper)} pairs above ({seeds} seeds each, "
        f"{sum(counts)} students): "
        f"student − teacher **{_points(teacher)}** points, "
        f"student − vanilla **{_points(vanilla)}** points."
    )


def _main_table(rows: Mapping[str, Any]) -> str:
    head = ["recipe", "dataset", "teacher is", "seeds", *ROLES.values(), "student − teacher"]
    body = [
        [
            *(f"`{name}`", row["dataset"], row["teacher"], str(len(row["seeds"]))),
            *(_per_cent(row, role) for role in ROLES),
            _points(_difference(row, "teacher")),
        ]
        for name, row in rows.items()
    ]
    return _table(head, body, numbers_from=3)


def _ablation_table(rows: Mapping[str, Any]) -> str:
    roles = {"vanilla": "labels only", **ABLATIONS, "student": "FF-G2M"}
    body = [
        [f"`{name}`", str(len(row["seeds"])), *(_per_cent(row, role) for role in roles)]
        for name, row in rows.items()
    ]
    return _table(["recipe", "seeds", *roles.values()], body, numbers_from=1)


def _table(head: list[str], body: list[list[str]], numbers_from: int) -> str:
    """A Markdown table; columns of numbers are set flush right."""
    rule = ["---:" if column >= numbers_from else "---" for column in range(len(head))]
    lines = (head, rule, *body)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _per_cent(row: Mapping[str, Any], role: str) -> str:
    """Mean, and over several seeds its deviation, in per cent."""
    values = row["roles"][role]
    spread = f" ± {100 * values['std']:.1f}" if len(row["seeds"]) > 1 else ""
    return f"{100 * values['mean']:.1f}{spread}"


def _difference(row: Mapping[str, Any], role: str) -> float:
    """The student's mean over another role's, as a fraction."""
    return float(row["roles"]["student"]["mean"] - row["roles"][role]["mean"])


def _points(fraction: float) -> str:
    return f"{100 * fraction:+.1f}".replace("-", "−")


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ReadmeError(f"{path.name} is not JSON ({error}); measure it again") from None


if __name__ == "__main__":
    main()
