"""Results of ``leanzoo bench``: found, read, and refused where a file holds none.

files or folders ── find ──► paths ── read ──► Result, one per recipe
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from benchmarks.measurement import RUNGS, Measurement
from benchmarks.report.words import ROLES
from zoo.artifact import ArtifactError

COMMITTED = Path(__file__).parents[1] / "results"
TASKS = {
    **dict.fromkeys("ABC", "node-classification"),
    **dict.fromkeys("RK", "click-prediction"),
    "F": "forecasting",
}
ROWS = {  # what each row of a list must hold
    "headlines": {"rung", "protocol", "batch", "ratio", "low", "high", "against", "reasons"},
    "floors": {*("model", "role", "form", "batch", "flops", "bytes", "floor_ms", "bound")}
    | {"p50_ms", "over_floor"},
    "costs": {*("model", "role", "rung", "batch", "queries_per_s", "core_s_per_query")}
    | {"rows_per_core_s", "model_mb"},
}
ACCURACY = {*("metric", "lower", "rows", "teacher", "student", "change", "low", "high")} | {
    *("epsilon", "equal", "reasons")
}

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Stall:
    """A server that stopped for a while, measured in both kinds of loop."""

    stall_s: float
    rate_per_s: float
    seconds: float
    open: Measurement
    closed: Measurement


@dataclass(frozen=True)
class Result:
    """What ``leanzoo bench`` wrote down of one recipe; what it did not measure is empty."""

    recipe: str
    task: str
    measurements: tuple[Measurement, ...]
    quick: bool = False
    ratios: Row = field(default_factory=dict)
    rungs: tuple[Measurement, ...] = ()
    curves: tuple[Measurement, ...] = ()
    headlines: tuple[Row, ...] = ()
    accuracy: Row | None = None
    quality: Mapping[str, Row] = field(default_factory=dict)
    floors: tuple[Row, ...] = ()
    rates: Row = field(default_factory=dict)
    costs: tuple[Row, ...] = ()
    stall: Stall | None = None
    conditions: Row = field(default_factory=dict)

    @property
    def all(self) -> Iterator[tuple[str, Measurement]]:
        """Every measurement, with the part of the benchmark that it comes from."""
        yield from (("protocols", found) for found in self.measurements)
        yield from (("ladder", found) for found in self.rungs)
        yield from (("curve", found) for found in self.curves)
        if self.stall:
            yield from (("stall", found) for found in (self.stall.closed, self.stall.open))


def find(places: Sequence[Path], runs: Path) -> list[Path]:
    """The files that hold results.

    Args:
        places: files, or folders of them; none: those of ``runs``, else the committed ones.
        runs: folder of checkpoints, with ``<recipe>/bench.json``.

    Raises:
        ArtifactError: there are none.
    """
    if not places:
        found = sorted(runs.glob("*/bench.json")) or _in_folder(COMMITTED)
        if not found:
            raise ArtifactError(f"there is no result in {runs}: run 'leanzoo bench' for a recipe")
        return found
    found = []
    for place in places:
        inside = _in_folder(place) if place.is_dir() else [place]
        if not inside:
            raise ArtifactError(f"{place} holds no result: name what 'leanzoo bench' wrote")
        found += inside
    return found


def _in_folder(folder: Path) -> list[Path]:
    """Results in a folder, or in the folders of recipes within; other files are passed over."""
    files = [*sorted(folder.glob("*.json")), *sorted(folder.glob("*/bench.json"))]
    return [path for path in files if '"measurements"' in path.read_text(errors="replace")]


def read(paths: Sequence[Path]) -> list[Result]:
    """Read results, one per recipe.

    Raises:
        ArtifactError: a file that is none, or two of one recipe.
    """
    places: dict[str, Path] = {}
    results = []
    for path in paths:
        result = _read(path)
        if result.recipe in places:
            both = f"{places[result.recipe]} and {path}"
            raise ArtifactError(f"{both} are both of '{result.recipe}': name one of them")
        places[result.recipe] = path
        results.append(result)
    return results


def _read(path: Path) -> Result:
    try:
        return parse(json.loads(path.read_text()))
    except OSError as error:
        why = error.strerror or error
        raise ArtifactError(f"cannot read {path}: {why}; name what 'leanzoo bench' wrote") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        why = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise ArtifactError(
            f"{path} is no result of 'leanzoo bench' ({why}): name another file, or measure again"
        ) from None


def parse(raw: Any) -> Result:
    """The result that stands in plain JSON.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: it is none.
    """
    if not isinstance(raw, dict):
        raise ValueError("an object was expected")
    measured = tuple(map(_measurement, raw["measurements"]))
    if not measured:
        raise ValueError("it holds no measurement")
    lists = {
        name: tuple(_row(it, must) for it in raw.get(name) or ()) for name, must in ROWS.items()
    }
    given = {name: raw.get(name) or {} for name in ("ratios", "quality", "rates", "conditions")}
    return Result(
        recipe=str(raw["recipe"]),
        task=raw.get("task") or TASKS[measured[0].protocol],
        measurements=measured,
        quick=bool(raw.get("quick")),
        rungs=tuple(map(_measurement, raw.get("rungs") or ())),
        curves=tuple(map(_measurement, raw.get("curves") or ())),
        accuracy=_row(raw["accuracy"], ACCURACY) if raw.get("accuracy") else None,
        stall=_stall(raw["stall"]) if raw.get("stall") else None,
        **cast(Any, {**lists, **given}),
    )


def _measurement(raw: Any) -> Measurement:
    found = Measurement.from_json(raw)
    _known("rung", found.rung, RUNGS)
    _known("role", found.role, ROLES)
    return found


def _known(what: str, value: str, known: Collection[str]) -> None:
    if value not in known:
        raise ValueError(f"{what} {value!r} is none of {', '.join(known)}")


def _row(raw: Any, needed: set[str]) -> Row:
    for name in sorted(needed - set(raw)):
        raise KeyError(name)
    if "rung" in needed:
        _known("rung", raw["rung"], RUNGS)
    return dict(raw)


def _stall(raw: Any) -> Stall:
    loops = {name: _measurement(raw[name]) for name in ("open", "closed")}
    return Stall(float(raw["stall_s"]), float(raw["rate_per_s"]), float(raw["seconds"]), **loops)
