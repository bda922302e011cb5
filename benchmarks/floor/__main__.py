"""Models against the least time for their work: ``python -m benchmarks.floor mlp-cora``.

Prints a table of trained recipes: all forms of the student, and the teacher. With ``--out`` the
rows are written down too, with the machine's rates and its state; with ``--operators 5`` the five
operators that take the longest are printed too, of every form of the student.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.comparison import Plan, draw_queries
from benchmarks.conditions import Watch, git_sha, software
from benchmarks.floor.profile import operators
from benchmarks.floor.rates import measure_rates
from benchmarks.floor.roofline import floors
from benchmarks.ladder.sides import BATCHES, STUDENT, Course, Side, courses
from benchmarks.markdown import table
from benchmarks.subjects import Arrays, Pair, Subject, open_pair
from zoo.contract import LeanzooError
from zoo.results import write_json

TEXTS = ("model", "form", "bound")
NUMBERS = ("batch", "MFLOP", "MB", "floor", "p50", "over", "identity", "nodes", "explained")


def main() -> None:
    """Measure, print, write down."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("recipes", nargs="+")
    parser.add_argument("--batches", type=int, nargs="+", default=list(BATCHES))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--operators", type=int, default=0, help="of each student, the slowest")
    asked = parser.parse_args()
    try:
        watch, rates, rows = Watch(asked.threads), measure_rates(asked.threads), []
        for name in asked.recipes:
            forms = all_forms(open_pair(name, asked.runs, asked.threads))
            rows += floors([(course, None) for course in forms], asked.batches, rates)
            if asked.operators:
                print(*_slowest(forms, asked), sep="\n", end="\n\n")
        if asked.out:
            conditions = {"machine": watch.machine(), "versions": software(), "git_sha": git_sha()}
            found = {"rates": asdict(rates), "floors": rows, "conditions": conditions}
            write_json(asked.out, found)
    except LeanzooError as error:
        parser.error(str(error))
    print(*[f"{name} {value:.4g}" for name, value in asdict(rates).items()], sep=", ", end="\n\n")
    print(as_table(rows))


def _slowest(forms: Sequence[Course], asked: argparse.Namespace) -> Iterator[str]:
    """A line per student and batch, and one per operator."""
    for course in forms:
        for batch in asked.batches:
            ids = draw_queries(course.n_rows, batch, Plan(0, 0, 1))[0]
            side = course.student
            found = operators(side.subject.file, side.calls(ids)[0], asked.threads)
            took_ms = sum(one.p50_ms for one in found)
            name = side.subject.model
            yield f"{name}, {batch:,} rows: {took_ms:.3g} ms in {len(found)} operators"
            for one in found[: asked.operators]:
                yield f"  {one.p50_ms:.4f} ms  {one.op} of {one.shapes} ({one.node})"


def all_forms(pair: Pair) -> list[Course]:
    """The courses of a pair, and one more for every form of the student that is in none."""
    found = courses(pair)
    asked = {course.student.subject.form for course in found}
    others = [subject for form, subject in pair.students.items() if form not in asked]
    first = found[0]
    return found + [
        replace(first, student=Side(STUDENT, subject, partial(_calls, subject)))
        for subject in others
    ]


def _calls(subject: Subject, ids: np.ndarray) -> list[Arrays]:
    step = subject.max_batch or len(ids)
    return [subject.rows(ids[start : start + step]) for start in range(0, len(ids), step)]


def as_table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as a Markdown table; bytes and operations in millions, times in ms."""
    return table((*TEXTS, *NUMBERS), [_cells(row) for row in rows], len(TEXTS))


def _cells(row: dict[str, Any]) -> list[str]:
    work = [_number(row[name] / 1e6) for name in ("flops", "bytes")]
    times = [_number(row[name]) for name in ("floor_ms", "p50_ms", "over_floor", "identity_ms")]
    texts = [row[name] for name in TEXTS]
    calls = [f"{row['nodes']:,}", _number(row["explained_ms"])]
    return [*texts, f"{row['batch']:,}", *work, *times, *calls]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


if __name__ == "__main__":
    main()
