"""Two full runs of the same recipes: ``python -m benchmarks.repeatability RUN_A RUN_B``.

A headline repeats where each run's ratio lies in the other's interval; where the intervals meet and
that is not so, it nearly does. Rounds differ more within a run than queries do, which is why the
interval is one over rounds. Writes ``results/repeatability.json``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.markdown import table
from benchmarks.report.results import Result, find, read
from benchmarks.report.words import RUNG_NAMES, asked, digits
from zoo.artifact import ArtifactError
from zoo.contract import LeanzooError
from zoo.results import write_json

RESULTS = Path(__file__).parent / "results" / "repeatability.json"
INSIDE, OVERLAP, APART = "inside", "overlap", "apart"

Row = Mapping[str, Any]


def main() -> None:
    """Compare, write down, print."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("a", type=Path, metavar="RUN_A", help="file, or folder of results")
    parser.add_argument("b", type=Path, metavar="RUN_B", help="of the same recipes, a later run")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    try:
        first, second = (read(find([place], place)) for place in (asked.a, asked.b))
        found = repeated(first, second)
        write_json(asked.out, found)
    except LeanzooError as error:
        parser.error(str(error))
    print(repeatability_table(found))


def repeated(first: Sequence[Result], second: Sequence[Result]) -> dict[str, Any]:
    """The headlines that count in both of two runs, in plain JSON.

    Raises:
        ArtifactError: no recipe is in both, or no headline counts in both.
    """
    later = {one.recipe: one for one in second}
    pairs = [(one, later[one.recipe]) for one in first if one.recipe in later]
    rows = [row for a, b in pairs for row in _rows(a, b)]
    if not rows:
        raise ArtifactError(
            "no headline counts in both runs: measure the same recipes twice with 'leanzoo bench', "
            "without --quick"
        )
    machines = [run.conditions.get("machine", {}) for pair in pairs for run in pair]
    return {
        "headlines": rows,
        "recipes": [one.recipe for one, _ in pairs],
        "load_average": max((float(one.get("load_average", 0.0)) for one in machines), default=0.0),
        "machine": machines[0],
        "versions": pairs[0][0].conditions.get("versions", {}),
        "git_sha": [pairs[0][place].conditions.get("git_sha", "") for place in (0, 1)],
        "dates": [pairs[0][place].conditions.get("date", "") for place in (0, 1)],
    }


def _rows(a: Result, b: Result) -> Iterator[dict[str, Any]]:
    """The headlines of a recipe that count in both runs."""
    later = {_key(one): one for one in b.headlines if _counts(one)}
    for one in a.headlines:
        if _counts(one) and _key(one) in later:
            values = [
                {name: side[name] for name in ("ratio", "low", "high")}
                for side in (one, later[_key(one)])
            ]
            about = {name: one[name] for name in ("rung", "protocol", "batch")}
            verdict = judged(*values)
            yield {"recipe": a.recipe, **about, "a": values[0], "b": values[1], "verdict": verdict}


def judged(a: Row, b: Row) -> str:
    """Whether two ratios lie inside each other's intervals."""
    if a["low"] <= b["ratio"] <= a["high"] and b["low"] <= a["ratio"] <= b["high"]:
        return INSIDE
    return OVERLAP if a["low"] <= b["high"] and b["low"] <= a["high"] else APART


def repeatability_table(found: Row) -> str:
    """Both runs side by side as Markdown, the ones that repeat least first."""
    order = (APART, OVERLAP, INSIDE)
    rows = sorted(found["headlines"], key=lambda row: order.index(row["verdict"]))
    body = [
        [
            f"`{row['recipe']}`",
            f"{RUNG_NAMES[row['rung']]}, {asked(row['protocol'], row['batch'])}",
            row["verdict"],
            *(_shown(row[side]) for side in ("a", "b")),
            f"{row['b']['ratio'] / row['a']['ratio']:.3f}",
        ]
        for row in rows
    ]
    head = ["recipe", "teacher / student", "", "first run", "second run", "second / first"]
    return f"{table(head, body, texts=3)}\n\n{repeatability_sentence(found)}"


def repeatability_sentence(found: Row) -> str:
    """How many headlines repeat, and on which machine."""
    rows, machine = found["headlines"], found["machine"]
    counts = {name: sum(row["verdict"] == name for row in rows) for name in (INSIDE, OVERLAP)}
    apart = [abs(row["b"]["ratio"] / row["a"]["ratio"] - 1) for row in rows]
    return (
        f"Two full runs of {len(found['recipes'])} recipes, one after the other: of {len(rows)} "
        f"headline ratios that count in both, {counts[INSIDE]} lie inside each other's intervals, "
        f"{counts[OVERLAP]} more have intervals that overlap; the second run is off by "
        f"{100 * sorted(apart)[len(apart) // 2]:.1f} % in the median and {100 * max(apart):.0f} % "
        f"at most ({machine.get('cpu', 'unknown processor')}, load up to "
        f"{found['load_average']:.1f} on {machine.get('cores', '?')} cores)."
    )


def _key(one: Row) -> tuple[Any, ...]:
    return one["rung"], one["protocol"], one["batch"], one["against"]


def _counts(one: Row) -> bool:
    return not one["reasons"] and one["ratio"] is not None


def _shown(side: Row) -> str:
    return f"{digits(side['ratio'])} [{digits(side['low'])}, {digits(side['high'])}]"


if __name__ == "__main__":
    main()
