"""Try faults and write down what was found: ``python -m benchmarks.faults kill sigterm``.

kill       Triton is killed under load
rollouts   versions come, go back and are tried under load
overload   twice as many requests as can be answered
soak       an hour of requests of every endpoint
poison     a configuration that lets one request stop a model
sigterm    the gateway is told to stop under load
fuzz       requests that nobody wrote

The exit code is 1 where a figure is not what was asked.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

NAMES = ("kill", "rollouts", "overload", "soak", "poison", "sigterm", "fuzz")


def main() -> int:
    """Try each, print and write its figures."""
    asked = _arguments()
    from benchmarks.conditions import Watch
    from benchmarks.faults.outcome import outcome_dict, write_outcome
    from benchmarks.faults.setting import setting
    from zoo.contract import LeanzooError

    met = True
    for name in asked.names:
        watch = Watch(threads=1)
        try:
            with setting(asked.repository, asked.seconds) as where:
                found = getattr(importlib.import_module(f"benchmarks.faults.{name}"), name)(where)
        except LeanzooError as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 1
        written = outcome_dict(found, watch)
        write_outcome(asked.out, name, written)
        _print(name, written)
        met = met and found.met
    return 0 if met else 1


def _arguments() -> argparse.Namespace:
    from benchmarks.faults.outcome import RESULTS

    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="+", choices=NAMES, metavar="NAME")
    parser.add_argument("--repository", type=Path, help="copied; default: toys, trained if needed")
    parser.add_argument("--seconds", type=float, help="of each; default: as its figure asks")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args()


def _print(name: str, found: dict[str, Any]) -> None:
    for figure in found["figures"]:
        bounds = [
            f"{sign} {figure[key]:g}"
            for key, sign in (("least", "≥"), ("most", "≤"))
            if figure[key] is not None
        ]
        met = "met" if figure["met"] else "MISSED"
        value = "–" if figure["value"] is None else f"{figure['value']:g}"
        print(f"{name}: {figure['name']}: {value} ({', '.join(bounds)}) {met}")
    for fault in found["counts"].get("faults", ()):
        print(f"{name}:   {fault}")


if __name__ == "__main__":
    sys.exit(main())
