"""What users say on the command line of series of their own."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.families.forecast.data import row_of
from zoo.families.forecast.files import read_file
from zoo.families.forecast.series import Series
from zoo.recipes import RecipeError
from zoo.sources import report

OWN_OPTIONS = ("time", "columns", "split")
SEVERAL_FILES = ("gpd",)  # the models that train on several series at once


def own_settings(files: Sequence[Path], options: Mapping[str, str]) -> dict[str, Any]:
    """The data settings of a recipe for the user's own files; what was mended is told on stderr.

    Raises:
        DataError: a file is at fault, or lacks a column.
        RecipeError: a split that is none.
    """
    for file in files:
        for repair in read_series(file, options).repairs:
            report(f"{file.name}: {repair}")
    settings = {
        "time": options.get("time"),
        "columns": _names(options.get("columns", "")),
        "split": _split(options.get("split", "")),
    }
    return {key: value for key, value in settings.items() if value}


def read_series(file: Path, options: Mapping[str, str]) -> Series:
    """The series in a file, read as options say.

    Raises:
        DataError: the file is at fault, or lacks a column.
    """
    return read_file(file, options.get("time", ""), _names(options.get("columns", "")))


def describe_series(file: Path, options: Mapping[str, str]) -> dict[str, Any]:
    """What is in a file: as of a known series, the channels' names, and what was mended.

    Raises:
        DataError: the file is at fault, or lacks a column.
    """
    series = read_series(file, options)
    more = {"names": list(series.channels), "repairs": list(series.repairs)}
    return {**row_of(series), **more}


def _names(text: str) -> list[str]:
    """Names between commas; one with a comma in it stands in quotes."""
    return next(csv.reader([text], skipinitialspace=True), [])


def _split(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")] if text else []
    except ValueError:
        raise RecipeError(
            f"--split is '{text}': expected the fractions of train, val and test, such as "
            "0.6,0.2,0.2"
        ) from None
