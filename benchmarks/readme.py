"""The tables in documents: ``python -m benchmarks.readme`` writes them anew from ``results/``.

    README.md
      accuracy    results/accuracy.json, of benchmarks.accuracy, by dataset
      ctr         results/ctr_accuracy.json, of benchmarks.ctr_accuracy, and side_results
      forecast    results/forecast_accuracy.json, of benchmarks.forecast_accuracy, and side_results
      exports     results/exports.json, of benchmarks.exports, in a paragraph
      latency     results/<recipe>.json, of ``leanzoo bench --out``, in brief
    results/README.md
      all of it   results/accuracy.json by recipe, results/exports.json and results/<recipe>.json
                  in full, results/perf_analyzer.json, results/repeatability.json

A block stands between ``<!-- name -->`` and ``<!-- /name -->``; everything between the two is
generated. With ``--check`` nothing is written.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import accuracy_table
from benchmarks.ctr_table import ctr
from benchmarks.exports_table import exports, exports_sentence
from benchmarks.faults.table import faults
from benchmarks.forecast_table import forecast
from benchmarks.peers.table import added_table, peers_table
from benchmarks.perf_analyzer.table import perf_analyzer_table
from benchmarks.repeatability import repeatability_table
from benchmarks.side_results import (
    epoch_sentence,
    hits_sentence,
    log_sentence,
    raw_sentence,
    samplers_sentence,
    unseen_sentence,
)
from benchmarks.table import headline_table, markdown_table
from zoo.contract import LeanzooError

README = Path(__file__).parents[1] / "README.md"
RESULTS = Path(__file__).parent / "results"
DETAILS_FILE = "README.md"
NOT_RUN = "Not run."
ACCURACY_FILE, CTR_FILE = "accuracy.json", "ctr_accuracy.json"
FORECAST_FILE, EXPORTS_FILE = "forecast_accuracy.json", "exports.json"
PERF_FILE, REPEATED_FILE = "perf_analyzer.json", "repeatability.json"
PEERS_FILE, ADDED_FILE, FAULTS_FILE = "gateway_peers.json", "gateway_latency.json", "faults.json"
Sentences = dict[str, Callable[[Mapping[str, Any]], str]]

CLICK_RESULTS: Sentences = {
    "fuxictr.json": epoch_sentence,
    "large_log.json": log_sentence,
    "raw_path.json": raw_sentence,
}
FORECAST_RESULTS: Sentences = {
    "samplers.json": samplers_sentence,
    "zero_shot.json": unseen_sentence,
    "neuralforecast.json": hits_sentence,
}
DETAILS = """# Results

Written by `make tables` from the files beside it. What is measured: [README.md](../../README.md).

## Graphs: accuracy

{accuracy}

## Exports

{exports}

## Gateway

{gateway}

## Faults

`python -m benchmarks.faults`: what becomes of requests with known answers when something breaks, \
changes, or is too much.

{faults}

## Latency

First in ONNX Runtime, in one process, in turns. Brackets hold 95 % intervals; the last column is \
the median over that of the student, which stands last in its protocol. The protocols: \
[node_protocols.py](../node_protocols.py), [click_protocols.py](../click_protocols.py), \
[forecast_protocols.py](../forecast_protocols.py). Then, where it was measured, the ladder from \
the machine's floor to the gateway, load and cost. The same as a page: `leanzoo report`.

{latency}

## Two runs

`python -m benchmarks.repeatability RUN_A RUN_B`: whether a second run finds the same ratios.

{repeated}

## Beside perf_analyzer

`python -m benchmarks.perf_analyzer`: NVIDIA's load generator and ours, one request in flight.

{perf_analyzer}
"""


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
            (RESULTS / DETAILS_FILE).write_text(details(RESULTS))
            problem = ""
    except ReadmeError as error:
        problem = str(error)
    if problem:
        print(f"benchmarks.readme: {problem}", file=sys.stderr)
        sys.exit(1)


def outdated(readme: Path, results: Path) -> str:
    """One line naming what differs from the results; empty where nothing does."""
    text, written = readme.read_text(), results / DETAILS_FILE
    found, expected = blocks(text), blocks(render(text, results))
    names = [name for name in expected if found[name] != expected[name]]
    if not written.exists() or written.read_text() != details(results):
        names.append(f"{results.name}/{DETAILS_FILE}")
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
    for name, block in BLOCKS.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        if name not in blocks(text):
            raise ReadmeError(f"README.md lacks the lines '{begin.strip()}' and '{end}'; add them")
        head, rest = text.split(begin, 1)
        written = block(results) or f"Not run: {name}."
        text = f"{head}{begin}\n{written}\n\n{end}{rest.split(end, 1)[1]}"
    return text


def details(results: Path) -> str:
    """The document of all tables in full, beside the results that it is written from."""
    return DETAILS.format(
        accuracy=accuracy_table.full(recipes_of(results / ACCURACY_FILE)) or NOT_RUN,
        exports=exports(recipes_of(results / EXPORTS_FILE)) or NOT_RUN,
        gateway=_gateway(results) or NOT_RUN,
        faults=faults(_there(results / FAULTS_FILE)) or NOT_RUN,
        latency=markdown_table(measured(results)).strip() or NOT_RUN,
        repeated=_table(repeatability_table, results / REPEATED_FILE),
        perf_analyzer=_table(perf_analyzer_table, results / PERF_FILE),
    )


def _table(made: Callable[[Mapping[str, Any]], str], file: Path) -> str:
    """A table of one file, if that is there."""
    return made(_read(file)) if file.exists() else NOT_RUN


def _gateway(results: Path) -> str:
    """The gateway beside other services, and over Triton itself."""
    peers, added = _there(results / PEERS_FILE), _there(results / ADDED_FILE)
    tables = [peers_table(peers) if peers else "", added_table(added) if added else ""]
    return "\n\n".join(filter(None, tables))


def _there(file: Path) -> Any:
    return _read(file) if file.exists() else {}


def clicks(results: Path) -> str:
    """The block of click models: their quality, and what else was measured of them."""
    return _with_sentences(ctr(recipes_of(results / CTR_FILE)), CLICK_RESULTS, results)


def forecasts(results: Path) -> str:
    """The block of forecasters: their errors, and what else was measured of them."""
    return _with_sentences(forecast(recipes_of(results / FORECAST_FILE)), FORECAST_RESULTS, results)


def recipes_of(file: Path) -> dict[str, Any]:
    """The rows of an accuracy table; none where it does not exist."""
    rows: dict[str, Any] = _read(file)["recipes"] if file.exists() else {}
    return rows


def measured(results: Path) -> list[dict[str, Any]]:
    """What ``leanzoo bench`` measured, by file name."""
    found = [_read(path) for path in sorted(results.glob("*.json"))]
    return [result for result in found if "measurements" in result]


def _with_sentences(table: str, known: Sentences, results: Path) -> str:
    """A table, and a sentence for each file of results that exists."""
    there = {name: sentence for name, sentence in known.items() if (results / name).exists()}
    sentences = [sentence(_read(results / name)) for name, sentence in there.items()]
    return "\n\n".join(filter(None, [table, *sentences]))


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ReadmeError(f"{path.name} is not JSON ({error}); measure it again") from None


BLOCKS: dict[str, Callable[[Path], str]] = {
    "accuracy": lambda results: accuracy_table.brief(recipes_of(results / ACCURACY_FILE)),
    "ctr": clicks,
    "forecast": forecasts,
    "exports": lambda results: exports_sentence(recipes_of(results / EXPORTS_FILE)),
    "latency": lambda results: headline_table(measured(results)),
}


if __name__ == "__main__":
    main()
