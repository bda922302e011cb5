"""Variants that a gate refused: what they would have cost, in the place of their artifact.

<out>/<precision>/<model>/refused.json
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from export.vocabulary import ENCODE, RAW
from zoo.artifact import ArtifactError, staging

REFUSED_FILE = "refused.json"


@dataclass(frozen=True)
class Refusal:
    """A variant that is not written.

    Attributes:
        model: what it would have been published as.
        precision, form: of it.
        reason: what the gate found, in one line.
        task: what it would have cost, as ``export.trial`` measured it; None where nothing is
            scored, or it could not be asked.
        checkpoint: digest of what it was made from.
    """

    model: str
    precision: str
    form: str
    reason: str
    task: dict[str, Any] | None
    checkpoint: str


def write_refusals(refusals: Sequence[Refusal], out: Path) -> None:
    """Put each in the place of its artifact, so that no earlier one is published in its stead.

    What stood before an earlier one, its vocabulary and its ensemble, goes too.

    Raises:
        ArtifactError: the folder cannot be written.
    """
    for refusal in refusals:
        for suffix in (ENCODE, RAW):
            shutil.rmtree(out / refusal.precision / f"{refusal.model}{suffix}", ignore_errors=True)
        with staging(out / refusal.precision / refusal.model) as folder:
            text = json.dumps(asdict(refusal), indent=1, allow_nan=False) + "\n"
            (folder / REFUSED_FILE).write_text(text)


def read_refusals(out: Path) -> list[Refusal]:
    """All of a recipe's.

    Raises:
        ArtifactError: a file of them cannot be read.
    """
    found = []
    for file in sorted(out.glob(f"*/*/{REFUSED_FILE}")):
        try:
            found.append(Refusal(**json.loads(file.read_text())))
        except (OSError, ValueError, TypeError) as error:
            raise ArtifactError(
                f"{file} cannot be read ({error}): export the model again"
            ) from None
    return found
