"""A recipe's series, cut in parts and windows."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.artifact import sha256_bytes
from zoo.families.forecast.datasets import find_known
from zoo.families.forecast.files import read_file
from zoo.families.forecast.grid import duration
from zoo.families.forecast.series import Series
from zoo.families.forecast.table import PARTS, Table, at_step, cut
from zoo.recipes import Recipe, from_table
from zoo.sources import DataError, check_own

ASKED = 1024  # test windows that can be asked about


@dataclass(frozen=True)
class DataConfig:
    """How series are used.

    Attributes:
        lookback, horizon: rows of a window's history and future.
        split: fractions of the rows, by time, for train, val and test; empty for the published
            split, and 0.6, 0.2, 0.2 where there is none.
        time: column of time of the user's own file; empty where it is found by itself.
        columns: of the user's own file that are forecast; empty for all with numbers.
        stride: rows from one training window to the next.
        step_s: seconds between rows, whose values are means; 0 for each series' own step.
    """

    lookback: int = 336
    horizon: int = 96
    split: Sequence[float] = ()
    time: str = ""
    columns: Sequence[str] = ()
    stride: int = 1
    step_s: int = 0

    def __post_init__(self) -> None:
        if min(self.lookback, self.horizon, self.stride) < 1 or self.step_s < 0:
            raise ValueError("expected lookback, horizon, stride >= 1 and step_s >= 0")
        if self.split and not (
            len(self.split) == 3 and min(self.split) > 0 and sum(self.split) < 1 + 1e-9
        ):
            raise ValueError(
                f"split is {list(self.split)}: expected three fractions above 0, together 1"
            )


class ForecastData:
    """Tables, and what of them is trained on and asked about.

    Attributes:
        tables: one, or of a model that trains on several data sets, more.
        config: how they are used.
        parts: ``train``, ``val`` and ``test`` windows of the first table.
        asked: ids of the test windows that one can ask about, evenly spaced.
        sizes: config fields that come from the data.
        attachments: what every artifact of a model carries.
        licence: of the data.
        digest: of the values.
        complete, taught: training sees all of it.
    """

    complete = True
    taught = None

    def __init__(self, tables: tuple[Table, ...], config: DataConfig) -> None:
        self.tables, self.config = tables, config
        first, lookback, horizon = tables[0], config.lookback, config.horizon
        self.parts = {
            part: first.windows(part, lookback, horizon, config.stride if part == "train" else 1)
            for part in PARTS
        }
        last = len(self.parts["test"]) - 1
        self.asked = np.linspace(0, last, min(last + 1, ASKED)).round().astype(np.int64)
        self.sizes = {
            "lookback": lookback,
            "horizon": horizon,
            "channels": len(first.channels),
        }
        self.licence = "; ".join(dict.fromkeys(table.series.licence for table in tables))
        self.digest = digest_of([table.series for table in tables])
        facts = [self._facts(table) for table in tables]
        described = {"lookback": lookback, "horizon": horizon, "series": facts}
        text = json.dumps(described, indent=1, ensure_ascii=False) + "\n"
        self.attachments = {"series.json": text.encode()}

    @property
    def table(self) -> Table:
        """The only table.

        Raises:
            DataError: there are several.
        """
        if len(self.tables) > 1:
            names = ", ".join(table.name for table in self.tables)
            raise DataError(
                f"several data sets ({names}): expected one; only gpd trains on several at once"
            )
        return self.tables[0]

    @property
    def n_rows(self) -> int:
        """Test windows that can be asked about."""
        return len(self.asked)

    def asked_of(self, part: str) -> ForecastData:
        """The same series, of which all windows of a part can be asked about."""
        other = copy.copy(self)
        other.parts = {**self.parts, "test": self.parts[part]}
        other.asked = np.arange(len(self.parts[part]))
        return other

    def _facts(self, table: Table) -> dict[str, Any]:
        series = table.series
        return {
            "name": series.name,
            "channels": list(series.channels),
            "step_s": series.step_s,
            "period": series.period,
            "start": series.start,
            "rows": len(series.values),
            "licence": series.licence,
            "repairs": list(series.repairs),
        }


def digest_of(series: Sequence[Series]) -> str:
    """A checksum of values and names."""
    facts = [[one.channels, one.step_s, one.start] for one in series]
    return sha256_bytes(
        json.dumps(facts).encode() + b"".join(one.values.tobytes() for one in series)
    )


def read(recipe: Recipe) -> ForecastData:
    """The recipe's series.

    Raises:
        DataError: they cannot be had or used, the user's own file changed, or columns of a known
            one are named.
        RecipeError: wrong settings.
    """
    config: DataConfig = from_table(DataConfig, recipe.data, f"{recipe.name}.data")
    found = _own(recipe, config) if recipe.dataset_sha256 else _known(recipe, config)
    tables = (cut(at_step(series, config.step_s), config.split) for series in found)
    return ForecastData(tuple(tables), config)


def _known(recipe: Recipe, config: DataConfig) -> list[Series]:
    """Known series, whose columns are known too."""
    for key in ("time", "columns"):
        if getattr(config, key):
            raise DataError(
                f"'{key}' in {recipe.name}.data is of the user's own files, and "
                f"{recipe.dataset} is a known data set: leave it out"
            )
    return [find_known(name) for name in recipe.dataset.split("+")]


def _own(recipe: Recipe, config: DataConfig) -> list[Series]:
    """The series in the user's own files: of several, paths and checksums are joined by commas."""
    sums = recipe.dataset_sha256.split(",")
    paths = recipe.dataset.split(",") if len(sums) > 1 else [recipe.dataset]
    for path, sha256 in zip(paths, sums, strict=True):
        check_own(path, sha256)
    return [
        _read_file(path, sha256, config.time, tuple(config.columns))
        for path, sha256 in zip(paths, sums, strict=True)
    ]


@functools.lru_cache(maxsize=8)
def _read_file(path: str, sha256: str, time: str, columns: tuple[str, ...]) -> Series:
    """A file's series; the checksum tells whether the cached ones still are."""
    return read_file(Path(path), time, columns)


def describe(dataset: str) -> dict[str, object]:
    """What a known series is, in a row of a table.

    Raises:
        DataError: an unknown one, or one that cannot be had or used.
    """
    return row_of(find_known(dataset))


def row_of(series: Series) -> dict[str, object]:
    """What a series is, in a row of a table."""
    return {
        "dataset": series.name,
        "rows": len(series.values),
        "channels": len(series.channels),
        "step": duration(series.step_s) if series.step_s else "unknown",
        "step_s": series.step_s or None,
        "missing": int(np.isnan(series.values).sum()),
        "start": series.start,
        "digest": digest_of([series])[:12],
        "licence": series.licence,
    }
