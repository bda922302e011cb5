"""Our closed loops beside perf_analyzer's: ``python -m benchmarks.perf_analyzer``.

Without ``--repository`` a model that computes nothing is asked: what is compared then is the
clients alone. Writes ``results/perf_analyzer.json``.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.environments import ComparisonError
from benchmarks.perf_analyzer.compare import measure, toy
from benchmarks.perf_analyzer.install import find
from benchmarks.perf_analyzer.table import perf_analyzer_table
from zoo.contract import LeanzooError
from zoo.results import check_place, write_json

RESULTS = Path(__file__).parents[1] / "results" / "perf_analyzer.json"
LEAST_ROUNDS = 2  # of which a ratio has an interval


def main() -> None:
    """Fetch it, ask in turns, write down, print."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--repository", type=Path, help="default: one of a model made here")
    parser.add_argument("--model", action="append", default=[], help="MODEL or MODEL:ROWS")
    parser.add_argument("--rounds", type=int, default=6, help="turns of each client")
    parser.add_argument("--seconds", type=float, default=4.0, help="of a turn")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    try:
        run(asked.repository, asked.model, asked.rounds, asked.seconds, asked.out)
    except LeanzooError as error:
        parser.error(str(error))


def run(repository: Path | None, models: list[str], rounds: int, seconds: float, out: Path) -> None:
    """The comparison, written to a file and printed as a table.

    Raises:
        LeanzooError: something is missing or fails, in one line.
    """
    check_place(out)
    if rounds < LEAST_ROUNDS:
        raise ComparisonError(f"--rounds {rounds}: expected at least {LEAST_ROUNDS}")
    if bool(repository) != bool(models):
        raise ComparisonError("--repository and --model go together: name both, or neither")
    install = find()
    with tempfile.TemporaryDirectory(prefix="leanzoo-perf-toy-") as scratch:
        if repository is None:
            repository, models = toy(Path(scratch))
        found = measure(install, repository, models, rounds, seconds)
    write_json(out, found)
    print(perf_analyzer_table(found))


if __name__ == "__main__":
    main()
